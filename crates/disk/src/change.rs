//! Disks that are replaced, and disks of two machines that change places: at the next boot, since nobody pulls a disk out of a
//! running machine.

use std::collections::BTreeSet;

use stormglass_kernel::{Kernel, NodeId};

use crate::options::DiskOptions;
use crate::volume::Volume;
use crate::world::{Disk, options_of, wall_ns};

/// What is to happen when machines boot.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    replaced: BTreeSet<NodeId>,
    swapped: Vec<(NodeId, NodeId)>,
    /// New disks so far, for names of their own.
    made: u64,
}

impl Disk {
    /// At its next boot the node has a new, empty disk, with the same options. Says whether anything was on the old one.
    pub fn replace_at_boot(&mut self, node: NodeId) -> bool {
        self.changes.replaced.insert(node);
        self.has_files(node)
    }

    /// When the first of the two nodes boots next, their disks have changed places; both are to be without power until then.
    /// Says whether anything was on either.
    pub fn swap_at_boot(&mut self, one: NodeId, other: NodeId) -> bool {
        self.changes.swapped.push((one, other));
        self.has_files(one) | self.has_files(other)
    }

    fn has_files(&self, node: NodeId) -> bool {
        self.devices.get(node.index()).is_some_and(Option::is_some)
    }

    pub(crate) fn change_disks(&mut self, kernel: &Kernel, node: NodeId) {
        if self.changes.replaced.is_empty() && self.changes.swapped.is_empty() {
            return;
        }
        let (now, later) = self.changes.swapped.drain(..).partition(|(one, other)| [*one, *other].contains(&node));
        self.changes.swapped = later;
        let now: Vec<(NodeId, NodeId)> = now;
        for (one, other) in now {
            // Both get a device if only one has: an empty disk changes places too.
            self.device(kernel, one);
            self.device(kernel, other);
            let both = self.devices.get_disjoint_mut([one.index(), other.index()]);
            if let Ok([Some(one), Some(other)]) = both {
                std::mem::swap(&mut one.volume, &mut other.volume);
            }
        }
        if self.changes.replaced.remove(&node) && self.has_files(node) {
            self.changes.made += 1;
            // A name of its own, since decisions about its data are others than those about the old one's.
            let name = format!("{}, disk {}", kernel.node(node).name(), self.changes.made + 1);
            let options: &DiskOptions = options_of(&self.options, &self.special, node);
            let volume = Volume::new(&name, options, wall_ns(kernel, node));
            self.device(kernel, node).volume = volume;
        }
    }
}
