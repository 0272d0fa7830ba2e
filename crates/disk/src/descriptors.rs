//! File descriptors: the numbers under which programs and their C code know open files.
//!
//! They lie in a range of their own, far above what a real process is given, and name their node and its boot: a number
//! from another node, or from before a restart, is known as such and never means somebody else's file.

use crate::errno::Errno;
use crate::request::HandleKey;

/// The least descriptor of a simulated file.
pub const DESCRIPTOR_MIN: i32 = 1 << 30;

const SLOT_BITS: u32 = 12;
const NODE_BITS: u32 = 10;
const BOOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    pub(crate) handle: HandleKey,
    /// FD_CLOEXEC: kept, since a node's program starts no other.
    pub(crate) close_on_exec: bool,
}

/// The descriptors of one node's program.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
}

/// Whose descriptor a number is: what is the same in all numbers of one boot of one node.
fn owner_bits(node: usize, boot: u32) -> i32 {
    let node = (node as u32) & ((1 << NODE_BITS) - 1);
    let boot = boot & ((1 << BOOT_BITS) - 1);
    DESCRIPTOR_MIN | (boot << (SLOT_BITS + NODE_BITS) | node << SLOT_BITS) as i32
}

/// The slot that a number means to this boot of this node; `None` when it is another's.
pub(crate) fn slot_of(fd: i32, node: usize, boot: u32) -> Option<usize> {
    let slot = fd as usize & (SLOTS - 1);
    (fd >= DESCRIPTOR_MIN && fd & !(SLOTS as i32 - 1) == owner_bits(node, boot)).then_some(slot)
}

/// The number of a slot.
pub(crate) fn number_of(slot: usize, node: usize, boot: u32) -> i32 {
    owner_bits(node, boot) | slot as i32
}

impl Descriptors {
    /// The lowest free slot, as POSIX has it.
    ///
    /// # Errors
    /// `EMFILE` when none is left.
    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Result<usize, Errno> {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if slot >= SLOTS {
            return Err(Errno::EMFILE);
        }
        self.put(slot, descriptor);
        Ok(slot)
    }

    /// Fills a slot. Gives what was there.
    pub(crate) fn put(&mut self, slot: usize, descriptor: Descriptor) -> Option<Descriptor> {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot].replace(descriptor)
    }

    /// # Errors
    /// `EBADF` when nothing is open there.
    pub(crate) fn get(&mut self, slot: usize) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(slot).and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    /// Empties a slot. Gives its open file if no other descriptor is of it: that is to be closed.
    ///
    /// # Errors
    /// `EBADF` when nothing is open there.
    pub(crate) fn remove(&mut self, slot: usize) -> Result<Option<HandleKey>, Errno> {
        let handle = self.slots.get_mut(slot).and_then(Option::take).ok_or(Errno::EBADF)?.handle;
        let shared = self.slots.iter().flatten().any(|other| other.handle == handle);
        Ok((!shared).then_some(handle))
    }

    /// Forgets every descriptor: the program is gone.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }
}
