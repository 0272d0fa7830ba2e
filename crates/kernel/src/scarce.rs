//! Nodes whose processes run out of something: files and sockets ask here for a descriptor before they are opened, and what
//! allocates memory while a limit is on asks for its bytes.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::kernel::Kernel;
use crate::node::Down;
use crate::trace::Kind;
use crate::universe;

/// What the processes of nodes may still open and allocate, by each limit in the order of their names. Of nodes without one nobody
/// keeps count here.
#[derive(Debug, Default)]
pub(crate) struct Scarce {
    openings: BTreeMap<NodeId, Vec<Openings>>,
    memory: BTreeMap<NodeId, Vec<Memory>>,
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
    by: u32,
    limit: MemoryLimit,
    /// Bytes that this boot may still allocate.
    left: Option<u64>,
    hits: MemoryHits,
}

#[derive(Clone, Copy, Debug)]
struct Openings {
    by: u32,
    left: u32,
    refused: u64,
}

/// Takes a limit from its node, and the node's entry with the last one.
fn lift<T>(limits: &mut BTreeMap<NodeId, Vec<T>>, node: NodeId, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let of_node = limits.get_mut(&node)?;
    let lifted = of_node.iter().position(is_it).map(|at| of_node.remove(at));
    if of_node.is_empty() {
        limits.remove(&node);
    }
    lifted
}

impl Kernel {
    /// From now on the processes of a node can open `left` more files and sockets, whatever they close meanwhile: as if some
    /// other part of the program leaked each descriptor that becomes free. The limit goes by the name `by`; a node may have
    /// several, each with a count of its own, and what one of them refuses is refused.
    pub fn limit_descriptors(&mut self, node: NodeId, by: u32, left: u32) {
        self.lift_descriptors(node, by);
        self.scarce.openings.entry(node).or_default().push(Openings { by, left, refused: 0 });
    }

    /// Ends a limit. Gives how many openings it refused.
    pub fn lift_descriptors(&mut self, node: NodeId, by: u32) -> u64 {
        lift(&mut self.scarce.openings, node, |it| it.by == by).map_or(0, |it| it.refused)
    }

    /// How many openings a limit refused so far, while it is on.
    #[must_use]
    pub fn refused_descriptors(&self, node: NodeId, by: u32) -> u64 {
        let limits = self.scarce.openings.get(&node).into_iter().flatten();
        limits.filter(|it| it.by == by).map(|it| it.refused).sum()
    }

    /// Whether the processes of a node may open one more file or socket: `EMFILE` if not. A refusal is counted.
    #[inline]
    pub fn has_descriptor(&mut self, node: NodeId) -> bool {
        if self.scarce.openings.is_empty() {
            return true;
        }
        let mut has = true;
        for limit in self.scarce.openings.get_mut(&node).into_iter().flatten().filter(|it| it.left == 0) {
            limit.refused += 1;
            has = false;
        }
        has
    }

    /// Takes a descriptor, once something has been opened.
    #[inline]
    pub fn take_descriptor(&mut self, node: NodeId) {
        if self.scarce.openings.is_empty() {
            return;
        }
        for limit in self.scarce.openings.get_mut(&node).into_iter().flatten() {
            limit.left = limit.left.saturating_sub(1);
        }
    }

    /// From now on the processes of a node get so much memory. The limit goes by the name `by`; a node may have several, each
    /// with a count of its own.
    pub fn limit_memory(&mut self, node: NodeId, by: u32, limit: MemoryLimit) {
        self.lift_memory(node, by);
        let hits = MemoryHits::default();
        self.scarce.memory.entry(node).or_default().push(Memory { by, limit, left: limit.left, hits });
    }

    /// Ends a limit. Gives what it came to.
    pub fn lift_memory(&mut self, node: NodeId, by: u32) -> MemoryHits {
        lift(&mut self.scarce.memory, node, |it| it.by == by).map_or_else(MemoryHits::default, |it| it.hits)
    }

    /// What a limit came to so far, while it is on.
    #[must_use]
    pub fn memory_hits(&self, node: NodeId, by: u32) -> MemoryHits {
        let mut limits = self.scarce.memory.get(&node).into_iter().flatten();
        limits.find(|it| it.by == by).map_or_else(MemoryHits::default, |it| it.hits)
    }

    /// The program that is being polled allocates so many bytes: whether it gets them. A process that has used up a limit
    /// is killed when the poll ends: as everything that a poll does, that it dies takes place then.
    pub fn allocates(&mut self, bytes: u64) -> bool {
        if self.scarce.memory.is_empty() || self.current.as_ref().is_none_or(|current| !current.effective) {
            return true;
        }
        let node = self.current_node();
        let Some(limits) = self.scarce.memory.get_mut(&node) else { return true };
        let mut refused = false;
        for limit in limits.iter_mut().filter(|it| it.limit.refuses.is_some_and(|least| bytes >= least)) {
            limit.hits.refused += 1;
            refused = true;
        }
        if refused {
            self.trace_on(node, Kind::MEMORY, bytes, 0);
            return false;
        }
        let mut beyond = None;
        for limit in limits.iter_mut() {
            let Some(left) = &mut limit.left else { continue };
            match left.checked_sub(bytes) {
                Some(rest) => *left = rest,
                None => beyond = beyond.or(Some(limit.by)),
            }
        }
        if let Some(by) = beyond {
            // Once for each boot: nobody counts any more what it allocates.
            limits.iter_mut().for_each(|limit| limit.left = None);
            self.trace_on(node, Kind::MEMORY, bytes, 1);
            let kill = move || _ = universe::try_with(|u| u.kernel.run_out_of_memory(node, by));
            self.effect_call(Box::new(kill));
        }
        true
    }

    fn run_out_of_memory(&mut self, node: NodeId, by: u32) {
        if self.take_down(node, Down::Kill).is_some() {
            let mut limits = self.scarce.memory.get_mut(&node).into_iter().flatten();
            if let Some(limit) = limits.find(|it| it.by == by) {
                limit.hits.killed += 1;
            }
        }
    }

    /// A new process has what is left for it to itself.
    pub(crate) fn begin_memory(&mut self, node: NodeId) {
        for limit in self.scarce.memory.get_mut(&node).into_iter().flatten() {
            limit.left = limit.limit.left;
        }
    }
}
