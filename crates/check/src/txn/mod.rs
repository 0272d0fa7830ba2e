//! Histories of transactions, in the manner of Elle (Kingsbury and Alvaro, VLDB 2020): what transactions read and wrote
//! shows in which order versions came, versions show which transaction depends on which, and a cycle of dependencies is
//! an anomaly with a name (Adya 2000). Sound, and linear but for the search of the shortest cycle.
//!
//! Two kinds of objects: lists that grow by appends, whose every read shows the whole order of versions; and registers,
//! of which single dependencies tell less, so that with up to 2,048 transactions it is also tried whether any order of versions works
//! (which is for serializability and what is stronger). Every value must be written once per key.

mod cycles;
mod graph;
mod index;
mod level;
mod lists;
mod orders;
mod reach;
mod registers;
mod succession;
mod timed;
mod words;

pub use level::{Anomaly, AnomalyKind, Isolation};

use crate::history::History;
use crate::model::Bytes;
use crate::verdict::{Evidence, Limit, Undecided, Verdict};
use serde::{Deserialize, Serialize};

/// The oracle's name in verdicts.
pub const ISOLATION: &str = "transaction isolation";

/// A transaction in words.
pub(crate) fn words(accesses: &[Access]) -> String {
    words::accesses(accesses)
}

/// One access of a transaction. As it is asked, a read has no answer; as it is told, it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Access {
    /// Put a value at the end of a list.
    Append {
        /// The list.
        key: Bytes,
        /// The value, which nobody else appends to this list.
        value: Bytes,
    },
    /// Read a list.
    List {
        /// The list.
        key: Bytes,
        /// What it holds; `None` if that is not known.
        #[serde(default)]
        values: Option<Vec<Bytes>>,
    },
    /// Set a register.
    Write {
        /// The register.
        key: Bytes,
        /// The value, which nobody else writes to this register.
        value: Bytes,
    },
    /// Read a register.
    Read {
        /// The register.
        key: Bytes,
        /// What it holds, or that it holds nothing; `None` if that is not known.
        #[serde(default)]
        value: Option<Option<Bytes>>,
    },
}

/// A history of transactions: what each asked, and the same with its reads answered. `Fail` means aborted.
pub type Transactions = History<Vec<Access>, Vec<Access>>;

/// What a history of transactions shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolated {
    /// What was found, the gravest kind first, at most one of each kind and group of transactions.
    pub anomalies: Vec<Anomaly>,
    /// The strongest level that nothing found contradicts; `None` if not even [`Isolation::ReadUncommitted`] is left.
    pub strongest: Option<Isolation>,
    /// The weakest level that a cycle may contradict which was not looked for: a history that is one tangle may have too many.
    /// `None` if all were.
    pub undecided: Option<Isolation>,
    /// Whether the versions of all registers, if there are any, can be put in order at every level from serializable on that nothing
    /// found contradicts. If not, so many transactions or so many steps were too much to try it, and of registers it is shown only that
    /// no dependencies close a cycle.
    pub ordered: bool,
    /// How many transactions were looked at: committed ones, and those of unknown outcome that somebody saw.
    pub transactions: usize,
    /// How many dependencies between them there are, real time and processes not counted.
    pub dependencies: usize,
}

/// So many transactions are visited, in all, on the search for cycles.
const VISITS: usize = 5_000_000;

/// What `history` shows, for lists, registers or both.
#[must_use]
pub fn isolation(history: &Transactions) -> Isolated {
    judged(history, true)
}

impl Isolated {
    /// What the dependencies in `history` show by themselves: [`isolation`] without trying orders of the versions of registers, which
    /// is how histories of many transactions are judged.
    #[must_use]
    pub fn by_dependencies(history: &Transactions) -> Isolated {
        judged(history, false)
    }

    /// Whether nothing in `history`, of which this is told, contradicts `level`.
    pub fn verdict(&self, history: &Transactions, level: Isolation) -> Verdict {
        let against: Vec<&Anomaly> = self.anomalies.iter().filter(|anomaly| anomaly.kind.contradicts(level)).collect();
        let Some(first) = against.first() else {
            if self.undecided.is_none_or(|weakest| level < weakest) {
                return Verdict::Pass;
            }
            let left = format!("some cycles that would contradict {level}");
            return Undecided { oracle: ISOLATION.to_owned(), limit: Limit::Steps(VISITS as u64), left }.into();
        };
        let left = self.strongest.map_or("no level at all".to_owned(), |level| format!("at most {level}"));
        let mut evidence = Evidence::new(ISOLATION, format!("not {level} but {left}: {}", first.cause));
        evidence.details.clone_from(&first.details);
        const SHOWN: usize = 10;
        for other in against.iter().skip(1).take(SHOWN) {
            evidence.details.push(format!("also {}", other.cause));
        }
        if against.len() > SHOWN + 1 {
            evidence.details.push(format!("and {} more anomalies", against.len() - SHOWN - 1));
        }
        for id in &first.transactions {
            if let Some(operation) = history.operations().get(*id as usize) {
                let told = operation.outcome.answer().unwrap_or(&operation.op);
                evidence.operations.push(operation.as_evidence(*id, history.clock(), words::accesses(told)));
            }
        }
        evidence.into()
    }
}

fn judged(history: &Transactions, orders: bool) -> Isolated {
    let mut index = index::Index::new(history);
    let mut graph = graph::Graph::new(index.transactions.len());
    let mut found = index.aborted_and_garbage();
    found.extend(lists::dependencies(&mut index, &mut graph));
    found.extend(registers::dependencies(&mut index, &mut graph));
    let dependencies = graph.count();
    let touches = timed::touches(&index);
    timed::dependencies(&index, &mut graph, &touches);
    succession::dependencies(&index, &mut graph, &touches);
    graph.add_processes(&index);
    graph.add_real_time(&index);
    let cycles::Cycles { found: cycles, undecided, .. } = cycles::anomalies(&graph, &index, VISITS);
    found.extend(cycles);
    let mut ordered = index.set.is_empty();
    if orders {
        let tried = orders::tried(&index, &graph, &found);
        found.extend(tried.anomaly);
        ordered = tried.ordered;
    }
    found.sort_by(|a, b| (a.kind, &a.transactions).cmp(&(b.kind, &b.transactions)));
    found.dedup();
    let strongest = Isolation::strongest(&found);
    let transactions = index.transactions.len();
    Isolated { anomalies: found, strongest, undecided, ordered, transactions, dependencies }
}

/// Whether nothing in `history` contradicts `level`.
pub fn isolated(history: &Transactions, level: Isolation) -> Verdict {
    isolation(history).verdict(history, level)
}
