//! The operations that change a tree: mkdir, unlink, rmdir, rename, link, with Linux's errors.

use super::*;

impl Volume {
    /// # Errors
    /// `EEXIST`, and those of the path.
    pub(crate) fn create_dir(&mut self, path: &Path, now_ns: u64) -> Result<InodeId> {
        let spot = self.spot(path)?;
        match &spot.name {
            Some(name) if self.entry(spot.dir, name)?.is_none() => {
                self.changeable(&spot)?;
                Ok(self.make_dir(spot.dir, name, now_ns))
            }
            _ => Err(Errno::EEXIST),
        }
    }

    /// As `std::fs::create_dir_all`: each directory that is missing, and no error when the last one is there.
    pub(crate) fn create_dir_all(&mut self, path: &Path, now_ns: u64) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut at = path;
        loop {
            match self.find(at) {
                Ok(id) if self.inodes.get(id).is_dir() => break,
                // The last name of all is a file: mkdir says that it exists. One before it is no directory.
                Ok(_) => return Err(if missing.is_empty() { Errno::EEXIST } else { Errno::ENOTDIR }),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
            missing.push(at);
            match at.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        for dir in missing.into_iter().rev() {
            match self.create_dir(dir, now_ns) {
                // `a/../b` names a directory that the way there has made.
                Err(Errno::EEXIST) if self.find(dir).is_ok_and(|id| self.inodes.get(id).is_dir()) => {}
                made => drop(made?),
            }
        }
        Ok(())
    }

    /// # Errors
    /// `EISDIR` for a directory, and those of the path.
    pub(crate) fn remove_file(&mut self, path: &Path, now_ns: u64) -> Result<()> {
        let spot = self.spot(path)?;
        let id = self.at(&spot)?.ok_or(Errno::ENOENT)?;
        match spot.name {
            Some(name) if !self.inodes.get(id).is_dir() => {
                let entry = spot.entry;
                self.changeable(&Spot { dir: spot.dir, name: Some(name.clone()), directory: false, entry })?;
                self.unlink(Place { dir: spot.dir, name: name.into_owned() }, now_ns);
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
        if id == special::DEV {
            return Err(Errno::EBUSY);
        }
        let Some(name) = spot.name else {
            return Err(if id == InodeId::ROOT { Errno::EBUSY } else { Errno::ENOTEMPTY });
        };
        if !directory.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.unlink(Place { dir: spot.dir, name: name.into_owned() }, now_ns);
        Ok(())
    }

    /// Removes a directory, depth first, names in order. Gives the number of names removed.
    pub(crate) fn remove_dir_all(&mut self, path: &Path, now_ns: u64) -> Result<u64> {
        let spot = self.spot(path)?;
        let id = self.at(&spot)?.ok_or(Errno::ENOENT)?;
        match (&self.inodes.get(id).body, &spot.name) {
            (Body::Directory(_), _) if id == special::DEV => return Err(Errno::EBUSY),
            (Body::Directory(_), _) => {}
            (Body::Link(_), Some(name)) => {
                self.unlink(Place { dir: spot.dir, name: name.clone().into_owned() }, now_ns);
                return Ok(1);
            }
            _ => return Err(Errno::ENOTDIR),
        }
        let removed = self.empty(id, now_ns);
        match spot.name {
            Some(name) => self.unlink(Place { dir: spot.dir, name: name.into_owned() }, now_ns),
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

    /// symlink(2).
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT` for an empty target, and those of the path.
    pub(crate) fn symlink(&mut self, target: &Path, path: &Path, now_ns: u64) -> Result<()> {
        Steps::of(target)?;
        let spot = self.spot(path)?;
        match &spot.name {
            Some(_) if self.at(&spot)?.is_some() => Err(Errno::EEXIST),
            Some(_) if spot.directory => Err(Errno::ENOENT),
            Some(name) => {
                self.changeable(&spot)?;
                let site = self.birth(spot.dir, name);
                let id = self.inodes.insert(Inode::new(site, Body::Link(target.to_owned()), 0o777, now_ns));
                self.link(spot.dir, name, id, now_ns);
                Ok(())
            }
            None => Err(Errno::EEXIST),
        }
    }

    /// readlink(2).
    ///
    /// # Errors
    /// `EINVAL` for what is no symbolic link, and those of the path.
    pub(crate) fn read_link(&self, path: &Path) -> Result<PathBuf> {
        match &self.inodes.get(self.find_link(path)?).body {
            Body::Link(target) => Ok(target.clone()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn unlink(&mut self, from: Place, now_ns: u64) {
        let Ok(Some(entry)) = self.entry(from.dir, &from.name) else { return };
        // The operation is noted first: it keeps the inode while the tree lets go of it.
        self.note_name(entry, NameChange::Remove { from: from.clone() });
        self.take_out(&from, now_ns);
        self.names.write_back(&mut self.inodes, self.pending_names_max);
    }

    /// rename(2).
    ///
    /// # Errors
    /// `EISDIR`, `ENOTDIR`, `ENOTEMPTY` for what is in the way; `EINVAL` for a directory into itself; `EBUSY` for the root.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path, now_ns: u64) -> Result<()> {
        let (from, to) = (self.spot(from)?, self.second_spot(to)?);
        let (Some(from_name), Some(to_name)) = (from.name.clone(), to.name.clone()) else { return Err(Errno::EBUSY) };
        if from.dir.is_special() != to.dir.is_special() {
            return Err(Errno::EXDEV);
        }
        let source = self.at(&from)?.ok_or(Errno::ENOENT)?;
        self.changeable(&from)?;
        self.changeable(&to)?;
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
        let (from, to) = (from.dir, to.dir);
        let from = Place { dir: from, name: from_name.into_owned() };
        let to = Place { dir: to, name: to_name.into_owned() };
        let change = NameChange::Move { from: from.clone(), to: to.clone() };
        self.note_name(entry, change);
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
        let source = self.find_link(from)?;
        let to = self.second_spot(to)?;
        if self.at(&to)?.is_some() {
            return Err(Errno::EEXIST);
        }
        if self.inodes.get(source).is_dir() {
            return Err(Errno::EPERM);
        }
        match to.name {
            Some(_) if to.directory => Err(Errno::ENOENT),
            Some(_) if source.is_special() != to.dir.is_special() => Err(Errno::EXDEV),
            Some(_) if to.dir == special::DEV => Err(Errno::EACCES),
            Some(name) => {
                self.link(to.dir, &name, source, now_ns);
                Ok(())
            }
            None => Err(Errno::EEXIST),
        }
    }
}
