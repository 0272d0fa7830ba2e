//! Operations on names in order: what a journal flushes, and what a crash takes back.

use super::*;

impl Names {
    /// Takes back every operation that was done after `after_ns`, the newest first: it never happened.
    pub(crate) fn undo_after(&mut self, inodes: &mut Inodes, after_ns: u64) -> Vec<Undone> {
        let mut undone = Vec::new();
        while let Some((&number, item)) = self.items.last_key_value()
            && item.stamp_ns > after_ns
        {
            let Some(Item { entry, change, previous, replaced, .. }) = self.take(inodes, number) else { break };
            if let Some(previous) = previous.filter(|n| self.items.contains_key(n)) {
                self.last.insert(entry.link, previous);
            }
            undone.push(Undone { entry, change, replaced });
        }
        undone
    }

    /// Makes every operation before `upto` durable, in order: a journal was flushed that far.
    pub(crate) fn commit(&mut self, inodes: &mut Inodes, upto: u64) {
        while let Some((&number, _)) = self.items.first_key_value()
            && number < upto
        {
            self.commit_first(inodes);
        }
    }

    /// With all before it on the device, an operation only has to be done there.
    pub(super) fn commit_first(&mut self, inodes: &mut Inodes) {
        let Some((&number, _)) = self.items.first_key_value() else { return };
        let Some(item) = self.take(inodes, number) else { return };
        self.apply(inodes, number, &item);
        Self::release(inodes, &item);
    }

    fn apply(&mut self, inodes: &mut Inodes, number: u64, item: &Item) {
        match &item.change {
            NameChange::Create { to } => self.place(inodes, item.entry, to, number),
            NameChange::Move { to, .. } => {
                self.place(inodes, item.entry, to, number);
                self.flush_renamed(inodes, item);
            }
            NameChange::Remove { .. } => self.displace(inodes, item.entry.link),
        }
    }

    /// ext4's `auto_da_alloc`: "when a file is renamed over another, its data blocks are forced out at the next journal
    /// commit" (ext4(5)), so a rename that is on the device has the data that was there before it.
    pub(super) fn flush_renamed(&self, inodes: &mut Inodes, item: &Item) {
        if self.flushes_renames
            && inodes.is_present(item.entry.inode)
            && let Some(file) = inodes.get_mut(item.entry.inode).file_mut()
        {
            file.sync(item.flush);
        }
    }
}
