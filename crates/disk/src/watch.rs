//! Who wants to know when syncs of files end: faults that strike right then.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::task::{Poll, Waker};

use stormglass_kernel::{Kernel, NodeId};

use crate::world::Disk;

/// A sync that has ended with success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEnd {
    /// Whose disk.
    pub node: NodeId,
    /// What was synced: a file, or a directory, by one of its names. `None` when it has none any more, and for the root.
    pub path: Option<PathBuf>,
}

/// Syncs that have ended and that nobody was told of yet, once somebody has asked.
#[derive(Debug, Default)]
pub(crate) struct SyncWatch {
    asked: bool,
    ended: VecDeque<SyncEnd>,
    waker: Option<Waker>,
}

impl SyncWatch {
    /// Whether anybody wants to know.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// A sync has ended with success.
    pub(crate) fn note(&mut self, kernel: &mut Kernel, synced: SyncEnd) {
        if self.asked {
            self.ended.push_back(synced);
            if let Some(waker) = self.waker.take() {
                kernel.wake(waker);
            }
        }
    }
}

impl Disk {
    /// From now on the ends of syncs are kept for whoever asks.
    pub fn watch_syncs(&mut self) {
        self.watch.asked = true;
    }

    /// The syncs that have ended with success since [`Disk::watch_syncs`], one after another. There is one asker.
    pub fn poll_synced(&mut self, kernel: &mut Kernel, waker: &Waker) -> Poll<SyncEnd> {
        if let Some(synced) = self.watch.ended.pop_front() {
            return Poll::Ready(synced);
        }
        kernel.park(&mut self.watch.waker, waker);
        Poll::Pending
    }
}
