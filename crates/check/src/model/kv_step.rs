//! How a key-value map answers: its state and its steps, and both in words.

use super::{Bytes, Compare, Expect, Kv, KvOp, KvRet, Step};
use std::fmt;

/// The keys that differ from what an untouched key is, sorted, so that equal maps are equal states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KvState {
    cells: Vec<(Bytes, Cell)>,
}

/// One key. Its last write's revision is `revision` if `exact`, else some unknown one above, and none of `not`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cell {
    value: Option<Bytes>,
    revision: u64,
    exact: bool,
    not: Vec<u64>,
}

impl Cell {
    /// What the cell becomes when it is written at `at`; `None` if revisions would go back.
    fn written(&self, kv: &Kv, value: Option<Bytes>, at: Option<u64>) -> Option<Cell> {
        if !kv.revisions {
            return Some(Cell { value, revision: 0, exact: true, not: Vec::new() });
        }
        match at {
            Some(at) if at > self.revision => Some(Cell { value, revision: at, exact: true, not: Vec::new() }),
            Some(_) => None,
            None => Some(Cell { value, revision: self.revision, exact: false, not: Vec::new() }),
        }
    }

    /// What is known of the cell once its revision was seen to be `seen`; `None` if it cannot be.
    fn seen_at(&self, kv: &Kv, seen: Option<u64>) -> Option<Cell> {
        match seen {
            Some(seen) if kv.revisions && self.value.is_some() => {
                let unknown = seen > self.revision && !self.not.contains(&seen);
                let fits = if self.exact { seen == self.revision } else { unknown };
                fits.then(|| Cell { value: self.value.clone(), revision: seen, exact: true, not: Vec::new() })
            }
            _ => Some(self.clone()),
        }
    }

    /// The cell as it must be for `expect` to hold; `None` if it does not.
    fn meets(&self, kv: &Kv, expect: &Expect) -> Option<Cell> {
        match expect {
            Expect::Absent => self.value.is_none().then(|| self.clone()),
            Expect::Value(value) => (self.value.as_ref() == Some(value)).then(|| self.clone()),
            Expect::Revision(_) if !kv.revisions => Some(self.clone()),
            Expect::Revision(0) => self.value.is_none().then(|| self.clone()),
            Expect::Revision(revision) => self.value.as_ref().and_then(|_| self.seen_at(kv, Some(*revision))),
            Expect::Both { value, revision } => {
                if self.value.as_ref() == Some(value) {
                    self.seen_at(kv, Some(*revision))
                } else {
                    None
                }
            }
        }
    }

    /// The cell as it must be for `expect` not to hold; `None` if it surely does.
    fn misses(&self, kv: &Kv, expect: &Expect) -> Option<Cell> {
        let (Expect::Revision(revision) | Expect::Both { revision, .. }) = expect else {
            return self.meets(kv, expect).is_none().then(|| self.clone());
        };
        // A revision that is not looked at may always be another.
        if !kv.revisions || self.meets(kv, expect).is_none() {
            return Some(self.clone());
        }
        // What is not there has no revision, and is not there whatever it is.
        (!self.exact && self.value.is_some()).then(|| {
            let mut cell = self.clone();
            cell.not.push(*revision);
            cell.not.sort_unstable();
            cell
        })
    }
}

impl KvState {
    fn cell(&self, kv: &Kv, key: &Bytes) -> Cell {
        match self.cells.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(at) => self.cells[at].1.clone(),
            Err(_) => untouched(kv),
        }
    }

    fn set(&mut self, kv: &Kv, key: &Bytes, cell: Cell) {
        let plain = cell == untouched(kv);
        match self.cells.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(at) if plain => {
                self.cells.remove(at);
            }
            Ok(at) => self.cells[at].1 = cell,
            Err(_) if plain => {}
            Err(at) => self.cells.insert(at, (key.clone(), cell)),
        }
    }

    fn value<'a>(&'a self, kv: &'a Kv, key: &Bytes) -> Option<&'a Bytes> {
        match self.cells.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(at) => self.cells[at].1.value.as_ref(),
            Err(_) => kv.initial.as_ref(),
        }
    }

    /// This state with one cell replaced.
    fn next(&self, kv: &Kv, key: &Bytes, cell: Cell) -> Step<KvState> {
        if self.cell(kv, key) == cell {
            return Step::Same;
        }
        let mut state = self.clone();
        state.set(kv, key, cell);
        Step::Next(state)
    }

    /// See [`super::Model::step`].
    pub(super) fn step(&self, kv: &Kv, op: &KvOp, ret: Option<&KvRet>) -> Step<KvState> {
        match (op, ret) {
            // The two commonest cases need no cell of their own.
            (KvOp::Get { .. }, None) => Step::Same,
            (KvOp::Get { key }, Some(KvRet::Value { value, revision })) => {
                if self.value(kv, key) != value.as_ref() {
                    Step::Refused
                } else if !kv.revisions || revision.is_none() {
                    Step::Same
                } else {
                    self.to(kv, key, self.cell(kv, key).seen_at(kv, *revision))
                }
            }
            (KvOp::Put { key, value }, None | Some(KvRet::Done { .. })) => {
                self.to(kv, key, self.cell(kv, key).written(kv, Some(value.clone()), done_at(ret)))
            }
            (KvOp::Append { key, value }, None | Some(KvRet::Done { .. })) => {
                let cell = self.cell(kv, key);
                let whole = cell.value.as_ref().map_or_else(|| value.clone(), |head| head.with(value));
                self.to(kv, key, cell.written(kv, Some(whole), done_at(ret)))
            }
            (KvOp::Delete { key }, None | Some(KvRet::Deleted { .. })) => self.delete(kv, key, ret),
            (KvOp::Cas { key, expect, value }, None | Some(KvRet::Cas { .. })) => self.cas(kv, key, expect, value, ret),
            (KvOp::Txn { compare, success, failure }, None | Some(KvRet::Txn { .. })) => {
                self.txn(kv, compare, success, failure, ret)
            }
            _ => Step::Refused,
        }
    }

    fn to(&self, kv: &Kv, key: &Bytes, cell: Option<Cell>) -> Step<KvState> {
        cell.map_or(Step::Refused, |cell| self.next(kv, key, cell))
    }

    fn delete(&self, kv: &Kv, key: &Bytes, ret: Option<&KvRet>) -> Step<KvState> {
        let cell = self.cell(kv, key);
        let (told, at) = match ret {
            Some(KvRet::Deleted { existed, revision }) => (*existed, *revision),
            _ => (None, None),
        };
        let existed = cell.value.is_some();
        if told.is_some_and(|told| told != existed) {
            return Step::Refused;
        }
        // Deleting what is not there writes nothing, and an answer's revision is then nobody's.
        if existed { self.to(kv, key, cell.written(kv, None, at)) } else { Step::Same }
    }

    fn cas(&self, kv: &Kv, key: &Bytes, expect: &Expect, value: &Bytes, ret: Option<&KvRet>) -> Step<KvState> {
        let cell = self.cell(kv, key);
        let (told, at) = match ret {
            Some(KvRet::Cas { swapped, revision }) => (Some(*swapped), *revision),
            _ => (None, None),
        };
        if told == Some(false) {
            return self.to(kv, key, cell.misses(kv, expect));
        }
        match cell.meets(kv, expect) {
            Some(cell) => self.to(kv, key, cell.written(kv, Some(value.clone()), at)),
            None if told.is_none() => Step::Same,
            None => Step::Refused,
        }
    }

    fn txn(
        &self,
        kv: &Kv,
        compare: &[Compare],
        success: &[KvOp],
        failure: &[KvOp],
        ret: Option<&KvRet>,
    ) -> Step<KvState> {
        let holds = compare.iter().all(|compare| self.value(kv, &compare.key) == compare.value.as_ref());
        let (results, at) = match ret {
            Some(KvRet::Txn { succeeded, .. }) if *succeeded != holds => return Step::Refused,
            Some(KvRet::Txn { results, revision, .. }) => (results.as_slice(), *revision),
            _ => (&[][..], None),
        };
        let ops = if holds { success } else { failure };
        if !results.is_empty() && results.len() != ops.len() {
            return Step::Refused;
        }
        let mut state = self.clone();
        for (index, op) in ops.iter().enumerate() {
            // Inside a transaction nobody gave up on a part of it: without an answer an operation just takes effect.
            match state.step(kv, op, results.get(index)) {
                Step::Refused => return Step::Refused,
                Step::Same => {}
                Step::Next(next) => state = next,
            }
        }
        if kv.revisions
            && let Some(at) = at
            && !state.stamp(kv, self, ops, at)
        {
            return Step::Refused;
        }
        if state == *self { Step::Same } else { Step::Next(state) }
    }

    /// Gives every key that a transaction changed the transaction's own revision; false if one is newer already.
    fn stamp(&mut self, kv: &Kv, before: &KvState, ops: &[KvOp], at: u64) -> bool {
        let mut keys: Vec<Bytes> = Vec::new();
        ops.iter().for_each(|op| super::Model::each_key(kv, op, &mut |key| keys.push(key.clone())));
        keys.iter().all(|key| {
            let (old, new) = (before.cell(kv, key), self.cell(kv, key));
            // A cell whose revision is known did not change, or its own answer told the revision.
            let looked_at = (&new.value, new.revision, new.exact) == (&old.value, old.revision, old.exact);
            if looked_at || new.exact {
                return true;
            }
            let fits = at > old.revision;
            self.set(kv, key, Cell { value: new.value, revision: at, exact: true, not: Vec::new() });
            fits
        })
    }

    /// One key in words: `"x" is "1"`.
    pub(super) fn describe(&self, kv: &Kv, key: &Bytes) -> String {
        let cell = self.cell(kv, key);
        let revision = match (kv.revisions && cell.value.is_some(), cell.exact) {
            (false, _) => String::new(),
            (true, true) => format!(" at revision {}", cell.revision),
            (true, false) if cell.not.is_empty() => format!(" at some revision above {}", cell.revision),
            (true, false) => format!(" at some revision above {}, none of {:?}", cell.revision, cell.not),
        };
        format!("{key} is {}{revision}", shown(cell.value.as_ref()))
    }
}

fn untouched(kv: &Kv) -> Cell {
    Cell { value: kv.initial.clone(), revision: 0, exact: true, not: Vec::new() }
}

fn done_at(ret: Option<&KvRet>) -> Option<u64> {
    match ret {
        Some(KvRet::Done { revision }) => *revision,
        _ => None,
    }
}

fn shown(value: Option<&Bytes>) -> String {
    value.map_or_else(|| "absent".to_owned(), Bytes::to_string)
}

impl fmt::Display for KvOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvOp::Get { key } => write!(f, "get {key}"),
            KvOp::Put { key, value } => write!(f, "put {key} = {value}"),
            KvOp::Delete { key } => write!(f, "delete {key}"),
            KvOp::Append { key, value } => write!(f, "append {key} += {value}"),
            KvOp::Cas { key, expect, value } => write!(f, "cas {key} from {expect} to {value}"),
            KvOp::Txn { compare, success, failure } => {
                f.write_str("txn if [")?;
                list(f, compare)?;
                f.write_str("] then [")?;
                list(f, success)?;
                f.write_str("] else [")?;
                list(f, failure)?;
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Absent => f.write_str("absent"),
            Expect::Value(value) => value.fmt(f),
            Expect::Revision(revision) => write!(f, "revision {revision}"),
            Expect::Both { value, revision } => write!(f, "{value} at revision {revision}"),
        }
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.key, shown(self.value.as_ref()))
    }
}

impl fmt::Display for KvRet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = match self {
            KvRet::Value { value, revision } => {
                f.write_str(&shown(value.as_ref()))?;
                revision
            }
            KvRet::Done { revision } => {
                f.write_str("done")?;
                revision
            }
            KvRet::Deleted { existed, revision } => {
                f.write_str(if *existed == Some(false) { "nothing to delete" } else { "deleted" })?;
                revision
            }
            KvRet::Cas { swapped, revision } => {
                f.write_str(if *swapped { "swapped" } else { "not swapped" })?;
                revision
            }
            KvRet::Txn { succeeded, results, revision } => {
                f.write_str(if *succeeded { "succeeded [" } else { "failed [" })?;
                list(f, results)?;
                f.write_str("]")?;
                revision
            }
        };
        revision.map_or(Ok(()), |revision| write!(f, " at revision {revision}"))
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str("; ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
