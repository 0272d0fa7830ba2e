//! The decisions of a power loss: which unsynced changes reached the device.
//!
//! Each is asked for by key, so that it does not depend on what else was pending. The small numbers are for overrides:
//! `disk.keep n1:/data/wal @7 = 0` loses the file's write 7 whole, `1` keeps it, `2` decides each of its sectors, `3` cuts
//! it at one byte. Draws above those follow the *mood* of the power loss, which makes runs in which nearly everything, or
//! nearly nothing, was still on its way as likely as even ones.

use stormglass_kernel::{Decisions, Domain, Point, Site};

use crate::options::CrashModel;

/// What is left of an unsynced write: site = the file, ordinal = the change's number in the file. 0 lost, 1 kept, 2 by
/// sector, 3 cut at a byte, 4–9 as the mood says.
pub const KEEP: Point = Point::new(Domain::Disk, "keep");
/// What is left of one sector of a write that is decided by sector: ordinal = number × 2³² + sector within the write. 0
/// lost, 1 kept, 2 torn.
pub const SECTOR: Point = Point::new(Domain::Disk, "sector");
/// Where a torn sector turns from new to old: a byte of it. Ordinal as for [`SECTOR`].
pub const TEAR: Point = Point::new(Domain::Disk, "tear");
/// How many bytes of a write that is cut arrived. Ordinal as for [`KEEP`].
pub const CUT: Point = Point::new(Domain::Disk, "cut");
/// Whether a file's growth by a write arrived: 0 lost, 1 kept, 2 short, at a sector's edge, 3–5 as the mood says.
pub const GROW: Point = Point::new(Domain::Disk, "grow");
/// To which sector's edge a short growth went.
pub const SHORT: Point = Point::new(Domain::Disk, "short");
/// Whether an unsynced `set_len` arrived: 0 lost, 1 kept, 2–5 as the mood says.
pub const RESIZE: Point = Point::new(Domain::Disk, "resize");
/// Whether an unsynced operation on names arrived: site = the directory, ordinal = the operation's number there. Values as
/// for [`RESIZE`].
pub const NAME: Point = Point::new(Domain::Disk, "name");
/// How far a journal had been written: site = the node, ordinal = its power losses before; the number of operations on
/// names and lengths that are kept, of those that were not flushed.
pub const COMMIT: Point = Point::new(Domain::Disk, "commit");
/// How many of a file's unsynced growths a journaling file system had made: site = the file, ordinal = the first one's
/// number.
pub const SIZE: Point = Point::new(Domain::Disk, "size");
/// The mood of a power loss: site = the node, ordinal = its power losses before. 0 even, 1 mostly kept, 2 mostly lost.
pub const MOOD: Point = Point::new(Domain::Disk, "mood");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Even,
    MostlyKept,
    MostlyLost,
}

/// What becomes of an unsynced write's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keep {
    Lost,
    Kept,
    BySector,
    Cut,
}

/// What becomes of one sector of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fragment {
    Lost,
    Kept,
    /// New up to this byte of the sector, old from there on.
    Torn(usize),
}

/// What becomes of a file's growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Growth {
    Lost,
    Kept,
    /// The size that arrived.
    Short(u64),
}

/// One power loss of one node, deciding.
#[derive(Debug)]
pub(crate) struct Crash<'a> {
    decisions: &'a Decisions,
    mood: Mood,
    node: Site,
    power_losses: u64,
    model: CrashModel,
}

impl<'a> Crash<'a> {
    pub(crate) fn new(decisions: &'a Decisions, node: Site, power_losses: u64, model: CrashModel) -> Self {
        let mood = match decisions.range(MOOD, node, power_losses, 0, 2) {
            1 => Mood::MostlyKept,
            2 => Mood::MostlyLost,
            _ => Mood::Even,
        };
        Self { decisions, mood, node, power_losses, model }
    }

    pub(crate) fn model(&self) -> CrashModel {
        self.model
    }

    /// How many of `pending` journaled operations had been written: the earlier ones.
    pub(crate) fn committed(&self, pending: u64) -> u64 {
        self.some(COMMIT, self.node, self.power_losses, pending)
    }

    /// How many of a file's `growths` had been made: the earlier ones.
    pub(crate) fn growths(&self, file: Site, first: u64, growths: u64) -> u64 {
        self.some(SIZE, file, first, growths)
    }

    fn some(&self, point: Point, site: Site, ordinal: u64, most: u64) -> u64 {
        let some = self.decisions.range(point, site, ordinal, 0, most);
        match self.mood {
            Mood::Even => some,
            Mood::MostlyKept => some.max(most - most / 4),
            Mood::MostlyLost => some.min(most / 4),
        }
    }

    fn by_mood(&self, even: bool) -> bool {
        match self.mood {
            Mood::Even => even,
            Mood::MostlyKept => true,
            Mood::MostlyLost => false,
        }
    }

    pub(crate) fn keep(&self, file: Site, number: u64) -> Keep {
        match self.decisions.range(KEEP, file, number, 0, 9) {
            0 => Keep::Lost,
            1 => Keep::Kept,
            2 => Keep::BySector,
            3 => Keep::Cut,
            n if self.mood == Mood::Even => [Keep::Lost, Keep::Kept, Keep::BySector, Keep::Cut][(n % 4) as usize],
            _ if self.mood == Mood::MostlyKept => Keep::Kept,
            _ => Keep::Lost,
        }
    }

    /// One sector of a write, which covers the bytes `from..to` of it.
    pub(crate) fn fragment(&self, file: Site, number: u64, index: u64, from: usize, to: usize) -> Fragment {
        let ordinal = number << 32 | index;
        match self.decisions.range(SECTOR, file, ordinal, 0, 2) {
            0 => Fragment::Lost,
            2 if to - from >= 2 && self.model == CrashModel::Strict => {
                let at = self.decisions.range(TEAR, file, ordinal, from as u64 + 1, to as u64 - 1);
                Fragment::Torn(at as usize)
            }
            _ => Fragment::Kept,
        }
    }

    /// How many of a write's `len` bytes arrived, at least one and not all; all of a write of one byte.
    pub(crate) fn cut(&self, file: Site, number: u64, len: u64) -> u64 {
        if len < 2 { len } else { self.decisions.range(CUT, file, number, 1, len - 1) }
    }

    pub(crate) fn growth(&self, file: Site, number: u64, old: u64, new: u64, sector: u64) -> Growth {
        match self.decisions.range(GROW, file, number, 0, 5) {
            0 => Growth::Lost,
            1 => Growth::Kept,
            2 => {
                // Sector edges strictly between the two sizes; without one there is nothing short of the whole.
                let (first, last) = (old / sector + 1, (new - 1) / sector);
                if first > last {
                    return Growth::Kept;
                }
                Growth::Short(self.decisions.range(SHORT, file, number, first, last) * sector)
            }
            n if self.by_mood(n != 3) => Growth::Kept,
            _ => Growth::Lost,
        }
    }

    pub(crate) fn resize(&self, file: Site, number: u64) -> bool {
        self.either(RESIZE, file, number)
    }

    pub(crate) fn name(&self, directory: Site, number: u64) -> bool {
        self.either(NAME, directory, number)
    }

    fn either(&self, point: Point, site: Site, ordinal: u64) -> bool {
        match self.decisions.range(point, site, ordinal, 0, 5) {
            0 => false,
            1 => true,
            n => self.by_mood(n % 2 == 1),
        }
    }
}
