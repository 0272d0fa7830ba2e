//! `/dev` and the character devices in it that every machine has: `null`, `zero`, `full`, `random` and `urandom`.
//!
//! They lie beside the disk and not on it, as devtmpfs does: no fault of the disk reaches them, they take no room and none of
//! its time, and they are there after a power loss, a wiped disk and a swapped one. Nothing can be added to `/dev`, or taken
//! away. What they do is null(4), full(4) and random(4); `random` never waits, as since Linux 5.6.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use stormglass_kernel::{Decisions, ENTROPY, Site};

use crate::errno::Errno;
use crate::inode::{Body, Directory, Entry, Inode, InodeId, LinkId};

/// A character device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Special {
    Null,
    Zero,
    Full,
    Random,
    Urandom,
}

/// The directory. The devices follow it, in the order of [`ALL`]; inodes of the disk never come so far.
pub(crate) const DEV: InodeId = InodeId(InodeId::SPECIAL_MIN);

const NAME: &str = "dev";
const ALL: [(&str, Special); 5] = [
    ("null", Special::Null),
    ("zero", Special::Zero),
    ("full", Special::Full),
    ("random", Special::Random),
    ("urandom", Special::Urandom),
];

/// Bytes to a word of entropy.
const WORD_BYTES: usize = 8;
/// As many bytes does one read give at most: `MAX_RW_COUNT` of Linux (read(2)).
const READ_MAX: usize = 0x7fff_f000;

/// What a call on a device takes: a system call without any disk.
pub(crate) const CALL_NS: u64 = 300;

impl Special {
    /// `st_rdev`: major 1 and the minor number of null(4), full(4) and random(4), as makedev(3) puts them together.
    pub(crate) fn number(self) -> u64 {
        let minor = match self {
            Self::Null => 3,
            Self::Zero => 5,
            Self::Full => 7,
            Self::Random => 8,
            Self::Urandom => 9,
        };
        1 << 8 | minor
    }

    /// What a read gives, without the entropy; how much of that is to be filled.
    pub(crate) fn read(self, max: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        if self != Self::Null {
            buffer.resize(max.min(READ_MAX), 0);
        }
    }

    /// Whether a read is to be filled with entropy.
    pub(crate) fn is_random(self) -> bool {
        matches!(self, Self::Random | Self::Urandom)
    }

    /// Whether reading comes to an end.
    pub(crate) fn ends(self) -> bool {
        self == Self::Null
    }

    /// Takes what is written. Entropy that a program gives is mixed in on a machine, and changes nothing that it could tell.
    ///
    /// # Errors
    /// `ENOSPC` of a full device, for no bytes too.
    pub(crate) fn write(self) -> Result<(), Errno> {
        if self == Self::Full { Err(Errno::ENOSPC) } else { Ok(()) }
    }
}

/// What lies at a name that the disk does not have.
pub(crate) fn mounted(dir: InodeId, name: &OsStr) -> Option<Entry> {
    (dir == InodeId::ROOT && name == NAME).then_some(Entry { link: LinkId(0), inode: DEV })
}

/// The path of the directory.
pub(crate) fn path() -> std::path::PathBuf {
    std::path::Path::new("/").join(NAME)
}

/// `/dev` of a machine, and what is in it.
pub(crate) fn inodes(node: &str, now_ns: u64) -> Vec<Inode> {
    let of = |site: String, body, mode| {
        let mut inode = Inode::new(Site::named(&site), body, mode, now_ns);
        (inode.links, inode.durable_links) = (1, 1);
        inode
    };
    let entry = |at: usize| Entry { link: LinkId(0), inode: InodeId(DEV.0 + 1 + at as u32) };
    let entries: BTreeMap<_, _> = ALL.iter().enumerate().map(|(at, (name, _))| ((*name).into(), entry(at))).collect();
    let directory = Directory { entries, parent: Some(InodeId::ROOT), ..Directory::default() };
    let mut inodes = vec![of(format!("{node}:/{NAME}"), Body::Directory(directory), 0o755)];
    let devices = ALL.iter();
    inodes.extend(devices.map(|(name, device)| of(format!("{node}:/{NAME}/{name}"), Body::Special(*device), 0o666)));
    inodes
}

/// Fills a buffer with a machine's entropy, of which so many words were drawn before. Gives how many were now.
pub(crate) fn fill(decisions: &Decisions, site: Site, drawn: u64, buffer: &mut [u8]) -> u64 {
    let mut words = 0;
    for chunk in buffer.chunks_mut(WORD_BYTES) {
        let bits = decisions.bits(ENTROPY, site, drawn + words);
        chunk.copy_from_slice(&bits.to_le_bytes()[..chunk.len()]);
        words += 1;
    }
    words
}
