//! The block device: what is not flushed may be lost when the power goes, or torn.

use super::{Object, Step};
use crate::history::{History, HistoryError, Operation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A block device whose writes are stamped, so that a read tells which write it sees. What is not flushed when the power
/// goes may be there or not, sector by sector, and may be torn.
///
/// Here a write of several sectors takes effect at one instant while the power is on. Most devices promise that of single
/// sectors only: for those, judge [`BlockDevice::sector_by_sector`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockDevice {
    /// Whether a sector that was being written when the power went may hold a mixture.
    pub tears: bool,
}

/// What is asked of a block device. A stamp is unique to its write; 0 is that of a sector never written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BlockOp {
    /// Write these sectors.
    Write {
        /// The first sector.
        sector: u64,
        /// How many.
        count: u64,
        /// The stamp that all of them get.
        stamp: u64,
        /// Force unit access: done only once it is durable.
        #[serde(default)]
        durable: bool,
    },
    /// Read one sector.
    Read {
        /// The sector.
        sector: u64,
    },
    /// Wait until everything that was written is durable.
    Flush,
    /// The power goes and comes back.
    PowerLoss,
}

/// What a block device answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BlockRet {
    /// Done.
    Done,
    /// To a read: the stamp, or `None` if the sector is torn.
    Stamp(Option<u64>),
}

/// What a sector may hold: what reads see while the power is on, and what may be found after a loss of power.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sector {
    /// `None` once the power was lost and nobody has looked.
    cached: Option<Option<u64>>,
    may_be: BTreeSet<Option<u64>>,
}

impl Sector {
    fn fresh() -> Self {
        Sector { cached: Some(Some(0)), may_be: BTreeSet::from([Some(0)]) }
    }

    fn settle(&mut self, stamp: Option<u64>) {
        self.cached = Some(stamp);
        self.may_be = BTreeSet::from([stamp]);
    }
}

/// Writes of more sectors than this are refused: a history that holds one is mistaken.
const COUNT_MAX: u64 = 1 << 16;

impl BlockDevice {
    /// The history with each write as one write per sector, at the same time and with the same outcome: each of them may
    /// take effect before or after the others. Writes of no sector, or of more than are believed, stay as they are.
    ///
    /// # Errors
    /// None for an operation that was in a history.
    pub fn sector_by_sector(history: &History<BlockOp, BlockRet>) -> Result<History<BlockOp, BlockRet>, HistoryError> {
        let mut split = History::with_clock(history.clock());
        for operation in history.operations() {
            match &operation.op {
                BlockOp::Write { sector, count: count @ 2..=COUNT_MAX, stamp, durable } => {
                    for at in *sector..sector.saturating_add(*count) {
                        let op = BlockOp::Write { sector: at, count: 1, stamp: *stamp, durable: *durable };
                        split.push(Operation { op, ..operation.clone() })?;
                    }
                }
                _ => {
                    split.push(operation.clone())?;
                }
            }
        }
        Ok(split)
    }
}

impl Object for BlockDevice {
    const NAME: &'static str = "block-device";
    type Op = BlockOp;
    type Ret = BlockRet;
    type State = BTreeMap<u64, Sector>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, op: &BlockOp, told: Option<&BlockRet>) -> Step<Self::State> {
        let mut next = state.clone();
        match (op, told) {
            (BlockOp::Write { sector, count, stamp, durable }, None | Some(BlockRet::Done)) if *count <= COUNT_MAX => {
                for at in *sector..sector.saturating_add(*count) {
                    let held = next.entry(at).or_insert_with(Sector::fresh);
                    held.cached = Some(Some(*stamp));
                    if *durable && told.is_some() {
                        held.settle(Some(*stamp));
                    } else {
                        held.may_be.insert(Some(*stamp));
                        if self.tears {
                            held.may_be.insert(None);
                        }
                    }
                }
            }
            (BlockOp::Read { .. }, None) => {}
            (BlockOp::Read { sector }, Some(BlockRet::Stamp(told))) => {
                let held = next.entry(*sector).or_insert_with(Sector::fresh);
                match held.cached {
                    Some(cached) if cached != *told => return Step::Refused,
                    Some(_) => {}
                    None if held.may_be.contains(told) => held.settle(*told),
                    None => return Step::Refused,
                }
            }
            (BlockOp::Flush, None | Some(BlockRet::Done)) => {
                for held in next.values_mut() {
                    if let Some(stamp) = held.cached {
                        held.settle(stamp);
                    }
                }
            }
            (BlockOp::PowerLoss, None | Some(BlockRet::Done)) => {
                next.values_mut().for_each(|held| {
                    let sure = held.may_be.len() == 1;
                    held.cached = if sure { held.may_be.first().copied() } else { None };
                });
            }
            _ => return Step::Refused,
        }
        next.retain(|_, held| *held != Sector::fresh());
        if next == *state { Step::Same } else { Step::Next(next) }
    }
}
