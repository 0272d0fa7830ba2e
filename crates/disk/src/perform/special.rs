//! What an operation does with a device of `/dev`.

use super::*;
use crate::special::{self, Special};

impl Performer<'_> {
    /// The device that a handle is of.
    pub(super) fn special_of(&mut self, handle: HandleKey) -> Option<Special> {
        let inode = self.volume.handles.get(handle).ok()?.inode;
        if inode.is_special() { self.volume.inodes.get(inode).special() } else { None }
    }

    /// Reads from a device. Its position stays where it is.
    pub(super) fn read_special(&mut self, device: Special, max: usize, mut buffer: Vec<u8>) -> Vec<u8> {
        device.read(max, &mut buffer);
        if device.is_random() {
            let site = self.volume.entropy_site();
            self.volume.entropy += special::fill(self.decisions, site, self.volume.entropy, &mut buffer);
        }
        buffer
    }
}
