//! Locks that open files hold on files: of flock(2), and the open file description locks of fcntl(2).
//!
//! Locks of a *process* (`F_SETLK`) need no table: a node is one process, and a process never stands in its own way.

use crate::inode::InodeId;
use crate::request::{HandleKey, LockRange};

#[derive(Clone, Copy, Debug)]
struct Held {
    inode: InodeId,
    owner: HandleKey,
    range: LockRange,
}

/// The locks of one node.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: Vec<Held>,
}

fn overlap(one: &LockRange, other: &LockRange) -> bool {
    one.whole == other.whole && one.start < other.end && other.start < one.end
}

impl Locks {
    /// Whether a lock of another open file is in the way.
    pub(crate) fn is_blocked(&self, inode: InodeId, owner: HandleKey, range: &LockRange) -> bool {
        self.held.iter().any(|held| {
            held.inode == inode
                && held.owner != owner
                && overlap(&held.range, range)
                && (held.range.exclusive || range.exclusive)
        })
    }

    /// Takes a lock that is not blocked, in place of what its owner held of the range.
    pub(crate) fn take(&mut self, inode: InodeId, owner: HandleKey, range: LockRange) {
        self.give_back(inode, owner, &range);
        self.held.push(Held { inode, owner, range });
    }

    /// Gives back what `owner` holds of a range; what it holds beside it stays.
    pub(crate) fn give_back(&mut self, inode: InodeId, owner: HandleKey, range: &LockRange) {
        let mut rest = Vec::new();
        self.held.retain(|held| {
            if held.inode != inode || held.owner != owner || !overlap(&held.range, range) {
                return true;
            }
            let mut keep = |start, end| {
                if start < end {
                    rest.push(Held { range: LockRange { start, end, ..held.range }, ..*held });
                }
            };
            keep(held.range.start, range.start.min(held.range.end));
            keep(range.end.max(held.range.start), held.range.end);
            false
        });
        self.held.append(&mut rest);
    }

    /// Gives back all that an open file holds: it is closed.
    #[inline]
    pub(crate) fn close(&mut self, owner: HandleKey) {
        self.held.retain(|held| held.owner != owner);
    }
}
