//! One node's disk: its volume, and the operations that are on their way.

use std::collections::VecDeque;

use stormglass_kernel::{Parked, VirtualTime};

use crate::descriptors::Descriptors;
use crate::errno::Errno;
use crate::injection::Injection;
use crate::injuries::Injuries;
use crate::inode::InodeId;
use crate::losses::LossReport;
use crate::request::{HandleKey, LockRange, Reply};
use crate::volume::Volume;

/// An operation's number at its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OperationKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl OperationKey {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(crate) fn from_u64(key: u64) -> Self {
        Self { slot: key as u32, generation: (key >> 32) as u32 }
    }
}

/// What is left to do when an operation's time has passed.
#[derive(Debug)]
pub(crate) enum Next {
    /// Hand this over.
    Finish(Result<Reply, Errno>),
    /// Make durable what was done before.
    Sync(Sync),
    /// Wait for a lock.
    Lock { handle: HandleKey, range: LockRange },
    /// Write all of `data` to a file that has just been cut to nothing.
    WriteOut { inode: InodeId, data: Vec<u8> },
    /// Copy all of `from` to a file that has just been cut to nothing.
    CopyOut { from: InodeId, to: InodeId },
}

/// A sync on its way: of what was done to `inode` before it was issued.
#[derive(Debug)]
pub(crate) struct Sync {
    pub(crate) inode: InodeId,
    pub(crate) data_only: bool,
    pub(crate) changes: u64,
    pub(crate) names: u64,
    pub(crate) further: Option<Box<Further>>,
}

/// What few syncs have.
#[derive(Debug)]
pub(crate) struct Further {
    /// What is wrong with it.
    pub(crate) fault: Option<(u32, Injection)>,
    /// Of these bytes alone: from an offset, so many.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) reply: Reply,
}

#[derive(Debug)]
pub(crate) enum State {
    Free,
    Running(Next),
    Finished(Result<Reply, Errno>),
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) generation: u32,
    pub(crate) state: State,
    pub(crate) waiting: Parked,
    /// Nobody waits any more; it goes on all the same, as on tokio's blocking pool.
    pub(crate) detached: bool,
    /// Its number among the node's operations.
    pub(crate) number: u64,
}

/// A node's disk.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) volume: Volume,
    pub(crate) losses: LossReport,
    pub(crate) slots: Vec<Slot>,
    free: Vec<u32>,
    issued: u64,
    pub(crate) injuries: Injuries,
    /// When the device has done what it was given so far.
    pub(crate) free_at: VirtualTime,
    /// Operations that wait for a lock, in the order in which they came.
    pub(crate) waiting: Vec<OperationKey>,
    pub(crate) descriptors: Descriptors,
    /// Syncs that nobody waits for, with their ends, in order.
    pub(crate) ending: VecDeque<(VirtualTime, Sync)>,
}

impl Device {
    pub(crate) fn new(volume: Volume) -> Self {
        Self {
            volume,
            losses: LossReport::default(),
            slots: Vec::new(),
            free: Vec::new(),
            issued: 0,
            injuries: Injuries::default(),
            free_at: VirtualTime::ZERO,
            waiting: Vec::new(),
            descriptors: Descriptors::default(),
            ending: VecDeque::new(),
        }
    }

    /// Finishes the syncs that nobody waits for and whose end has come. A poll runs ahead of the world: what ends within it has not
    /// ended as long as the node may go down before.
    #[inline]
    pub(crate) fn settle(&mut self, now: VirtualTime) {
        while let Some((_, sync)) = self.ending.pop_front_if(|(end, _)| *end <= now) {
            self.volume.finish_plain(&sync);
        }
    }

    pub(crate) fn issue(&mut self, next: Next) -> OperationKey {
        let (number, state) = (self.issued, State::Running(next));
        self.issued += 1;
        match self.free.pop() {
            Some(slot) => {
                let place = &mut self.slots[slot as usize];
                (place.state, place.detached, place.number) = (state, false, number);
                OperationKey { slot, generation: place.generation }
            }
            None => {
                self.slots.push(Slot { generation: 0, state, waiting: Parked::nobody(), detached: false, number });
                OperationKey { slot: self.slots.len() as u32 - 1, generation: 0 }
            }
        }
    }

    #[inline]
    pub(crate) fn slot(&mut self, key: OperationKey) -> Option<&mut Slot> {
        self.slots.get_mut(key.slot as usize).filter(|s| s.generation == key.generation)
    }

    /// Frees a slot and gives what it held.
    pub(crate) fn free(&mut self, key: OperationKey) -> Option<(State, Parked)> {
        let slot = self.slot(key).filter(|s| !matches!(s.state, State::Free))?;
        slot.generation = slot.generation.wrapping_add(1);
        let held = (std::mem::replace(&mut slot.state, State::Free), slot.waiting.take());
        self.free.push(key.slot);
        Some(held)
    }

    fn keys(&self) -> impl Iterator<Item = (OperationKey, &Slot)> {
        let keyed = |(slot, s): (usize, _)| (OperationKey { slot: slot as u32, generation: Slot::generation(s) }, s);
        self.slots.iter().enumerate().map(keyed)
    }

    /// Forgets every operation: the processes that asked are gone. Gives who waited for them.
    pub(crate) fn clear(&mut self) -> Vec<Parked> {
        for (_, sync) in std::mem::take(&mut self.ending) {
            self.abandon(Next::Sync(sync));
        }
        let keys: Vec<_> = self.keys().map(|(key, _)| key).collect();
        let mut sleepers = Vec::new();
        for (state, sleeper) in keys.into_iter().filter_map(|key| self.free(key)).collect::<Vec<_>>() {
            sleepers.push(sleeper);
            if let State::Running(next) = state {
                self.abandon(next);
            }
        }
        sleepers
    }

    fn abandon(&mut self, next: Next) {
        match next {
            Next::Finish(_) | Next::Lock { .. } => {}
            Next::Sync(Sync { inode, .. }) | Next::WriteOut { inode, .. } => self.volume.let_go(inode),
            Next::CopyOut { from, to } => {
                self.volume.let_go(from);
                self.volume.let_go(to);
            }
        }
    }
}

impl Slot {
    fn generation(&self) -> u32 {
        self.generation
    }
}
