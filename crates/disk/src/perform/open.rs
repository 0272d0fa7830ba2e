//! Opening: the rules of open(2), and those of std before it.

use super::*;

const DEFAULT_MODE: u32 = 0o644;

impl Performer<'_> {
    pub(super) fn open(&mut self, path: &Path, flags: OpenFlags) -> Result<HandleKey> {
        let OpenFlags { read, write, append, truncate, create, create_new, mode, .. } = flags;
        let writes = write || append;
        let creates = create || create_new;
        if !flags.raw {
            // The rules of std::fs::OpenOptions, before any system call.
            let no_access = !read && !writes;
            let needs_writing = (truncate || creates) && !writes;
            let appends_to_nothing = append && truncate && !create_new;
            if no_access || needs_writing || appends_to_nothing {
                return Err(Errno::EINVAL);
            }
        }
        if creates && flags.directory {
            return Err(Errno::EINVAL);
        }
        let follows = !create_new && !flags.no_follow;
        let spot = if follows { self.volume.spot_followed(path)? } else { self.volume.spot(path)? };
        let found = match self.volume.at(&spot) {
            // A regular file named with a slash: open(O_CREAT) calls it a directory that it cannot create.
            Err(Errno::ENOTDIR) if creates => return Err(Errno::EISDIR),
            found => found?,
        };
        if self.volume.handles.is_full() || !self.may_open {
            return Err(Errno::EMFILE);
        }
        let inode = match found {
            Some(_) if create_new => return Err(Errno::EEXIST),
            Some(id) => self.open_existing(id, &flags)?,
            None if !creates => return Err(Errno::ENOENT),
            None if spot.directory => return Err(Errno::EISDIR),
            None => {
                self.volume.changeable(&spot)?;
                self.refuse(Asking::NewName, InodeId::ROOT)?;
                let mode = mode.map_or(DEFAULT_MODE, |m| m & 0o7777 & !0o022);
                let name = spot.name.as_deref().ok_or(Errno::EISDIR)?;
                self.volume.create_file(spot.dir, name, mode, self.now_ns)
            }
        };
        self.volume.inodes.get_mut(inode).holds += 1;
        let (synced, direct) = (flags.synced, flags.direct);
        Ok(self.volume.handles.insert(OpenFile {
            inode,
            read,
            write: writes,
            append,
            position: 0,
            synced,
            direct,
            shares: 0,
        }))
    }

    fn open_existing(&mut self, id: InodeId, flags: &OpenFlags) -> Result<InodeId> {
        let OpenFlags { write, append, truncate, create, .. } = *flags;
        match self.volume.inodes.get(id).kind() {
            FileKind::Directory if write || append || create || truncate => return Err(Errno::EISDIR),
            FileKind::Link if flags.directory => return Err(Errno::ENOTDIR),
            FileKind::Link => return Err(Errno::ELOOP),
            FileKind::File | FileKind::CharDevice if flags.directory => return Err(Errno::ENOTDIR),
            // A driver of characters has no direct way (open(2)); there is nothing to cut, and no disk to refuse it.
            FileKind::CharDevice => return if flags.direct { Err(Errno::EINVAL) } else { Ok(id) },
            _ => {}
        }
        if write || append || truncate {
            // Only a file system that is read-only refuses to open for writing.
            self.refuse(Asking::Change, id)?;
        }
        if truncate {
            self.resize(id, 0)?;
        }
        Ok(id)
    }
}
