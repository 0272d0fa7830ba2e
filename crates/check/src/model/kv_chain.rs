//! Appends to one key, told by what was read: whoever reads "abc" where "a", "b" and "c" were appended once each says that
//! each of them found just what is before it. Such an append is a compare-and-swap from that value to the next, and a history of
//! unique values that is hard to search by trial is easy then.
//!
//! It is said only where it is certain: of values that are written once, where none is empty and every value that was read can be
//! taken apart in one way only. Whatever else there is, nothing is said.

use super::{Bytes, Expect, Kv, KvOp, KvRet};
use crate::history::{Operation, Outcome};
use crate::linear::FixedState;
use std::collections::{BTreeSet, HashMap};

type One = Operation<KvOp, KvRet>;

/// What is known of a value that was written.
#[derive(Default)]
struct Token {
    /// Whether anybody appended it; who put it may only begin with it.
    appended: bool,
    /// By how many operations.
    times: u32,
    /// What the key held before it was appended, of the first read that shows it.
    found: Option<Bytes>,
}

type Tokens<'a> = HashMap<&'a [u8], Token, FixedState>;

/// The operations, all of one key, with every append that somebody saw as the swap it was, and without those of unknown outcome
/// that nobody saw, as far as all that has happened by `until`. `None` where nothing is certain, or nothing gained.
pub(super) fn rewritten(kv: &Kv, ops: &[One], ids: &[u32], until: u64) -> Option<Vec<Option<One>>> {
    let ops = ids.iter().map(|id| &ops[*id as usize]);
    let appends = ops.clone().any(|one| matches!(one.op, KvOp::Append { .. }));
    let start = kv.initial.as_ref().map_or(&[][..], Bytes::as_slice);
    if !appends || kv.revisions || !start.is_empty() {
        return None;
    }
    let ops: Vec<Option<One>> = ops.map(|one| by_then(one, until)).collect();
    let mut tokens: Tokens<'_> = HashMap::default();
    let mut lengths: BTreeSet<usize> = BTreeSet::new();
    for one in ops.iter().flatten().filter(|one| one.outcome != Outcome::Fail) {
        let (value, appended) = match &one.op {
            KvOp::Put { value, .. } => (value.as_slice(), false),
            KvOp::Append { value, .. } => (value.as_slice(), true),
            KvOp::Get { .. } => continue,
            _ => return None,
        };
        if value.is_empty() {
            return None;
        }
        lengths.insert(value.len());
        let token = tokens.entry(value).or_default();
        token.appended |= appended;
        token.times += 1;
    }
    let read = |one: &One| match &one.outcome {
        Outcome::Ok(KvRet::Value { value: Some(value), .. }) => Some(value.clone()),
        _ => None,
    };
    // In order, so that what two of them begin with is taken apart once.
    let reads: BTreeSet<Bytes> = ops.iter().flatten().filter_map(read).collect();
    let mut apart = Apart { ways: vec![(1, 0)], of: &[] };
    for whole in reads.iter().map(Bytes::as_slice) {
        for (at, end) in apart.parts(whole, &tokens, &lengths)? {
            let token = tokens.get_mut(&whole[at..end]).filter(|token| token.appended && token.times == 1);
            if let Some(token) = token
                && token.found.get_or_insert_with(|| Bytes::from(&whole[..at])).as_slice() != &whole[..at]
            {
                // It cannot have been appended twice: whoever searches will see.
                return None;
            }
        }
    }
    Some(ops.iter().map(|one| swapped(kv, one.as_ref()?, &tokens)).collect())
}

/// What was known of an operation at the instant `until`.
fn by_then(one: &One, until: u64) -> Option<One> {
    let mut one = (one.call <= until).then(|| one.clone())?;
    if matches!(one.outcome, Outcome::Ok(_)) && one.returned.is_some_and(|at| at > until) {
        (one.outcome, one.returned) = (Outcome::Indeterminate, None);
    }
    Some(one)
}

/// How values can be taken apart into one that was put or appended, and then ones that were appended.
struct Apart<'a> {
    /// In how many ways what is before each place can be, up to two, and how long the last part is then.
    ways: Vec<(u8, usize)>,
    /// The value of which that is.
    of: &'a [u8],
}

impl<'a> Apart<'a> {
    /// The one way in which `whole` can be taken apart: where each part begins and ends.
    fn parts(
        &mut self,
        whole: &'a [u8],
        tokens: &Tokens<'_>,
        lengths: &BTreeSet<usize>,
    ) -> Option<Vec<(usize, usize)>> {
        let common = self.of.iter().zip(whole).take_while(|(one, other)| one == other).count();
        self.ways.truncate(common + 1);
        self.of = whole;
        for end in self.ways.len()..=whole.len() {
            let mut way = (0, 0);
            for length in lengths.iter().take_while(|length| **length <= end) {
                let at = end - length;
                if self.ways[at].0 > 0 && tokens.get(&whole[at..end]).is_some_and(|token| at == 0 || token.appended) {
                    way = (2.min(way.0 + self.ways[at].0), *length);
                }
            }
            self.ways.push(way);
        }
        if self.ways[whole.len()].0 != 1 {
            return None;
        }
        let before = |end: &usize| (*end > 0).then(|| end - self.ways[*end].1);
        let places: Vec<usize> = std::iter::successors(Some(whole.len()), before).collect();
        Some(places.windows(2).map(|pair| (pair[1], pair[0])).collect())
    }
}

fn swapped(kv: &Kv, one: &One, tokens: &Tokens<'_>) -> Option<One> {
    let KvOp::Append { key, value } = &one.op else { return Some(one.clone()) };
    let Some(token) = tokens.get(value.as_slice()).filter(|token| token.times == 1) else { return Some(one.clone()) };
    let Some(found) = &token.found else {
        // An append of unknown outcome that nobody saw may be left out: after it nothing was read, nor appended that somebody saw,
        // until the next put.
        return (one.outcome != Outcome::Indeterminate).then(|| one.clone());
    };
    let whole = [found.as_slice(), value.as_slice()].concat();
    // Of an absent key an append makes what it appends; it is empty otherwise.
    let absent = found.as_slice().is_empty() && kv.initial.is_none();
    let expect = if absent { Expect::Absent } else { Expect::Value(found.clone()) };
    let op = KvOp::Cas { key: key.clone(), expect, value: Bytes::from(whole) };
    let outcome = match &one.outcome {
        Outcome::Ok(_) => Outcome::Ok(KvRet::swapped(true)),
        Outcome::Fail => Outcome::Fail,
        Outcome::Indeterminate => Outcome::Indeterminate,
    };
    Some(Operation { op, outcome, process: one.process.clone(), call: one.call, returned: one.returned })
}
