//! Nodes whose processes run out of something: files and sockets ask here for a descriptor before they are opened, and what
//! allocates memory while a limit is on asks for its bytes.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::kernel::Kernel;
use crate::node::Down;
use crate::trace::Kind;
use crate::universe;

/// What the processes of nodes may still open and allocate. Of the others nobody keeps count here.
#[derive(Debug, Default)]
pub(crate) struct Scarce {
    nodes: BTreeMap<NodeId, Openings>,
    memory: BTreeMap<NodeId, Memory>,
}

/// How much memory a process gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryLimit {
    /// So many bytes more, whatever it frees meanwhile: as if others on the machine took them. The allocation that asks for
    /// more is granted, as Linux does which overcommits, and the process is killed for it.
    pub left: Option<u64>,
    /// Allocations of at least so many bytes fail, as where the system does not overcommit (`vm.overcommit_memory` 2) or an
    /// address space is limited (`RLIMIT_AS`).
    pub refuses: Option<u64>,
}

/// What a [`MemoryLimit`] came to so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryHits {
    /// Processes killed.
    pub killed: u64,
    /// Allocations that failed.
    pub refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    limit: MemoryLimit,
    /// Bytes that this boot may still allocate.
    left: Option<u64>,
    hits: MemoryHits,
}

#[derive(Clone, Copy, Debug)]
struct Openings {
    left: u32,
    refused: u64,
}

impl Kernel {
    /// From now on the processes of a node can open `left` more files and sockets, whatever they close meanwhile: as if some
    /// other part of the program leaked each descriptor that becomes free. `None` ends that. Gives how many openings were
    /// refused since it began.
    pub fn limit_descriptors(&mut self, node: NodeId, left: Option<u32>) -> u64 {
        let before = match left {
            Some(left) => {
                let refused = self.refused_descriptors(node);
                self.scarce.nodes.insert(node, Openings { left, refused })
            }
            None => self.scarce.nodes.remove(&node),
        };
        before.map_or(0, |openings| openings.refused)
    }

    /// How many openings a limit refused so far, while it is on.
    #[must_use]
    pub fn refused_descriptors(&self, node: NodeId) -> u64 {
        self.scarce.nodes.get(&node).map_or(0, |openings| openings.refused)
    }

    /// Whether the processes of a node may open one more file or socket: `EMFILE` if not. A refusal is counted.
    #[inline]
    pub fn has_descriptor(&mut self, node: NodeId) -> bool {
        if self.scarce.nodes.is_empty() {
            return true;
        }
        let Some(openings) = self.scarce.nodes.get_mut(&node) else { return true };
        openings.refused += u64::from(openings.left == 0);
        openings.left > 0
    }

    /// Takes a descriptor, once something has been opened.
    #[inline]
    pub fn take_descriptor(&mut self, node: NodeId) {
        if let Some(openings) = self.scarce.nodes.get_mut(&node) {
            openings.left = openings.left.saturating_sub(1);
        }
    }

    /// From now on the processes of a node get so much memory. `None` ends that. Gives what the limit before came to.
    pub fn limit_memory(&mut self, node: NodeId, limit: Option<MemoryLimit>) -> MemoryHits {
        let before = match limit {
            Some(limit) => {
                let hits = self.memory_hits(node);
                self.scarce.memory.insert(node, Memory { limit, left: limit.left, hits })
            }
            None => self.scarce.memory.remove(&node),
        };
        before.map_or_else(MemoryHits::default, |memory| memory.hits)
    }

    /// What a limit came to so far, while it is on.
    #[must_use]
    pub fn memory_hits(&self, node: NodeId) -> MemoryHits {
        self.scarce.memory.get(&node).map_or_else(MemoryHits::default, |memory| memory.hits)
    }

    /// The program that is being polled allocates so many bytes: whether it gets them. A process that has used up its limit
    /// is killed when the poll ends: as everything that a poll does, that it dies takes place then.
    pub fn allocates(&mut self, bytes: u64) -> bool {
        if self.scarce.memory.is_empty() || self.current.as_ref().is_none_or(|current| !current.effective) {
            return true;
        }
        let node = self.current_node();
        let Some(memory) = self.scarce.memory.get_mut(&node) else { return true };
        if memory.limit.refuses.is_some_and(|least| bytes >= least) {
            memory.hits.refused += 1;
            self.trace_on(node, Kind::MEMORY, bytes, 0);
            return false;
        }
        let Some(left) = &mut memory.left else { return true };
        match left.checked_sub(bytes) {
            Some(rest) => *left = rest,
            None => {
                // Once for each boot.
                memory.left = None;
                self.trace_on(node, Kind::MEMORY, bytes, 1);
                let kill = move || _ = universe::try_with(|u| u.kernel.run_out_of_memory(node));
                self.effect_call(Box::new(kill));
            }
        }
        true
    }

    fn run_out_of_memory(&mut self, node: NodeId) {
        if self.take_down(node, Down::Kill).is_some()
            && let Some(memory) = self.scarce.memory.get_mut(&node)
        {
            memory.hits.killed += 1;
        }
    }

    /// A new process has what is left for it to itself.
    pub(crate) fn begin_memory(&mut self, node: NodeId) {
        if let Some(memory) = self.scarce.memory.get_mut(&node) {
            memory.left = memory.limit.left;
        }
    }
}
