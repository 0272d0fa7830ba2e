//! One node's file system: the tree as the page cache shows it, and the operations on names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use stormglass_kernel::{Site, hash_bytes};

use crate::errno::Errno;
use crate::file::FileData;
use crate::handles::{Handles, OpenFile};
use crate::inode::{Body, Directory, Entry, Inode, InodeId, Inodes, LinkId};
use crate::locks::Locks;
use crate::names::{NameChange, Names, Place};
use crate::options::{CrashModel, DiskOptions};
use crate::path::{self, Step, Steps, check_name};
use crate::request::{FileKind, HandleKey, OpenFlags, Stat};
use crate::special::{self, Special};

mod durable;
mod power;
mod tree;

pub(crate) use power::Resolved;

pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// A node's files and directories, its open handles, and what is unsynced.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) inodes: Inodes,
    pub(crate) names: Names,
    pub(crate) handles: Handles,
    node: String,
    links: u64,
    /// How many files were created under a path, by its hash: a file's site counts them.
    births: BTreeMap<u64, u32>,
    pending_names_max: usize,
    /// Where relative paths begin: an operation's first and second one.
    pub(crate) starts: (InodeId, InodeId),
    pub(crate) locks: Locks,
    /// The number of the device, for `stat`.
    pub(crate) device: u64,
    /// Words of entropy that the machine's devices gave so far.
    pub(crate) entropy: u64,
    pub(crate) model: CrashModel,
    /// With a journal: unsynced changes of length, by number, with the file that each is of.
    journaled_lengths: BTreeMap<u64, InodeId>,
    /// When what happens now happens, in nanoseconds of virtual time: the stamp of every change.
    pub(crate) stamp_ns: u64,
}

/// What tells `/dev` from the disk in `st_dev`: no node has so high a number.
const SPECIAL_DEVICE: u64 = 1 << 15;

/// Links that one path may lead through: `MAXSYMLINKS` of Linux (path_resolution(7)).
const LINKS_FOLLOWED_MAX: u32 = 40;

/// Where a path leads: the directory that holds its last name, and that name; none for the root and after `..`.
#[derive(Debug)]
pub(crate) struct Spot<'a> {
    pub(crate) dir: InodeId,
    pub(crate) name: Option<Cow<'a, OsStr>>,
    /// It must name a directory.
    pub(crate) directory: bool,
    /// What has the name.
    pub(crate) entry: Option<Entry>,
}

impl Volume {
    pub(crate) fn new(node: &str, options: &DiskOptions, now_ns: u64) -> Self {
        let mut inodes = Inodes::default();
        let site = Site::named(&format!("{node}:/"));
        let mut root = Inode::new(site, Body::Directory(Directory::default()), 0o755, now_ns);
        (root.links, root.durable_links) = (1, 1);
        inodes.insert(root);
        inodes.special = special::inodes(node, now_ns);
        let names = Names::new(options.crash_model);
        Self {
            inodes,
            names,
            handles: Handles::new(options.handles_max),
            node: node.to_owned(),
            links: 0,
            births: BTreeMap::new(),
            pending_names_max: options.pending_names_max,
            starts: (InodeId::ROOT, InodeId::ROOT),
            locks: Locks::default(),
            device: 1,
            entropy: 0,
            model: options.crash_model,
            journaled_lengths: BTreeMap::new(),
            stamp_ns: 0,
        }
    }

    /// Puts other content into this volume's place. Numbers go on, so that handles of before stay stale and a new file
    /// is not taken for an old one of its path.
    pub(crate) fn swap(&mut self, fresh: Self) {
        (self.inodes, self.names, self.model) = (fresh.inodes, fresh.names, fresh.model);
        self.journaled_lengths = fresh.journaled_lengths;
    }

    /// Two volumes change machines: what names their new files, and tells their devices, goes with the machine.
    pub(crate) fn rename_owner(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.node, &mut other.node);
        std::mem::swap(&mut self.births, &mut other.births);
        std::mem::swap(&mut self.handles, &mut other.handles);
        std::mem::swap(&mut self.device, &mut other.device);
        std::mem::swap(&mut self.entropy, &mut other.entropy);
        std::mem::swap(&mut self.inodes.special, &mut other.inodes.special);
    }

    /// Unsynced changes of data and names.
    pub(crate) fn unsynced(&self) -> usize {
        let files = self.inodes.ids().into_iter().filter_map(|id| self.inodes.get(id).file());
        files.map(FileData::pending).sum::<usize>() + self.names.unsynced()
    }

    /// Where the machine's entropy is drawn: the same for both devices that give it.
    pub(crate) fn entropy_site(&self) -> Site {
        self.inodes.get(special::DEV).site
    }

    // ---- finding ------------------------------------------------------------------------------------------------

    fn entry(&self, dir: InodeId, name: &OsStr) -> Result<Option<Entry>> {
        let directory = self.inodes.directory(dir).ok_or(Errno::ENOTDIR)?;
        check_name(name)?;
        Ok(directory.entries.get(name).copied().or_else(|| special::mounted(dir, name)))
    }

    /// Where a path leads, a symbolic link in its last place not followed.
    ///
    /// # Errors
    /// `ENOENT` or `ENOTDIR` where the path breaks off before its last name, `ELOOP`.
    pub(crate) fn spot<'a>(&self, path: &'a Path) -> Result<Spot<'a>> {
        self.walk(self.starts.0, path, false)
    }

    /// As [`Volume::spot`], the links in the last place followed.
    pub(crate) fn spot_followed<'a>(&self, path: &'a Path) -> Result<Spot<'a>> {
        self.walk(self.starts.0, path, true)
    }

    /// As [`Volume::spot`], for the second path of an operation.
    pub(crate) fn second_spot<'a>(&self, path: &'a Path) -> Result<Spot<'a>> {
        self.walk(self.starts.1, path, false)
    }

    fn walk<'a>(&self, start: InodeId, path: &'a Path, follow: bool) -> Result<Spot<'a>> {
        if let Some(spot) = self.walk_plainly(start, path, follow)? {
            return Ok(spot);
        }
        let Steps { mut steps, mut directory } = Steps::of(path)?;
        steps.reverse();
        let mut at = if path.is_absolute() { InodeId::ROOT } else { start };
        let mut followed = 0;
        while let Some(step) = steps.pop() {
            let Step::Into(name) = step else {
                at = self.inodes.directory(at).ok_or(Errno::ENOTDIR)?.parent.unwrap_or(InodeId::ROOT);
                continue;
            };
            let entry = self.entry(at, name)?;
            let is_last = steps.is_empty();
            let target = entry.and_then(|entry| match &self.inodes.get(entry.inode).body {
                Body::Link(target) if !is_last || follow || directory => Some(target),
                _ => None,
            });
            if let Some(target) = target {
                followed += 1;
                if followed > LINKS_FOLLOWED_MAX {
                    return Err(Errno::ELOOP);
                }
                let inner = Steps::of(target)?;
                if target.is_absolute() {
                    at = InodeId::ROOT;
                }
                directory |= is_last && inner.directory;
                steps.extend(inner.steps.into_iter().rev());
                continue;
            }
            if is_last {
                return Ok(Spot { dir: at, name: Some(Cow::Owned(name.to_owned())), directory, entry });
            }
            at = entry.ok_or(Errno::ENOENT)?.inode;
        }
        if !self.inodes.get(at).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok(Spot { dir: at, name: None, directory, entry: None })
    }

    /// As [`Volume::walk`], where neither a link nor a dot is on the way, as on most; `None` where one is.
    #[cfg(unix)]
    fn walk_plainly<'a>(&self, start: InodeId, path: &'a Path, follow: bool) -> Result<Option<Spot<'a>>> {
        use std::os::unix::ffi::OsStrExt;

        let directory = path::check(path)?;
        let mut rest = path.as_os_str().as_bytes();
        let mut at = if rest[0] == b'/' { InodeId::ROOT } else { start };
        loop {
            while let [b'/', after @ ..] = rest {
                rest = after;
            }
            let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if matches!(name, b"" | b"." | b"..") {
                return Ok(None);
            }
            let (name, is_last) = (OsStr::from_bytes(name), after.iter().all(|&byte| byte == b'/'));
            if !is_last && after.ends_with(b"/.") {
                // What ends in a dot is taken apart whole: the name before it is the last one.
                return Ok(None);
            }
            let entry = self.entry(at, name)?;
            let is_link = entry.is_some_and(|entry| matches!(self.inodes.get(entry.inode).body, Body::Link(_)));
            if is_link && (!is_last || follow || directory) {
                return Ok(None);
            }
            if is_last {
                return Ok(Some(Spot { dir: at, name: Some(Cow::Borrowed(name)), directory, entry }));
            }
            at = entry.ok_or(Errno::ENOENT)?.inode;
            rest = after;
        }
    }

    #[cfg(not(unix))]
    fn walk_plainly<'a>(&self, _: InodeId, _: &'a Path, _: bool) -> Result<Option<Spot<'a>>> {
        Ok(None)
    }

    /// Opens an existing regular file, where that is all that is asked for; `None` of anything else.
    #[inline]
    pub(crate) fn open_plainly(&mut self, path: &Path, flags: &OpenFlags) -> Option<HandleKey> {
        let OpenFlags { read, write, append, truncate, create, create_new, .. } = *flags;
        let writes = write || append;
        let is_plain =
            !truncate && !create_new && (writes || (read && !create)) && !flags.directory && !flags.no_follow;
        if !is_plain || self.handles.is_full() {
            return None;
        }
        let Spot { entry: Some(Entry { inode, .. }), directory: false, .. } = self.spot_followed(path).ok()? else {
            return None;
        };
        let opened = self.inodes.get_mut(inode);
        opened.file()?;
        opened.holds += 1;
        let (synced, direct) = (flags.synced, flags.direct);
        Some(self.handles.insert(OpenFile {
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

    /// What a spot holds, if anything. `ENOTDIR` when it must be a directory and is none.
    pub(crate) fn at(&self, spot: &Spot<'_>) -> Result<Option<InodeId>> {
        if spot.name.is_none() {
            return Ok(Some(spot.dir));
        }
        let Some(entry) = spot.entry else { return Ok(None) };
        if spot.directory && !self.inodes.get(entry.inode).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok(Some(entry.inode))
    }

    /// Whether names of a directory can be changed.
    ///
    /// # Errors
    /// In `/dev` `EACCES`, as for any user who is not root (path_resolution(7)); `EBUSY` for `/dev` itself, a mount point.
    pub(crate) fn changeable(&self, spot: &Spot<'_>) -> Result<()> {
        match (spot.dir, self.at(spot)?) {
            (special::DEV, _) => Err(Errno::EACCES),
            (_, Some(special::DEV)) => Err(Errno::EBUSY),
            _ => Ok(()),
        }
    }

    /// What a path leads to, links followed.
    pub(crate) fn find(&self, path: &Path) -> Result<InodeId> {
        self.at(&self.spot_followed(path)?)?.ok_or(Errno::ENOENT)
    }

    /// What a path leads to, a link in the last place left unfollowed.
    pub(crate) fn find_link(&self, path: &Path) -> Result<InodeId> {
        self.at(&self.spot(path)?)?.ok_or(Errno::ENOENT)
    }

    pub(crate) fn stat(&self, id: InodeId) -> Stat {
        let inode = self.inodes.get(id);
        let subdirectories = self
            .inodes
            .directory(id)
            .map_or(0, |d| d.entries.values().filter(|entry| self.inodes.get(entry.inode).is_dir()).count() as u64);
        Stat {
            kind: inode.kind(),
            len: inode.len(),
            mode: inode.mode,
            // A directory has its name, its own `.` and a `..` in each directory below it.
            links: if inode.is_dir() { 1 + u64::from(inode.links) + subdirectories } else { u64::from(inode.links) },
            inode: u64::from(id.0) + 2,
            modified_ns: inode.modified_ns,
            created_ns: inode.created_ns,
            changed_ns: inode.changed_ns,
            accessed_ns: inode.accessed_ns,
            allocated_bytes: inode.file().map_or(0, FileData::allocated_bytes),
            device: if id.is_special() { self.device | SPECIAL_DEVICE } else { self.device },
            special: inode.special().map_or(0, Special::number),
        }
    }

    /// An existing file's absolute path without links, `.` and `..`.
    pub(crate) fn canonical(&self, path: &Path) -> Result<PathBuf> {
        let spot = self.spot_followed(path)?;
        self.at(&spot)?.ok_or(Errno::ENOENT)?;
        let mut canonical = self.path_of(spot.dir);
        canonical.extend(spot.name.as_deref());
        Ok(canonical)
    }

    /// A directory's path from the root.
    fn path_of(&self, dir: InodeId) -> PathBuf {
        if dir == special::DEV {
            return special::path();
        }
        let mut names = Vec::new();
        let mut at = dir;
        while let Some(Directory { parent: Some(parent), .. }) = self.inodes.directory(at) {
            let up = self.inodes.directory(*parent);
            let named = up.and_then(|d| d.entries.iter().find(|(_, entry)| entry.inode == at));
            names.extend(named.map(|(name, _)| name.as_os_str()));
            at = *parent;
        }
        std::iter::once(OsStr::new("/")).chain(names.into_iter().rev()).collect()
    }

    /// Where a file is, by one of its names: for reports. `None` when it has none.
    pub(crate) fn name_of(&self, id: InodeId) -> Option<PathBuf> {
        let mut found = None;
        for dir in self.inodes.ids() {
            let Some(directory) = self.inodes.directory(dir) else { continue };
            let name = directory.entries.iter().find(|(_, entry)| entry.inode == id).map(|(name, _)| name);
            found = found.or_else(|| name.map(|name| self.path_of(dir).join(name)));
        }
        found
    }

    /// A directory's names with what they stand for.
    pub(crate) fn entries(&self, id: InodeId) -> Result<Vec<(OsString, FileKind, u64)>> {
        let directory = self.inodes.directory(id).ok_or(Errno::ENOTDIR)?;
        let of = |(name, entry): (&OsString, &Entry)| {
            let stat = self.stat(entry.inode);
            (name.clone(), stat.kind, stat.inode)
        };
        Ok(directory.entries.iter().map(of).collect())
    }

    // ---- creating -----------------------------------------------------------------------------------------------

    /// The stable name of a new file at `dir/name`: `node:/path`, from its second birth on with `#n`.
    fn birth(&mut self, dir: InodeId, name: &OsStr) -> Site {
        let text = format!("{}:{}", self.node, self.path_of(dir).join(name).to_string_lossy());
        let births = self.births.entry(hash_bytes(text.as_bytes())).or_default();
        *births += 1;
        if *births == 1 { Site::named(&text) } else { Site::named(&format!("{text}#{births}")) }
    }

    fn link(&mut self, dir: InodeId, name: &OsStr, inode: InodeId, now_ns: u64) -> Entry {
        self.links += 1;
        let entry = Entry { link: LinkId(self.links), inode };
        let to = Place { dir, name: name.to_owned() };
        self.insert(&to, entry, now_ns);
        self.note_name(entry, NameChange::Create { to });
        self.names.write_back(&mut self.inodes, self.pending_names_max);
        entry
    }

    fn note_name(&mut self, entry: Entry, change: NameChange) {
        self.names.push(&mut self.inodes, entry, change, self.stamp_ns);
    }

    fn insert(&mut self, to: &Place, entry: Entry, now_ns: u64) {
        let inode = self.inodes.get_mut(entry.inode);
        inode.links += 1;
        if let Body::Directory(directory) = &mut inode.body {
            (directory.parent, directory.link) = (Some(to.dir), Some(entry.link));
        }
        self.touch(to.dir, now_ns);
        if let Some(directory) = self.inodes.directory_mut(to.dir) {
            directory.entries.insert(to.name.clone(), entry);
        }
    }

    fn take_out(&mut self, from: &Place, now_ns: u64) {
        self.touch(from.dir, now_ns);
        let Some(entry) = self.inodes.directory_mut(from.dir).and_then(|d| d.entries.remove(&from.name)) else {
            return;
        };
        let inode = self.inodes.get_mut(entry.inode);
        inode.links -= 1;
        inode.changed_ns = now_ns;
        if let Body::Directory(directory) = &mut inode.body {
            directory.parent = None;
        }
    }

    pub(crate) fn create_file(&mut self, dir: InodeId, name: &OsStr, mode: u32, now_ns: u64) -> InodeId {
        let site = self.birth(dir, name);
        let id = self.inodes.insert(Inode::new(site, Body::File(FileData::default()), mode, now_ns));
        self.link(dir, name, id, now_ns);
        id
    }

    fn touch(&mut self, id: InodeId, now_ns: u64) {
        let inode = self.inodes.get_mut(id);
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
    }

    fn make_dir(&mut self, dir: InodeId, name: &OsStr, now_ns: u64) -> InodeId {
        let site = self.birth(dir, name);
        let id = self.inodes.insert(Inode::new(site, Body::Directory(Directory::default()), 0o755, now_ns));
        self.link(dir, name, id, now_ns);
        id
    }
}
