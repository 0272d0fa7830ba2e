//! Nodes whose processes run out of file descriptors: files and sockets ask here before they are opened.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::kernel::Kernel;

/// How many descriptors the processes of nodes may still open. Of the others nobody keeps count here.
#[derive(Debug, Default)]
pub(crate) struct Scarce {
    nodes: BTreeMap<NodeId, Openings>,
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
}
