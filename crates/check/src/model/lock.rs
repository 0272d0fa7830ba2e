//! The lock with fencing tokens, and the resource that it guards.

use super::{Object, Step};
use serde::{Deserialize, Serialize};

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
            (LockOp::Acquire { .. }, Some(LockRet::Refused)) => Step::same_if(held.holder.is_some()),
            (LockOp::Release { holder } | LockOp::Expire { holder }, told) => {
                let holds = held.holder == Some(*holder);
                match told {
                    Some(LockRet::Acquired(_)) => Step::Refused,
                    Some(LockRet::Refused) => Step::same_if(!holds),
                    Some(LockRet::Done) if !holds => Step::Refused,
                    _ if holds => Step::Next(Held { holder: None, ..*held }),
                    _ => Step::Same,
                }
            }
            (LockOp::Write { token }, Some(LockRet::Refused)) => Step::same_if(*token < held.written),
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
