//! What a sync makes durable, by the rules of each file system, and changes of length that a journal keeps in order.

use super::*;
use crate::device::Sync;

impl Volume {
    /// Changes a file's length, as an operation of the file system.
    pub(crate) fn set_len(&mut self, id: InodeId, size: u64) {
        let (stamp, number) = (self.stamp_ns, self.names.next());
        let inode = self.inodes.get_mut(id);
        let Some(file) = inode.file_mut() else { return };
        if file.set_len(size, number, stamp) {
            inode.logged = number + 1;
            self.note_length(id);
        }
    }

    /// Makes a range of a file zeros, as an operation of the file system.
    pub(crate) fn make_zeros(&mut self, id: InodeId, offset: u64, len: u64) {
        let (stamp, number) = (self.stamp_ns, self.names.next());
        let inode = self.inodes.get_mut(id);
        let Some(file) = inode.file_mut() else { return };
        file.make_zeros(offset, len, number, stamp);
        inode.logged = number + 1;
        self.note_length(id);
    }

    fn note_length(&mut self, id: InodeId) {
        let number = self.names.tick();
        if self.model.is_journaled() {
            self.journaled_lengths.insert(number, id);
        }
    }

    /// Begins a sync of all that was done before. The inode is held until it is finished.
    pub(crate) fn begin_sync(&mut self, id: InodeId, data_only: bool) -> Sync {
        let names = self.names.next();
        let inode = self.inodes.get_mut(id);
        inode.holds += 1;
        let changes = inode.file().map_or(0, |file| file.changes());
        Sync { inode: id, data_only, changes, names, further: None }
    }

    /// Finishes a sync that nothing is wrong with.
    pub(crate) fn finish_plain(&mut self, sync: &Sync) {
        self.make_durable(sync.inode, sync.changes, sync.names, sync.data_only);
        self.let_go(sync.inode);
    }

    /// A sync of `id` that was asked for when `changes` and `names` were the next numbers has come to its end.
    pub(crate) fn make_durable(&mut self, id: InodeId, changes: u64, names: u64, data_only: bool) {
        let Self { inodes, names: all_names, .. } = self;
        match self.model {
            CrashModel::Strict => all_names.sync(inodes, id, names),
            // An fdatasync of bytes in place has nothing to ask of the journal.
            _ if data_only && inodes.get(id).file().is_some_and(|file| !file.has_pending_length(changes)) => {}
            CrashModel::Ext4Ordered => self.commit(names),
            // The log is flushed up to the last operation that concerns the file.
            CrashModel::Xfs => {
                let upto = names.min(inodes.get(id).logged);
                self.commit(upto);
            }
        }
        let inode = self.inodes.get_mut(id);
        if let Some(file) = inode.file_mut() {
            file.sync(changes);
        }
        if !data_only {
            inode.durable_modified_ns = inode.modified_ns;
        }
    }

    fn commit(&mut self, upto: u64) {
        self.names.commit(&mut self.inodes, upto);
        while let Some((&number, &id)) = self.journaled_lengths.first_key_value()
            && number < upto
        {
            self.journaled_lengths.remove(&number);
            if self.inodes.is_present(id)
                && let Some(file) = self.inodes.get_mut(id).file_mut()
            {
                file.committed(number);
            }
        }
    }

    /// Bytes that files take.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        let files = self.inodes.ids().into_iter().filter_map(|id| self.inodes.get(id).file());
        files.map(FileData::allocated_bytes).sum()
    }
}
