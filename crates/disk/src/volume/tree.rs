//! The operations that change a tree: mkdir, unlink, rmdir, rename, link, with Linux's errors.

use super::*;

impl Volume {
    /// # Errors
    /// `EEXIST`, and those of the path.
    pub(crate) fn create_dir(&mut self, path: &Path, now_ns: u64) -> Result<InodeId> {
        let spot = self.spot(path)?;
        match &spot.name {
            Some(name) if self.entry(spot.dir, name)?.is_none() => Ok(self.make_dir(spot.dir, name, now_ns)),
            _ => Err(Errno::EEXIST),
        }
    }

    /// As `std::fs::create_dir_all`: each directory that is missing, and no error when the last one is there.
    pub(crate) fn create_dir_all(&mut self, path: &Path, now_ns: u64) -> Result<()> {
        let Steps { steps, .. } = match Steps::of(path) {
            Err(Errno::ENOENT) => return Ok(()),
            steps => steps?,
        };
        let mut at = InodeId::ROOT;
        for step in steps {
            at = match step {
                Step::Into(name) => match self.entry(at, name)? {
                    None => self.make_dir(at, name, now_ns),
                    Some(entry) => entry.inode,
                },
                up @ Step::Up => self.step(at, up)?,
            };
        }
        // The last name of all is a file: mkdir says that it exists. One before it was caught on the way.
        if self.inodes.get(at).is_dir() { Ok(()) } else { Err(Errno::EEXIST) }
    }

    /// # Errors
    /// `EISDIR` for a directory, and those of the path.
    pub(crate) fn remove_file(&mut self, path: &Path, now_ns: u64) -> Result<()> {
        let spot = self.spot(path)?;
        let id = self.at(&spot)?.ok_or(Errno::ENOENT)?;
        match spot.name {
            Some(name) if !self.inodes.get(id).is_dir() => {
                self.unlink(Place { dir: spot.dir, name }, now_ns);
                Ok(())
            }
            _ => Err(Errno::EISDIR),
        }
    }

    /// # Errors
    /// `ENOTDIR`, `ENOTEMPTY`, `EBUSY` for the root, and those of the path.
    pub(crate) fn remove_dir(&mut self, path: &Path, now_ns: u64) -> Result<()> {
        let spot = self.spot(path)?;
        let id = self.at(&spot)?.ok_or(Errno::ENOENT)?;
        let directory = self.inodes.directory(id).ok_or(Errno::ENOTDIR)?;
        let Some(name) = spot.name else {
            return Err(if id == InodeId::ROOT { Errno::EBUSY } else { Errno::ENOTEMPTY });
        };
        if !directory.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.unlink(Place { dir: spot.dir, name }, now_ns);
        Ok(())
    }

    /// Removes a directory, depth first, names in order. Gives the number of names removed.
    pub(crate) fn remove_dir_all(&mut self, path: &Path, now_ns: u64) -> Result<u64> {
        let spot = self.spot(path)?;
        let id = self.at(&spot)?.ok_or(Errno::ENOENT)?;
        if !self.inodes.get(id).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let removed = self.empty(id, now_ns);
        match spot.name {
            Some(name) => self.unlink(Place { dir: spot.dir, name }, now_ns),
            None => return Err(if id == InodeId::ROOT { Errno::EBUSY } else { Errno::ENOTEMPTY }),
        }
        Ok(removed + 1)
    }

    fn empty(&mut self, dir: InodeId, now_ns: u64) -> u64 {
        let entries = self.inodes.directory(dir).map(|d| d.entries.clone()).unwrap_or_default();
        let mut removed = entries.len() as u64;
        for (name, entry) in entries {
            if self.inodes.get(entry.inode).is_dir() {
                removed += self.empty(entry.inode, now_ns);
            }
            self.unlink(Place { dir, name }, now_ns);
        }
        removed
    }

    fn unlink(&mut self, from: Place, now_ns: u64) {
        let Ok(Some(entry)) = self.entry(from.dir, &from.name) else { return };
        // The operation is noted first: it keeps the inode while the tree lets go of it.
        self.names.push(&mut self.inodes, entry, NameChange::Remove { from: from.clone() });
        self.take_out(&from, now_ns);
        self.names.write_back(&mut self.inodes, self.pending_names_max);
    }

    /// rename(2).
    ///
    /// # Errors
    /// `EISDIR`, `ENOTDIR`, `ENOTEMPTY` for what is in the way; `EINVAL` for a directory into itself; `EBUSY` for the root.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path, now_ns: u64) -> Result<()> {
        let (from, to) = (self.spot(from)?, self.spot(to)?);
        let (Some(from_name), Some(to_name)) = (from.name.clone(), to.name.clone()) else { return Err(Errno::EBUSY) };
        let source = self.at(&from)?.ok_or(Errno::ENOENT)?;
        let moves_dir = self.inodes.get(source).is_dir();
        if moves_dir && self.is_within(to.dir, source) {
            return Err(Errno::EINVAL);
        }
        if to.directory && !moves_dir {
            return Err(Errno::ENOTDIR);
        }
        let target = self.at(&to)?;
        if target == Some(source) {
            return Ok(());
        }
        if let Some(target) = target {
            match (moves_dir, self.inodes.directory(target)) {
                (true, None) => return Err(Errno::ENOTDIR),
                (false, Some(_)) => return Err(Errno::EISDIR),
                (true, Some(directory)) if !directory.entries.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        let Some(entry) = self.entry(from.dir, &from_name)? else { return Err(Errno::ENOENT) };
        let (from, to) = (Place { dir: from.dir, name: from_name }, Place { dir: to.dir, name: to_name });
        let change = NameChange::Move { from: from.clone(), to: to.clone() };
        self.names.push(&mut self.inodes, entry, change);
        if let Some(target) = target {
            self.take_out(&to, now_ns);
            self.inodes.release(target);
        }
        self.take_out(&from, now_ns);
        self.insert(&to, entry, now_ns);
        self.names.write_back(&mut self.inodes, self.pending_names_max);
        Ok(())
    }

    fn is_within(&self, dir: InodeId, ancestor: InodeId) -> bool {
        let mut at = Some(dir);
        while let Some(id) = at {
            if id == ancestor {
                return true;
            }
            at = self.inodes.directory(id).and_then(|d| d.parent);
        }
        false
    }

    /// link(2).
    ///
    /// # Errors
    /// `EPERM` for a directory, `EEXIST`, and those of the paths.
    pub(crate) fn hard_link(&mut self, from: &Path, to: &Path, now_ns: u64) -> Result<()> {
        let source = self.find(from)?;
        let to = self.spot(to)?;
        if self.at(&to)?.is_some() {
            return Err(Errno::EEXIST);
        }
        if self.inodes.get(source).is_dir() {
            return Err(Errno::EPERM);
        }
        match to.name {
            Some(_) if to.directory => Err(Errno::ENOENT),
            Some(name) => {
                self.link(to.dir, &name, source, now_ns);
                Ok(())
            }
            None => Err(Errno::EEXIST),
        }
    }
}
