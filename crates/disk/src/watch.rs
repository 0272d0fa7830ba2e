//! Who wants to know when syncs of files end: faults that strike right then.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use stormglass_kernel::{Kernel, NodeId};

use crate::world::Disk;

/// Syncs that have ended and that nobody was told of yet, once somebody has asked.
#[derive(Debug, Default)]
pub(crate) struct SyncWatch {
    asked: bool,
    ended: VecDeque<NodeId>,
    waker: Option<Waker>,
}

impl SyncWatch {
    /// Whether anybody wants to know.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    pub(crate) fn note(&mut self, kernel: &mut Kernel, node: NodeId, done: bool) {
        if self.asked && done {
            self.ended.push_back(node);
            if let Some(waker) = self.waker.take() {
                kernel.wake(waker);
            }
        }
    }
}

impl Disk {
    /// The node on which a sync has ended with success, one after another, from the first question on. There is one asker.
    pub fn poll_synced(&mut self, kernel: &mut Kernel, waker: &Waker) -> Poll<NodeId> {
        self.watch.asked = true;
        if let Some(node) = self.watch.ended.pop_front() {
            return Poll::Ready(node);
        }
        kernel.park(&mut self.watch.waker, waker);
        Poll::Pending
    }
}
