//! One node's file system: the tree as the page cache shows it, and the operations on names.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use stormglass_kernel::{Site, hash_bytes};

use crate::errno::Errno;
use crate::file::FileData;
use crate::handles::Handles;
use crate::inode::{Body, Directory, Entry, Inode, InodeId, Inodes, LinkId};
use crate::names::{NameChange, Names, Place};
use crate::options::DiskOptions;
use crate::path::{Step, Steps, check_name};
use crate::request::{FileKind, Stat};

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
}

/// Where a path leads: the directory that holds its last name, and that name; none for the root and after `..`.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) dir: InodeId,
    pub(crate) name: Option<OsString>,
    /// It must name a directory.
    pub(crate) directory: bool,
}

impl Volume {
    pub(crate) fn new(node: &str, options: &DiskOptions, now_ns: u64) -> Self {
        let mut inodes = Inodes::default();
        let site = Site::named(&format!("{node}:/"));
        let mut root = Inode::new(site, Body::Directory(Directory::default()), 0o755, now_ns);
        (root.links, root.durable_links) = (1, 1);
        inodes.insert(root);
        Self {
            inodes,
            names: Names::default(),
            handles: Handles::new(options.handles_max),
            node: node.to_owned(),
            links: 0,
            births: BTreeMap::new(),
            pending_names_max: options.pending_names_max,
        }
    }

    /// Puts other content into this volume's place. Numbers go on, so that handles of before stay stale and a new file
    /// is not taken for an old one of its path.
    pub(crate) fn swap(&mut self, fresh: Self) {
        (self.inodes, self.names) = (fresh.inodes, fresh.names);
    }

    /// Unsynced changes of data and names.
    pub(crate) fn unsynced(&self) -> usize {
        let files = self.inodes.ids().into_iter().filter_map(|id| self.inodes.get(id).file());
        files.map(FileData::pending).sum::<usize>() + self.names.unsynced()
    }

    // ---- finding ------------------------------------------------------------------------------------------------

    fn entry(&self, dir: InodeId, name: &OsStr) -> Result<Option<Entry>> {
        let directory = self.inodes.directory(dir).ok_or(Errno::ENOTDIR)?;
        check_name(name)?;
        Ok(directory.entries.get(name).copied())
    }

    /// # Errors
    /// `ENOENT` or `ENOTDIR` where the path breaks off before its last name.
    pub(crate) fn spot(&self, path: &Path) -> Result<Spot> {
        let Steps { steps, directory } = Steps::of(path)?;
        let mut at = InodeId::ROOT;
        let Some((last, before)) = steps.split_last() else { return Ok(Spot { dir: at, name: None, directory }) };
        for step in before {
            at = self.step(at, *step)?;
        }
        match last {
            Step::Up => Ok(Spot { dir: self.step(at, Step::Up)?, name: None, directory }),
            Step::Into(name) => {
                self.entry(at, name)?;
                Ok(Spot { dir: at, name: Some((*name).to_owned()), directory })
            }
        }
    }

    fn step(&self, at: InodeId, step: Step<'_>) -> Result<InodeId> {
        match step {
            Step::Up => Ok(self.inodes.directory(at).ok_or(Errno::ENOTDIR)?.parent.unwrap_or(InodeId::ROOT)),
            Step::Into(name) => Ok(self.entry(at, name)?.ok_or(Errno::ENOENT)?.inode),
        }
    }

    /// What a spot holds, if anything. `ENOTDIR` when it must be a directory and is none.
    pub(crate) fn at(&self, spot: &Spot) -> Result<Option<InodeId>> {
        let Some(name) = &spot.name else { return Ok(Some(spot.dir)) };
        let Some(entry) = self.entry(spot.dir, name)? else { return Ok(None) };
        if spot.directory && !self.inodes.get(entry.inode).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok(Some(entry.inode))
    }

    pub(crate) fn find(&self, path: &Path) -> Result<InodeId> {
        self.at(&self.spot(path)?)?.ok_or(Errno::ENOENT)
    }

    pub(crate) fn stat(&self, id: InodeId) -> Stat {
        let inode = self.inodes.get(id);
        Stat {
            kind: if inode.is_dir() { FileKind::Directory } else { FileKind::File },
            len: inode.len(),
            mode: inode.mode,
            links: u64::from(inode.links),
            inode: u64::from(id.0) + 2,
            modified_ns: inode.modified_ns,
            created_ns: inode.created_ns,
        }
    }

    /// An existing file's absolute path without `.` and `..`.
    pub(crate) fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.find(path)?;
        let mut canonical = PathBuf::from("/");
        for step in Steps::of(path)?.steps {
            match step {
                Step::Up => drop(canonical.pop()),
                Step::Into(name) => canonical.push(name),
            }
        }
        Ok(canonical)
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
        let mut parts = vec![name.to_string_lossy().into_owned()];
        let mut at = dir;
        while let Some(Directory { parent: Some(parent), .. }) = self.inodes.directory(at) {
            let up = self.inodes.directory(*parent);
            let named = up.and_then(|d| d.entries.iter().find(|(_, entry)| entry.inode == at));
            parts.extend(named.map(|(name, _)| name.to_string_lossy().into_owned()));
            at = *parent;
        }
        parts.reverse();
        let text = format!("{}:/{}", self.node, parts.join("/"));
        let births = self.births.entry(hash_bytes(text.as_bytes())).or_default();
        *births += 1;
        if *births == 1 { Site::named(&text) } else { Site::named(&format!("{text}#{births}")) }
    }

    fn link(&mut self, dir: InodeId, name: &OsStr, inode: InodeId, now_ns: u64) -> Entry {
        self.links += 1;
        let entry = Entry { link: LinkId(self.links), inode };
        let to = Place { dir, name: name.to_owned() };
        self.insert(&to, entry, now_ns);
        self.names.push(&mut self.inodes, entry, NameChange::Create { to });
        self.names.write_back(&mut self.inodes, self.pending_names_max);
        entry
    }

    fn insert(&mut self, to: &Place, entry: Entry, now_ns: u64) {
        let inode = self.inodes.get_mut(entry.inode);
        inode.links += 1;
        if let Body::Directory(directory) = &mut inode.body {
            (directory.parent, directory.link) = (Some(to.dir), Some(entry.link));
        }
        self.inodes.get_mut(to.dir).modified_ns = now_ns;
        if let Some(directory) = self.inodes.directory_mut(to.dir) {
            directory.entries.insert(to.name.clone(), entry);
        }
    }

    fn take_out(&mut self, from: &Place, now_ns: u64) {
        self.inodes.get_mut(from.dir).modified_ns = now_ns;
        let Some(entry) = self.inodes.directory_mut(from.dir).and_then(|d| d.entries.remove(&from.name)) else {
            return;
        };
        let inode = self.inodes.get_mut(entry.inode);
        inode.links -= 1;
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

    fn make_dir(&mut self, dir: InodeId, name: &OsStr, now_ns: u64) -> InodeId {
        let site = self.birth(dir, name);
        let id = self.inodes.insert(Inode::new(site, Body::Directory(Directory::default()), 0o755, now_ns));
        self.link(dir, name, id, now_ns);
        id
    }
}
