//! Direct access to disks, for setting up a scenario and looking at what is there. Nothing here takes time or is traced,
//! and what is written is durable at once.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use stormglass_kernel::{Kernel, NodeId};

use crate::errno::Errno;
use crate::injection::Injection;
use crate::injuries::Injury;
use crate::inode::{Body, InodeId};
use crate::volume::Volume;
use crate::world::{Disk, options_of, wall_ns};

impl Disk {
    /// From now on the disks behave like this, but for those of [`Disk::set_device`].
    pub fn set_options(&mut self, options: crate::DiskOptions) {
        self.options = options;
    }

    /// From now on the disk of one node behaves like this.
    pub fn set_device(&mut self, node: NodeId, options: crate::DiskOptions) {
        self.special.insert(node, options);
    }

    /// A file's bytes, as the node's programs would read them.
    ///
    /// # Errors
    /// As reading it would.
    pub fn read_file(&mut self, kernel: &Kernel, node: NodeId, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let volume = &self.device(kernel, node).volume;
        let id = volume.find(path.as_ref())?;
        Ok(volume.inodes.get(id).file().ok_or(Errno::EISDIR)?.bytes())
    }

    /// Makes a file with these bytes, and the directories above it, all durable. An existing file is overwritten in place,
    /// under its open handles.
    ///
    /// # Errors
    /// As writing it would.
    pub fn write_file(&mut self, kernel: &Kernel, node: NodeId, path: impl AsRef<Path>, data: &[u8]) -> io::Result<()> {
        let (path, now_ns) = (path.as_ref(), wall_ns(kernel, node));
        let volume = &mut self.device(kernel, node).volume;
        if let Some(parent) = path.parent() {
            volume.create_dir_all(parent, now_ns)?;
        }
        let spot = volume.spot(path)?;
        let id = match (volume.at(&spot)?, &spot.name) {
            (Some(id), _) => id,
            (None, Some(name)) => volume.create_file(spot.dir, name, 0o644, now_ns),
            (None, None) => return Err(Errno::EISDIR.into()),
        };
        let inode = volume.inodes.get_mut(id);
        (inode.modified_ns, inode.durable_modified_ns) = (now_ns, now_ns);
        inode.file_mut().ok_or(Errno::EISDIR)?.replace(data);
        let mut at = Some(spot.dir);
        while let Some(dir) = at {
            volume.names.sync(&mut volume.inodes, dir, u64::MAX);
            at = volume.inodes.directory(dir).and_then(|d| d.parent);
        }
        Ok(())
    }

    /// Overwrites one byte of a file, durably and behind its programs' backs. Says what was there; `None` beyond the end.
    ///
    /// # Errors
    /// As opening it would.
    pub fn corrupt_byte(
        &mut self,
        kernel: &Kernel,
        node: NodeId,
        path: impl AsRef<Path>,
        offset: u64,
        byte: u8,
    ) -> io::Result<Option<u8>> {
        let volume = &mut self.device(kernel, node).volume;
        let id = volume.find(path.as_ref())?;
        Ok(volume.inodes.get_mut(id).file_mut().ok_or(Errno::EISDIR)?.corrupt(offset, byte))
    }

    /// Every file of a node below `path`, in order, directories left out.
    ///
    /// # Errors
    /// As listing it would.
    pub fn list(&mut self, kernel: &Kernel, node: NodeId, path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
        let volume = &self.device(kernel, node).volume;
        let top = volume.canonical(path.as_ref())?;
        let mut files = Vec::new();
        collect(volume, volume.find(&top)?, &top, &mut files);
        Ok(files)
    }

    /// Puts an empty disk into a node's machine. Open handles become stale; what was counted stays.
    ///
    /// # Errors
    /// `EBUSY` while the node is up.
    pub fn wipe(&mut self, kernel: &Kernel, node: NodeId) -> io::Result<()> {
        if kernel.node(node).is_up() {
            return Err(Errno::EBUSY.into());
        }
        let options = options_of(&self.options, &self.special, node);
        let volume = Volume::new(kernel.node(node).name(), options, wall_ns(kernel, node));
        self.device(kernel, node).volume.swap(volume);
        Ok(())
    }

    /// Puts the disk of another machine into a node's, which gets the other's in return.
    ///
    /// # Errors
    /// `EBUSY` while one of them is up.
    pub fn swap(&mut self, kernel: &Kernel, one: NodeId, other: NodeId) -> io::Result<()> {
        if kernel.node(one).is_up() || kernel.node(other).is_up() {
            return Err(Errno::EBUSY.into());
        }
        let fresh = |disk: &Self| Volume::new("", &disk.options, 0);
        let (mut first, mut second) = (fresh(self), fresh(self));
        std::mem::swap(&mut self.device(kernel, one).volume, &mut first);
        std::mem::swap(&mut self.device(kernel, other).volume, &mut second);
        first.rename_owner(&mut second);
        self.device(kernel, one).volume = second;
        self.device(kernel, other).volume = first;
        Ok(())
    }

    /// Switches a fault of `node`'s device on, under a plan's fault id.
    pub fn inject(&mut self, fault: u32, node: NodeId, injection: Injection) {
        self.injections.inject(fault, node, injection, 1_000_000);
    }

    /// As [`Disk::inject`], but the fault strikes only so many operations of a million that it could.
    pub fn inject_at_times(&mut self, fault: u32, node: NodeId, injection: Injection, per_million: u32) {
        self.injections.inject(fault, node, injection, per_million);
    }

    /// Takes away what a fault has damaged on a node's device, as though it had never been: for finding out what mattered.
    /// Gives the number of sectors that are well again.
    pub fn ablate(&mut self, fault: u32, node: NodeId) -> usize {
        let Some(device) = self.devices.get_mut(node.index()).and_then(Option::as_deref_mut) else { return 0 };
        let inodes = &mut device.volume.inodes;
        let files = inodes.ids().into_iter();
        files.map(|id| inodes.get_mut(id).file_mut().map_or(0, |file| file.damage.ablate(fault))).sum()
    }

    /// What happened to a node's data, the oldest first.
    #[must_use]
    pub fn injuries(&self, node: NodeId) -> &[Injury] {
        self.devices.get(node.index()).and_then(Option::as_deref).map_or(&[], |d| d.injuries.all())
    }

    /// What happened to bytes `offset..offset + len` of a file of that name, the latest last: why a checksum over them does
    /// not fit.
    #[must_use]
    pub fn explain(&self, node: NodeId, path: impl AsRef<Path>, offset: u64, len: u64) -> Vec<Injury> {
        let touches = |injury: &&Injury| {
            let bytes = injury.len == 0 || (injury.offset < offset + len && offset < injury.offset + injury.len);
            injury.path == path.as_ref() && bytes
        };
        self.injuries(node).iter().filter(touches).cloned().collect()
    }

    /// Switches off all that `fault` switched on. Says whether there was anything.
    pub fn heal(&mut self, fault: u32) -> bool {
        self.injections.heal(fault)
    }

    /// How many operations a fault touched: syncs that lied about something, operations that failed or were slowed.
    #[must_use]
    pub fn fault_hits(&self, fault: u32) -> u64 {
        self.injections.hits(fault)
    }

    /// Unsynced changes of a node's files and names: what a power loss now could hit.
    #[must_use]
    pub fn unsynced(&self, node: NodeId) -> usize {
        let device = self.devices.get(node.index()).and_then(Option::as_deref);
        device.map_or(0, |d| d.volume.unsynced())
    }

    /// Files that a node has open.
    #[must_use]
    pub fn open_files(&self, node: NodeId) -> usize {
        self.devices.get(node.index()).and_then(Option::as_deref).map_or(0, |d| d.volume.handles.open())
    }
}

fn collect(volume: &Volume, id: InodeId, at: &Path, files: &mut Vec<PathBuf>) {
    match &volume.inodes.get(id).body {
        Body::File(_) | Body::Link(_) | Body::Special(_) => files.push(at.to_owned()),
        Body::Directory(directory) => {
            for (name, entry) in &directory.entries {
                collect(volume, entry.inode, &at.join(name as &OsStr), files);
            }
        }
    }
}
