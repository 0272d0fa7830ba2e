//! Faults of a device, switched on and off by id, each counting what it hit. Every operation asks here first.

use std::time::Duration;

use stormglass_kernel::{Decisions, Domain, NodeId, Point, Site, saturating_nanos};

/// Whether a fault that strikes now and then strikes: site = the file, ordinal = the fault's id × 2³² + the file's
/// operation; per million.
pub const STRIKE: Point = Point::new(Domain::Disk, "strike");
/// Which byte and bit of a sector rots: site = the file, ordinal = the fault's id × 2⁴⁰ + the sector.
pub const ROT: Point = Point::new(Domain::Disk, "rot");
/// Whether a sector has rotted: as for [`ROT`], per million.
pub const ROTTEN: Point = Point::new(Domain::Disk, "rotten");
/// By how many sectors a misdirected write or read misses: ordinals as for [`STRIKE`].
pub const MISS: Point = Point::new(Domain::Disk, "miss");

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
    /// No space is left: what takes new room or makes a new name fails with `ENOSPC`.
    Full,
    /// From now on so many bytes of new room are left, in whole pages; then it is as [`Injection::Full`].
    Space {
        /// Bytes.
        bytes: u64,
    },
    /// The file system is mounted read-only: whatever would change it fails with `EROFS`.
    ReadOnly,
    /// Every operation takes this many thousandths of its usual time.
    Slow {
        /// 1000 is the usual time.
        thousandths: u64,
    },
    /// Operations take this much longer: a device that hangs for a while.
    Stall {
        /// In nanoseconds.
        extra_ns: u64,
    },
    /// The device takes and gives at most so many bytes in a millisecond.
    Throttle {
        /// Bytes per millisecond; at least 1.
        bytes_per_ms: u64,
    },
    /// Of the sectors that are read, some have rotted: one byte has other bits, and stays so until it is written anew.
    BitRot {
        /// Sectors of a million.
        per_million: u32,
    },
    /// A write goes to a place some sectors off. The sectors that it was meant for keep what they had, those that it hit have
    /// its bytes.
    MisdirectedWrites,
    /// A read gives the bytes of a place some sectors off, and gives them whenever it is read again.
    MisdirectedReads,
}

impl Injection {
    /// A stall of a duration.
    #[must_use]
    pub fn stall(extra: Duration) -> Self {
        Self::Stall { extra_ns: saturating_nanos(extra) }
    }
}

/// What an operation is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    Read,
    /// A write that takes so many bytes of new room.
    Write {
        needs: u64,
    },
    NewName,
    /// Any other change: a name, a length, a mode.
    Change,
    Sync,
    Time,
    /// Which sectors of a read are rotten.
    Rot,
    /// Where a write goes.
    Aim,
    /// Where a read comes from.
    AimRead,
}

/// Which operation asks: of which file, and the how-manieth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) decisions: &'a Decisions,
    pub(crate) node: NodeId,
    pub(crate) site: Site,
    pub(crate) ordinal: u64,
}

#[derive(Debug)]
struct Active {
    fault: u32,
    node: NodeId,
    injection: Injection,
    per_million: u32,
    /// Room taken since it began.
    taken: u64,
}

/// The faults of all devices.
#[derive(Debug, Default)]
pub(crate) struct Injections {
    active: Vec<Active>,
    /// By fault id, in order of the first injection.
    hits: Vec<(u32, u64)>,
}

impl Injections {
    pub(crate) fn inject(&mut self, fault: u32, node: NodeId, injection: Injection, per_million: u32) {
        self.active.push(Active { fault, node, injection, per_million, taken: 0 });
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

    /// The first fault, in order of injection, that touches an operation. The asker counts the hit.
    #[inline]
    pub(crate) fn ask(&self, asker: Asker<'_>, asking: Asking) -> Option<(u32, Injection)> {
        if self.active.is_empty() { None } else { self.find(asker, asking) }
    }

    #[cold]
    fn find(&self, asker: Asker<'_>, asking: Asking) -> Option<(u32, Injection)> {
        let found = self.active.iter().find(|a| a.node == asker.node && a.touches(asking) && a.strikes(asker))?;
        Some((found.fault, found.injection))
    }

    /// Whether nothing at all is wrong with a node's device.
    #[inline]
    pub(crate) fn spare(&self, node: NodeId) -> bool {
        self.active.is_empty() || self.active.iter().all(|a| a.node != node)
    }

    /// Notes that so many bytes of new room were taken.
    #[inline]
    pub(crate) fn took(&mut self, node: NodeId, bytes: u64) {
        self.active.iter_mut().filter(|a| a.node == node).for_each(|a| a.taken += bytes);
    }

    /// How much new room the faults on a node leave; `None` for as much as there is.
    #[inline]
    pub(crate) fn room(&self, node: NodeId) -> Option<u64> {
        let of = |a: &Active| match a.injection {
            Injection::Full => Some(0),
            Injection::Space { bytes } => Some(bytes.saturating_sub(a.taken)),
            _ => None,
        };
        self.active.iter().filter(|a| a.node == node).filter_map(of).min()
    }

    /// Whether any fault on a node touches what is read.
    #[inline]
    pub(crate) fn damages(&self, node: NodeId) -> bool {
        self.active.iter().any(|a| a.node == node && (a.touches(Asking::Rot) || a.touches(Asking::AimRead)))
    }
}

impl Active {
    fn touches(&self, asking: Asking) -> bool {
        match self.injection {
            Injection::LyingSync | Injection::FailingSync => asking == Asking::Sync,
            Injection::FailingReads => asking == Asking::Read,
            Injection::FailingWrites => matches!(asking, Asking::Write { .. }),
            Injection::Full => matches!(asking, Asking::Write { needs: 1.. } | Asking::NewName),
            Injection::Space { bytes } => match asking {
                Asking::Write { needs } => needs > bytes.saturating_sub(self.taken),
                Asking::NewName => bytes <= self.taken,
                _ => false,
            },
            Injection::ReadOnly => matches!(asking, Asking::Write { .. } | Asking::NewName | Asking::Change),
            Injection::Slow { .. } | Injection::Stall { .. } | Injection::Throttle { .. } => asking == Asking::Time,
            Injection::BitRot { .. } => asking == Asking::Rot,
            Injection::MisdirectedWrites => asking == Asking::Aim,
            Injection::MisdirectedReads => asking == Asking::AimRead,
        }
    }

    fn strikes(&self, asker: Asker<'_>) -> bool {
        if self.per_million >= 1_000_000 {
            return true;
        }
        let ordinal = u64::from(self.fault) << 32 | asker.ordinal & 0xffff_ffff;
        asker.decisions.range(STRIKE, asker.site, ordinal, 0, 999_999) < u64::from(self.per_million)
    }
}
