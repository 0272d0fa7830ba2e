//! Small objects: a counter, a lock with fencing tokens, a semaphore, a bank.

use super::{Object, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn same<S>(fits: bool) -> Step<S> {
    if fits { Step::Same } else { Step::Refused }
}

/// A counter, at first 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter;

/// What clients ask of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CounterOp {
    /// Add this much, or take it off.
    Add(i64),
    /// Read it.
    Read,
}

/// What a counter answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CounterRet {
    /// To an add that tells nothing.
    Done,
    /// To a read; to an add that tells the sum after it.
    Value(i64),
}

impl Object for Counter {
    const NAME: &'static str = "counter";
    type Op = CounterOp;
    type Ret = CounterRet;
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, sum: &i64, op: &CounterOp, told: Option<&CounterRet>) -> Step<i64> {
        match (op, told) {
            (CounterOp::Add(by), Some(CounterRet::Value(told))) if sum.wrapping_add(*by) != *told => Step::Refused,
            (CounterOp::Add(by), _) => Step::Next(sum.wrapping_add(*by)),
            (CounterOp::Read, Some(CounterRet::Value(told))) => same(told == sum),
            (CounterOp::Read, told) => same(told.is_none()),
        }
    }

    fn observes_only(&self, op: &CounterOp, _: Option<&CounterRet>) -> bool {
        *op == CounterOp::Read
    }
}

/// A lock, at first free. A lease that runs out frees it as a release does; the fencing token that comes with it grows
/// from holder to holder, and the resource that it guards takes no write with an older token than it has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock;

/// What clients ask of a lock, and of the resource behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LockOp {
    /// Get it, if it is free.
    Acquire {
        /// Who.
        holder: u64,
    },
    /// Give it back.
    Release {
        /// Who.
        holder: u64,
    },
    /// The service takes it away, because a lease ran out: recorded by whoever knows.
    Expire {
        /// From whom.
        holder: u64,
    },
    /// Write to the resource with a token.
    Write {
        /// The fencing token.
        token: u64,
    },
}

/// What a lock answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LockRet {
    /// Acquired, with its fencing token if there is one.
    Acquired(Option<u64>),
    /// Done as asked.
    Done,
    /// Not done: held by another, or not held, or an old token.
    Refused,
}

/// Who holds a lock and which tokens were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Held {
    holder: Option<u64>,
    granted: u64,
    written: u64,
}

impl Object for Lock {
    const NAME: &'static str = "lock";
    type Op = LockOp;
    type Ret = LockRet;
    type State = Held;

    fn initial(&self) -> Held {
        Held::default()
    }

    fn step(&self, held: &Held, op: &LockOp, told: Option<&LockRet>) -> Step<Held> {
        match (op, told) {
            (LockOp::Acquire { .. }, None) if held.holder.is_some() => Step::Same,
            (LockOp::Acquire { holder }, None) => Step::Next(Held { holder: Some(*holder), ..*held }),
            (LockOp::Acquire { holder }, Some(LockRet::Acquired(token))) => match token {
                _ if held.holder.is_some() => Step::Refused,
                Some(token) if *token <= held.granted => Step::Refused,
                token => Step::Next(Held { holder: Some(*holder), granted: token.unwrap_or(held.granted), ..*held }),
            },
            (LockOp::Acquire { .. }, Some(LockRet::Refused)) => same(held.holder.is_some()),
            (LockOp::Release { holder } | LockOp::Expire { holder }, told) => {
                let holds = held.holder == Some(*holder);
                match told {
                    Some(LockRet::Acquired(_)) => Step::Refused,
                    Some(LockRet::Refused) => same(!holds),
                    Some(LockRet::Done) if !holds => Step::Refused,
                    _ if holds => Step::Next(Held { holder: None, ..*held }),
                    _ => Step::Same,
                }
            }
            (LockOp::Write { token }, Some(LockRet::Refused)) => same(*token < held.written),
            (LockOp::Write { token }, None) if *token < held.written => Step::Same,
            (LockOp::Write { token }, None | Some(LockRet::Done)) if *token >= held.written => {
                Step::Next(Held { written: *token, ..*held })
            }
            _ => Step::Refused,
        }
    }

    fn observes_only(&self, _: &LockOp, told: Option<&LockRet>) -> bool {
        told == Some(&LockRet::Refused)
    }
}

/// A semaphore with this many permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore {
    /// How many may be out at once.
    pub permits: u32,
}

/// What clients ask of a semaphore.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SemaphoreOp {
    /// Take so many permits.
    Acquire(u32),
    /// Give so many back.
    Release(u32),
}

impl Object for Semaphore {
    const NAME: &'static str = "semaphore";
    type Op = SemaphoreOp;
    /// Whether it was done.
    type Ret = bool;
    /// How many permits are out.
    type State = u32;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, out: &u32, op: &SemaphoreOp, told: Option<&bool>) -> Step<u32> {
        let next = match op {
            SemaphoreOp::Acquire(count) => out.checked_add(*count).filter(|out| *out <= self.permits),
            SemaphoreOp::Release(count) => out.checked_sub(*count),
        };
        match (next, told) {
            (Some(next), None | Some(true)) => Step::Next(next),
            (None, None | Some(false)) => Step::Same,
            _ => Step::Refused,
        }
    }

    fn observes_only(&self, _: &SemaphoreOp, told: Option<&bool>) -> bool {
        told == Some(&false)
    }
}

/// A bank: accounts that never go below zero, and whose sum never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bank {
    /// What each account holds at first.
    pub accounts: BTreeMap<String, u64>,
}

/// What clients ask of a bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BankOp {
    /// Move money.
    Transfer {
        /// From this account.
        from: String,
        /// To this account.
        to: String,
        /// So much.
        amount: u64,
    },
    /// Read every account at one instant.
    Read,
}

/// What a bank answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BankRet {
    /// To a transfer: whether there was enough.
    Moved(bool),
    /// To a read.
    Accounts(BTreeMap<String, u64>),
}

impl Object for Bank {
    const NAME: &'static str = "bank";
    type Op = BankOp;
    type Ret = BankRet;
    type State = BTreeMap<String, u64>;

    fn initial(&self) -> BTreeMap<String, u64> {
        self.accounts.clone()
    }

    fn step(&self, held: &Self::State, op: &BankOp, told: Option<&BankRet>) -> Step<Self::State> {
        match (op, told) {
            (BankOp::Read, Some(BankRet::Accounts(told))) => same(told == held),
            (BankOp::Read, told) => same(told.is_none()),
            (BankOp::Transfer { from, to, amount }, told) => {
                let left = held.get(from).and_then(|have| have.checked_sub(*amount));
                let left = left.filter(|_| held.contains_key(to));
                match (left, told) {
                    (Some(left), None | Some(BankRet::Moved(true))) => {
                        let mut next = held.clone();
                        next.insert(from.clone(), left);
                        next.entry(to.clone()).and_modify(|have| *have = have.saturating_add(*amount));
                        Step::Next(next)
                    }
                    (None, None | Some(BankRet::Moved(false))) => Step::Same,
                    _ => Step::Refused,
                }
            }
        }
    }

    fn observes_only(&self, op: &BankOp, told: Option<&BankRet>) -> bool {
        *op == BankOp::Read || told == Some(&BankRet::Moved(false))
    }
}
