//! Files that stand for Unix sockets: `bind(2)` makes one at once, and whoever connects finds the socket by it.

use std::io;
use std::path::Path;

use stormglass_kernel::{Kernel, NodeId};

use crate::errno::Errno;
use crate::inode::InodeId;
use crate::volume::Volume;
use crate::world::{Disk, wall_ns};

/// What tells a file from every other of its node, removed ones too: its place among the inodes and its birth.
pub type SocketFile = (u64, u64);

fn key(volume: &Volume, id: InodeId) -> SocketFile {
    (u64::from(id.0), volume.inodes.get(id).created_ns)
}

impl Disk {
    /// Makes an empty file at `path` for a socket. It is unsynced, as any new name.
    ///
    /// # Errors
    /// `EEXIST` when something has the name; `ENOENT` or `ENOTDIR` where the path breaks off.
    pub fn create_socket_file(&mut self, kernel: &Kernel, node: NodeId, path: &Path) -> io::Result<SocketFile> {
        let now_ns = wall_ns(kernel, node);
        let volume = &mut self.device(kernel, node).volume;
        let spot = volume.spot(path)?;
        match (volume.at(&spot)?, &spot.name) {
            (None, Some(name)) => {
                let id = volume.create_file(spot.dir, name, 0o755, now_ns);
                Ok(key(volume, id))
            }
            _ => Err(Errno::EEXIST.into()),
        }
    }

    /// The file at `path`.
    ///
    /// # Errors
    /// As finding it would.
    pub fn socket_file(&mut self, kernel: &Kernel, node: NodeId, path: &Path) -> io::Result<SocketFile> {
        let volume = &self.device(kernel, node).volume;
        Ok(key(volume, volume.find(path)?))
    }
}
