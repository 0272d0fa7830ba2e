//! What a volume is after its processes died, and after its power failed.

use std::collections::BTreeSet;

use stormglass_kernel::VirtualTime;

use crate::crash::Crash;
use crate::injuries::{Harm, Injuries, Injury};
use crate::losses::LossReport;
use crate::names::{NameOutcome, Undone};

use super::*;
use crate::file::{self, Outcome};

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
        self.locks = Locks::default();
        for file in self.handles.clear() {
            self.let_go(file.inode);
        }
    }

    /// Takes back one hold on an inode.
    pub(crate) fn let_go(&mut self, id: InodeId) {
        self.inodes.get_mut(id).holds -= 1;
        self.inodes.release(id);
    }

    /// Takes back what was stamped after this instant: a program that went down then never did it. What it had made
    /// durable by then it had done before.
    pub(crate) fn undo_after(&mut self, now: VirtualTime) {
        let (after_ns, now_ns) = (now.as_nanos(), self.inodes.get(InodeId::ROOT).changed_ns);
        for Undone { entry, change, replaced } in self.names.undo_after(&mut self.inodes, after_ns) {
            match change {
                NameChange::Create { to } => self.take_out(&to, now_ns),
                NameChange::Remove { from } => self.insert(&from, entry, now_ns),
                NameChange::Move { from, to } => {
                    self.take_out(&to, now_ns);
                    self.insert(&from, entry, now_ns);
                    if let Some(replaced) = replaced.filter(|r| self.inodes.is_present(r.inode)) {
                        self.insert(&to, replaced, now_ns);
                    }
                }
            }
            self.inodes.release(entry.inode);
        }
        for id in self.inodes.ids() {
            if let Some(file) = self.inodes.get_mut(id).file_mut() {
                file.undo_after(after_ns);
            }
        }
    }

    /// Resolves everything unsynced; what results is durable and is what the page cache shows from now on. No handle may
    /// be open.
    pub(crate) fn lose_power(
        &mut self,
        crash: &Crash<'_>,
        report: &mut LossReport,
        injuries: &mut Injuries,
        at: VirtualTime,
    ) -> Vec<Resolved> {
        let mut resolved = Vec::new();
        let committed = self.committed(crash);
        let paths = self.paths_of_unsynced();
        self.names.resolve(&mut self.inodes, crash, committed, report, |outcome| {
            resolved.push(Resolved::Name(outcome));
            if !outcome.kept {
                let path = paths.get(&outcome.inode).cloned().unwrap_or_default();
                injuries.add(Injury { at, path, offset: 0, len: 0, harm: Harm::NameLost, fault: None });
            }
        });
        let reachable = self.reachable_on_device();
        for id in self.inodes.ids() {
            if !reachable.contains(&id) {
                self.drop_unreachable(id);
            }
        }
        for &id in &reachable {
            let inode = self.inodes.get_mut(id);
            (inode.items, inode.holds, inode.logged) = (0, 0, 0);
            inode.links = u32::from(id == InodeId::ROOT);
            inode.durable_links = inode.links;
            inode.modified_ns = inode.durable_modified_ns;
            let site = inode.site;
            if let Body::File(file) = &mut inode.body {
                file.resolve(crash, site, committed, report, |change| {
                    let file::Resolved { number, offset, len, outcome, .. } = change;
                    resolved.push(Resolved::Data(site, number, outcome));
                    let harm = match outcome {
                        Outcome::Lost => Harm::Lost,
                        Outcome::Torn => Harm::Torn,
                        Outcome::ResizeLost => Harm::LengthLost,
                        Outcome::Kept | Outcome::ResizeKept => return,
                    };
                    let path = paths.get(&id).cloned().unwrap_or_default();
                    injuries.add(Injury { at, path, offset, len, harm, fault: None });
                });
            }
        }
        self.journaled_lengths.clear();
        for &id in &reachable {
            self.show_what_is_durable(id);
        }
        resolved
    }

    /// The names of files with unsynced changes, as the programs saw them.
    fn paths_of_unsynced(&self) -> BTreeMap<InodeId, PathBuf> {
        let mut paths = BTreeMap::new();
        for dir in self.inodes.ids() {
            let Some(directory) = self.inodes.directory(dir) else { continue };
            let named = directory.entries.iter().filter(|(_, entry)| {
                let inode = self.inodes.get(entry.inode);
                inode.items > 0 || inode.file().is_some_and(|file| file.pending() > 0)
            });
            for (name, entry) in named {
                paths.entry(entry.inode).or_insert_with(|| self.path_of(dir).join(name));
            }
        }
        paths
    }

    /// With a journal: the number below which operations are on the device.
    fn committed(&self, crash: &Crash<'_>) -> Option<u64> {
        if !self.model.is_journaled() {
            return None;
        }
        let mut numbers: Vec<u64> = self.names.numbers().chain(self.journaled_lengths.keys().copied()).collect();
        numbers.sort_unstable();
        let kept = crash.committed(numbers.len() as u64) as usize;
        Some(numbers.get(kept).copied().unwrap_or(u64::MAX))
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
