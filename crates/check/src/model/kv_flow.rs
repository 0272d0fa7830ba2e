//! What operations on a key-value map do to single keys: the promises on which histories are simplified and evidence is
//! made small. Every answer here must be true of every state; `Opaque` is always safe.

use super::{Bytes, Compare, Expect, Flow, Kv, KvOp, KvRet, Model, VisitFlow};

/// See [`super::Model::flow`].
pub(super) fn flow(kv: &Kv, op: &KvOp, ret: Option<&KvRet>) -> Flow<Option<Bytes>> {
    if kv.revisions && mentions_revision(op, ret) {
        return Flow::Opaque;
    }
    match (op, ret) {
        (KvOp::Get { .. }, Some(KvRet::Value { value, .. })) => Flow::Read(value.clone()),
        (KvOp::Get { .. }, None) => Flow::Nothing,
        (KvOp::Put { value, .. }, Some(KvRet::Done { .. }) | None) => Flow::Write(Some(value.clone())),
        (KvOp::Append { value, .. }, Some(KvRet::Done { .. }) | None) => Flow::Append(Some(value.clone())),
        (KvOp::Delete { .. }, Some(KvRet::Deleted { existed: None, .. }) | None) => Flow::Write(None),
        (KvOp::Delete { .. }, Some(KvRet::Deleted { existed: Some(false), .. })) => Flow::Read(None),
        (KvOp::Cas { expect, value, .. }, Some(KvRet::Cas { swapped: true, .. }) | None) => {
            let to = Some(value.clone());
            match expect {
                Expect::Absent => Flow::Swap { from: None, to },
                Expect::Value(from) | Expect::Both { value: from, .. } => Flow::Swap { from: Some(from.clone()), to },
                Expect::Revision(_) => Flow::Write(to),
            }
        }
        (KvOp::Cas { expect, .. }, Some(KvRet::Cas { swapped: false, .. })) => match expect {
            Expect::Absent => Flow::NotEqual(None),
            Expect::Value(value) => Flow::NotEqual(Some(value.clone())),
            Expect::Revision(_) | Expect::Both { .. } => Flow::Nothing,
        },
        _ => Flow::Opaque,
    }
}

/// A revision in a question or an answer makes an operation more than a move of values.
fn mentions_revision(op: &KvOp, ret: Option<&KvRet>) -> bool {
    let asked = matches!(op, KvOp::Cas { expect: Expect::Revision(_) | Expect::Both { .. }, .. });
    let told = match ret {
        None => false,
        Some(
            KvRet::Value { revision, .. }
            | KvRet::Done { revision }
            | KvRet::Deleted { revision, .. }
            | KvRet::Cas { revision, .. }
            | KvRet::Txn { revision, .. },
        ) => revision.is_some(),
    };
    asked || told
}

/// What one key goes through within a transaction.
struct Passage<'a> {
    key: &'a Bytes,
    /// What it held before, if that is known.
    seen: Option<Option<Bytes>>,
    /// What it did not hold before, if no more is known of that.
    not: Option<Option<Bytes>>,
    /// What it holds after, if the transaction set it.
    made: Option<Option<Bytes>>,
    opaque: bool,
}

impl Passage<'_> {
    fn cas(&mut self, expect: &Expect, swapped: bool, value: &Bytes) {
        let wanted = match expect {
            Expect::Absent => None,
            Expect::Value(wanted) => Some(wanted.clone()),
            Expect::Revision(_) | Expect::Both { .. } => {
                self.opaque = true;
                return;
            }
        };
        // What comes after a write within the transaction says nothing of what was there before.
        if self.made.is_none() {
            if swapped { self.seen = Some(wanted) } else { self.not = Some(wanted) }
        }
        if swapped {
            self.made = Some(Some(value.clone()));
        }
    }

    fn append(&mut self, value: &Bytes) {
        match self.made.as_ref().or(self.seen.as_ref()) {
            Some(Some(head)) => self.made = Some(Some(head.with(value))),
            Some(None) => self.made = Some(Some(value.clone())),
            None => self.opaque = true,
        }
    }
}

/// What a transaction that went this way did to each of its keys. A key of the branch not taken was not touched.
pub(super) fn transaction(
    compare: &[Compare],
    succeeded: bool,
    done: &[KvOp],
    results: &[KvRet],
    visit: VisitFlow<'_, Kv>,
) {
    let mut passages: Vec<Passage<'_>> = Vec::new();
    for Compare { key, value } in compare {
        let passage = passage(&mut passages, key);
        match compare {
            _ if succeeded => passage.seen = Some(value.clone()),
            [_] => passage.not = Some(value.clone()),
            // Of several comparisons one failed, and nobody knows which.
            _ => passage.opaque = true,
        }
    }
    perform(passages, done, results, visit);
}

fn perform<'a>(mut passages: Vec<Passage<'a>>, done: &'a [KvOp], results: &[KvRet], visit: VisitFlow<'_, Kv>) {
    for (index, op) in done.iter().enumerate() {
        let Some(key) = key_of(op) else {
            // A transaction within: its keys are anybody's guess.
            Kv::default().each_key(op, &mut |key| visit(key, Flow::Opaque));
            continue;
        };
        let passage = passage(&mut passages, key);
        match (op, results.get(index)) {
            (KvOp::Get { .. }, Some(KvRet::Value { value, .. })) => {
                if passage.made.is_none() {
                    passage.seen = Some(value.clone());
                }
            }
            (KvOp::Get { .. }, None) => {}
            (KvOp::Put { value, .. }, _) => passage.made = Some(Some(value.clone())),
            (KvOp::Delete { .. }, None | Some(KvRet::Deleted { .. })) => {
                if let (None, Some(KvRet::Deleted { existed: Some(existed), .. })) = (&passage.made, results.get(index))
                {
                    if *existed { passage.not = Some(None) } else { passage.seen = Some(None) }
                }
                passage.made = Some(None);
            }
            (KvOp::Cas { expect, value, .. }, Some(KvRet::Cas { swapped, .. })) => passage.cas(expect, *swapped, value),
            (KvOp::Append { value, .. }, _) => passage.append(value),
            _ => passage.opaque = true,
        }
    }
    for Passage { key, seen, not, made, opaque } in passages {
        if opaque {
            visit(key, Flow::Opaque);
            continue;
        }
        if let (Some(not), None) = (not, &seen) {
            visit(key, Flow::NotEqual(not));
        }
        match (seen, made) {
            (Some(from), Some(to)) => visit(key, Flow::Swap { from, to }),
            (Some(seen), None) => visit(key, Flow::Read(seen)),
            (None, Some(made)) => visit(key, Flow::Write(made)),
            (None, None) => {}
        }
    }
}

fn passage<'a, 'b>(passages: &'b mut Vec<Passage<'a>>, key: &'a Bytes) -> &'b mut Passage<'a> {
    let at = passages.iter().position(|passage| passage.key == key).unwrap_or_else(|| {
        passages.push(Passage { key, seen: None, not: None, made: None, opaque: false });
        passages.len() - 1
    });
    &mut passages[at]
}

/// The key of an operation that has one.
fn key_of(op: &KvOp) -> Option<&Bytes> {
    match op {
        KvOp::Get { key }
        | KvOp::Put { key, .. }
        | KvOp::Delete { key }
        | KvOp::Cas { key, .. }
        | KvOp::Append { key, .. } => Some(key),
        KvOp::Txn { .. } => None,
    }
}
