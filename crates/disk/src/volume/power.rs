//! What a volume is after its processes died, and after its power failed.

use std::collections::BTreeSet;

use crate::crash::Crash;
use crate::losses::LossReport;
use crate::names::NameOutcome;

use super::*;
use crate::file::Outcome;

/// One unsynced change and what became of it, for the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resolved {
    /// Of a file's data: its site, the change's number.
    Data(Site, u64, Outcome),
    /// Of a directory's names.
    Name(NameOutcome),
}

impl Volume {
    /// Closes every handle: the processes are gone. The page cache stays.
    pub(crate) fn close_all(&mut self) {
        for file in self.handles.clear() {
            self.let_go(file.inode);
        }
    }

    /// Takes back one hold on an inode.
    pub(crate) fn let_go(&mut self, id: InodeId) {
        self.inodes.get_mut(id).holds -= 1;
        self.inodes.release(id);
    }

    /// Resolves everything unsynced; what results is durable and is what the page cache shows from now on. No handle may
    /// be open.
    pub(crate) fn lose_power(&mut self, crash: &Crash<'_>, report: &mut LossReport) -> Vec<Resolved> {
        let mut resolved = Vec::new();
        self.names.resolve(&mut self.inodes, crash, report, |outcome| resolved.push(Resolved::Name(outcome)));
        let reachable = self.reachable_on_device();
        for id in self.inodes.ids() {
            if !reachable.contains(&id) {
                self.drop_unreachable(id);
            }
        }
        for &id in &reachable {
            let inode = self.inodes.get_mut(id);
            (inode.items, inode.holds) = (0, 0);
            inode.links = u32::from(id == InodeId::ROOT);
            inode.durable_links = inode.links;
            inode.modified_ns = inode.durable_modified_ns;
            let site = inode.site;
            if let Body::File(file) = &mut inode.body {
                file.resolve(crash, site, report, |number, outcome| {
                    resolved.push(Resolved::Data(site, number, outcome));
                });
            }
        }
        for &id in &reachable {
            self.show_what_is_durable(id);
        }
        resolved
    }

    fn reachable_on_device(&self) -> BTreeSet<InodeId> {
        let mut reachable = BTreeSet::from([InodeId::ROOT]);
        let mut next = vec![InodeId::ROOT];
        while let Some(id) = next.pop() {
            let Some(directory) = self.inodes.directory(id) else { continue };
            let inside = directory.durable.values().map(|d| d.entry.inode);
            next.extend(inside.filter(|&id| reachable.insert(id)));
        }
        reachable
    }

    /// A file without a path is what fsck would put into lost+found; here it is gone.
    fn drop_unreachable(&mut self, id: InodeId) {
        let inside = self.inodes.directory(id).map(|d| d.durable.values().map(|d| d.entry).collect::<Vec<_>>());
        for entry in inside.unwrap_or_default() {
            self.names.forget(entry.link);
        }
        self.inodes.remove(id);
    }

    fn show_what_is_durable(&mut self, id: InodeId) {
        let Some(directory) = self.inodes.directory_mut(id) else { return };
        directory.pending.clear();
        directory.emptied.clear();
        directory.entries = directory.durable.iter().map(|(name, d)| (name.clone(), d.entry)).collect();
        let entries: Vec<Entry> = directory.entries.values().copied().collect();
        for entry in entries {
            let inode = self.inodes.get_mut(entry.inode);
            inode.links += 1;
            inode.durable_links += 1;
            if let Body::Directory(inner) = &mut inode.body {
                (inner.parent, inner.link) = (Some(id), Some(entry.link));
            }
        }
    }
}
