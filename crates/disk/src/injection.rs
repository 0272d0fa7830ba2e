//! Faults of a device, switched on and off by id, each counting what it hit. Every operation asks here first.

use stormglass_kernel::NodeId;

/// What is wrong with a node's device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Injection {
    /// fsync and fdatasync return success and make nothing durable. A later honest sync covers what was lied about, as a
    /// later flush empties a drive's volatile cache.
    LyingSync,
    /// fsync and fdatasync fail with `EIO`; what they should have covered counts as clean and is never written, though the
    /// page cache still shows it (Linux since 4.13).
    FailingSync,
    /// Reads fail with `EIO`.
    FailingReads,
    /// Writes fail with `EIO`.
    FailingWrites,
    /// No space is left: what makes a file longer or a new name fails with `ENOSPC`.
    Full,
    /// Every operation takes this many thousandths of its usual time.
    Slow {
        /// 1000 is the usual time.
        thousandths: u64,
    },
}

/// What an operation is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    Read,
    Write { grows: bool },
    NewName,
    Sync,
    Time,
}

#[derive(Debug)]
struct Active {
    fault: u32,
    node: NodeId,
    injection: Injection,
}

/// The faults of all devices.
#[derive(Debug, Default)]
pub(crate) struct Injections {
    active: Vec<Active>,
    /// By fault id, in order of the first injection.
    hits: Vec<(u32, u64)>,
}

impl Injections {
    pub(crate) fn inject(&mut self, fault: u32, node: NodeId, injection: Injection) {
        self.active.push(Active { fault, node, injection });
        if !self.hits.iter().any(|(id, _)| *id == fault) {
            self.hits.push((fault, 0));
        }
    }

    /// Switches off everything that `fault` switched on. Says whether there was anything.
    pub(crate) fn heal(&mut self, fault: u32) -> bool {
        let before = self.active.len();
        self.active.retain(|a| a.fault != fault);
        self.active.len() != before
    }

    pub(crate) fn hits(&self, fault: u32) -> u64 {
        self.hits.iter().find(|(id, _)| *id == fault).map_or(0, |(_, hits)| *hits)
    }

    pub(crate) fn hit(&mut self, fault: u32, times: u64) {
        if let Some((_, hits)) = self.hits.iter_mut().find(|(id, _)| *id == fault) {
            *hits += times;
        }
    }

    /// The first fault, in order of injection, that touches an operation on `node`. The asker counts the hit.
    #[inline]
    pub(crate) fn ask(&self, node: NodeId, asking: Asking) -> Option<(u32, Injection)> {
        if self.active.is_empty() { None } else { self.find(node, asking) }
    }

    #[cold]
    fn find(&self, node: NodeId, asking: Asking) -> Option<(u32, Injection)> {
        let touches = |injection| match injection {
            Injection::LyingSync | Injection::FailingSync => asking == Asking::Sync,
            Injection::FailingReads => asking == Asking::Read,
            Injection::FailingWrites => matches!(asking, Asking::Write { .. }),
            Injection::Full => matches!(asking, Asking::Write { grows: true } | Asking::NewName),
            Injection::Slow { .. } => asking == Asking::Time,
        };
        let found = self.active.iter().find(|a| a.node == node && touches(a.injection))?;
        Some((found.fault, found.injection))
    }
}
