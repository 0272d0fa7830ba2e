//! Open file descriptions of one node: what a handle may do, and where it stands.

use crate::errno::Errno;
use crate::inode::InodeId;
use crate::request::{HandleKey, Synced};

/// What an open call made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFile {
    pub(crate) inode: InodeId,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) position: u64,
    pub(crate) synced: Synced,
    pub(crate) direct: bool,
    /// Handles of the program that share it, but for one.
    pub(crate) shares: u32,
}

/// Open files by number. Numbers are used again; their generation tells tenants apart.
#[derive(Debug)]
pub(crate) struct Handles {
    slots: Vec<(u32, Option<OpenFile>)>,
    free: Vec<u32>,
    open: usize,
    max: usize,
}

impl Handles {
    pub(crate) fn new(max: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), open: 0, max }
    }

    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open >= self.max
    }

    pub(crate) fn insert(&mut self, file: OpenFile) -> HandleKey {
        self.open += 1;
        match self.free.pop() {
            Some(slot) => {
                let (generation, place) = &mut self.slots[slot as usize];
                *place = Some(file);
                HandleKey { slot, generation: *generation }
            }
            None => {
                self.slots.push((0, Some(file)));
                HandleKey { slot: self.slots.len() as u32 - 1, generation: 0 }
            }
        }
    }

    /// # Errors
    /// `EBADF` when it is closed.
    #[inline]
    pub(crate) fn get(&mut self, key: HandleKey) -> Result<&mut OpenFile, Errno> {
        match self.slots.get_mut(key.slot as usize) {
            Some((generation, Some(file))) if *generation == key.generation => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    pub(crate) fn remove(&mut self, key: HandleKey) -> Option<OpenFile> {
        self.get(key).ok()?;
        let (generation, place) = &mut self.slots[key.slot as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(key.slot);
        self.open -= 1;
        place.take()
    }

    /// Closes every handle.
    pub(crate) fn clear(&mut self) -> Vec<OpenFile> {
        let keys = self.slots.iter().enumerate().filter(|(_, (_, file))| file.is_some());
        let keys: Vec<_> =
            keys.map(|(slot, (generation, _))| HandleKey { slot: slot as u32, generation: *generation }).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }
}
