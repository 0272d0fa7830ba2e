//! The bank: money moves and is never made, as in Jepsen's bank workload.

use super::{Object, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// To a read; what is below zero is never right.
    Accounts(BTreeMap<String, i64>),
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
            (BankOp::Read, Some(BankRet::Accounts(told))) => {
                let same = |(name, have): (&String, &u64)| {
                    told.get(name).is_some_and(|told| i128::from(*told) == i128::from(*have))
                };
                Step::same_if(told.len() == held.len() && held.iter().all(same))
            }
            (BankOp::Read, told) => Step::same_if(told.is_none()),
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
