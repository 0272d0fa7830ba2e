//! What happened to data, where and why: so that what a checksum rejects can be traced to the fault that did it.

use std::fmt;
use std::path::PathBuf;

use stormglass_kernel::VirtualTime;

/// What happened to some bytes, a length or a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Harm {
    /// An unsynced write of them was gone after a power loss.
    Lost,
    /// An unsynced write of them was there in part after a power loss.
    Torn,
    /// An unsynced change of the file's length was undone by a power loss.
    LengthLost,
    /// An unsynced operation on the file's name was undone by a power loss.
    NameLost,
    /// Bits of theirs changed on the device.
    Rotten,
    /// They were written to another place, or others in theirs.
    Misdirected,
    /// A sync of them failed, and they will never be written.
    Dropped,
    /// A sync of it failed that had none of its bytes to write: of a directory's names, or of what was written out already.
    Unsynced,
    /// A sync of them did nothing and said that it had.
    LiedAbout,
    /// Reading them failed.
    Unreadable,
    /// Writing them failed.
    Refused,
}

impl Harm {
    fn words(self) -> &'static str {
        match self {
            Self::Lost => "lost by power loss",
            Self::Torn => "torn by power loss",
            Self::LengthLost => "cut to another length by power loss",
            Self::NameLost => "named as before by power loss",
            Self::Rotten => "rotten on the device",
            Self::Misdirected => "misdirected",
            Self::Dropped => "dropped by a failed sync",
            Self::Unsynced => "left unsynced by a failed sync",
            Self::LiedAbout => "the subject of a lying sync",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
        }
    }
}

/// One thing that happened to a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Injury {
    /// When, in virtual time.
    pub at: VirtualTime,
    /// The file, by the name that it had then.
    pub path: PathBuf,
    /// First byte.
    pub offset: u64,
    /// How many bytes; 0 for a length or a name.
    pub len: u64,
    /// What happened.
    pub harm: Harm,
    /// The fault of a plan that did it; `None` for a power loss, which the plan's own times tell.
    pub fault: Option<u32>,
}

impl fmt::Display for Injury {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, path, offset, len, harm, fault } = self;
        let path = path.display();
        let seconds = at.as_nanos() as f64 / 1e9;
        match len {
            0 => write!(f, "{path} was {}", harm.words())?,
            _ => write!(f, "bytes {offset}..{} of {path} were {}", offset + len, harm.words())?,
        }
        write!(f, " at {seconds:.6} s")?;
        fault.map_or(Ok(()), |fault| write!(f, " (fault {fault})"))
    }
}

/// Injuries of one node, the oldest first; of more than [`INJURIES_MAX`] the first ones.
#[derive(Debug, Default)]
pub(crate) struct Injuries {
    list: Vec<Injury>,
}

/// As many injuries are kept of one node: enough to explain a failure, and no endless memory.
pub const INJURIES_MAX: usize = 65_536;

impl Injuries {
    pub(crate) fn add(&mut self, injury: Injury) {
        if self.list.len() < INJURIES_MAX {
            self.list.push(injury);
        }
    }

    pub(crate) fn all(&self) -> &[Injury] {
        &self.list
    }
}
