//! What a power loss leaves of unsynced operations on names.

use super::*;

impl Names {
    /// Resolves every unsynced operation, each kept or undone; with a journal those before `committed` are kept. The
    /// device's tree is then the whole truth.
    pub(crate) fn resolve(
        &mut self,
        inodes: &mut Inodes,
        crash: &Crash<'_>,
        committed: Option<u64>,
        report: &mut LossReport,
        mut resolved: impl FnMut(NameOutcome),
    ) {
        // Names whose move was undone: nothing may take their place, or they would be nowhere.
        let mut stuck = BTreeSet::new();
        while let Some((&number, _)) = self.items.first_key_value() {
            let Some(item) = self.take(inodes, number) else { break };
            let kept = match committed {
                Some(committed) => number < committed,
                None => crash.name(item.site, item.ordinal) && self.can_keep(inodes, number, &item, &stuck),
            };
            let (what, counters) = match &item.change {
                NameChange::Create { to } => {
                    if kept {
                        self.place(inodes, item.entry, to, number);
                    }
                    (0, (&mut report.entries_kept, &mut report.entries_lost))
                }
                NameChange::Move { to, .. } => {
                    if kept {
                        self.place(inodes, item.entry, to, number);
                        self.flush_renamed(inodes, &item);
                        stuck.remove(&item.entry.link);
                    } else {
                        stuck.insert(item.entry.link);
                    }
                    (1, (&mut report.renames_kept, &mut report.renames_lost))
                }
                NameChange::Remove { .. } => {
                    if kept {
                        self.displace(inodes, item.entry.link);
                    }
                    (2, (&mut report.removals_kept, &mut report.removals_lost))
                }
            };
            *if kept { counters.0 } else { counters.1 } += 1;
            report.broken_promises += u64::from(item.promised && !kept);
            let inode = item.entry.inode;
            resolved(NameOutcome { site: item.site, ordinal: item.ordinal, inode, what, kept });
            Self::release(inodes, &item);
        }
        self.last.clear();
    }

    /// Whether an operation can be on the device when what came before it was resolved as it was.
    fn can_keep(&self, inodes: &Inodes, number: u64, item: &Item, stuck: &BTreeSet<LinkId>) -> bool {
        let is_empty = |id| inodes.directory(id).is_none_or(|d: &Directory| d.durable.is_empty());
        let is_free = |to: &Place| {
            let Some(directory) = inodes.directory(to.dir) else { return false };
            let occupant = directory.durable.get(&to.name);
            !directory.is_beyond(&to.name, number)
                && occupant.is_none_or(|o| !stuck.contains(&o.entry.link) && is_empty(o.entry.inode))
        };
        match &item.change {
            NameChange::Create { to } => is_free(to),
            NameChange::Move { to, .. } => is_free(to) && self.leads_to(inodes, to.dir, item.entry.inode),
            NameChange::Remove { .. } => is_empty(item.entry.inode),
        }
    }

    /// Whether the device has a path from the root to `directory` that does not pass through `avoided`.
    fn leads_to(&self, inodes: &Inodes, directory: InodeId, avoided: InodeId) -> bool {
        let mut at = directory;
        loop {
            if at == avoided {
                return false;
            }
            let Some(link) = inodes.directory(at).and_then(|d| d.link) else { return at == InodeId::ROOT };
            match self.places.get(&link) {
                Some(place) => at = place.dir,
                None => return false,
            }
        }
    }
}
