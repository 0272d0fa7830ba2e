//! Transactions in words, and what one says against itself.

use super::Access;
use crate::model::Bytes;
use std::collections::BTreeMap;

/// A transaction's accesses on one line.
pub(super) fn accesses(list: &[Access]) -> String {
    let words: Vec<String> = list.iter().map(access).collect();
    words.join("; ")
}

fn access(access: &Access) -> String {
    match access {
        Access::Append { key, value } => format!("append {key} += {value}"),
        Access::List { key, values: Some(values) } => format!("read {key} -> {values:?}"),
        Access::Read { key, value: Some(Some(value)) } => format!("read {key} -> {value}"),
        Access::Read { key, value: Some(None) } => format!("read {key} -> nothing"),
        Access::List { key, values: None } | Access::Read { key, value: None } => format!("read {key}"),
        Access::Write { key, value } => format!("write {key} = {value}"),
    }
}

/// What a transaction knows of one key.
#[derive(Default)]
struct Known<'a> {
    /// A list that was read, which the appends follow.
    base: Option<&'a [Bytes]>,
    appended: Vec<&'a Bytes>,
    register: Option<Option<&'a Bytes>>,
}

/// Why the reads of a transaction cannot all be right, whatever others did: an `internal` anomaly.
pub(super) fn contradicts_itself(id: u32, list: &[Access]) -> Option<String> {
    if list.len() < 2 {
        return None;
    }
    let mut known: BTreeMap<&Bytes, Known<'_>> = BTreeMap::new();
    for access in list {
        match access {
            Access::Append { key, value } => known.entry(key).or_default().appended.push(value),
            Access::Write { key, value } => known.entry(key).or_default().register = Some(Some(value)),
            Access::Read { key, value: Some(value) } => {
                let held = &mut known.entry(key).or_default().register;
                if held.is_some_and(|held| held != value.as_ref()) {
                    return Some(format!("T{id} reads {key} otherwise than it wrote or read it before"));
                }
                *held = Some(value.as_ref());
            }
            Access::List { key, values: Some(values) } => {
                let Known { base, appended, .. } = known.entry(key).or_default();
                let own = values.len().checked_sub(appended.len()).map(|at| values.split_at(at));
                let fits = own.is_some_and(|(before, after)| {
                    after.iter().eq(appended.iter().copied()) && base.is_none_or(|base| base == before)
                });
                if !fits {
                    return Some(format!("T{id} reads {key} otherwise than it appended to it or read it before"));
                }
                if let Some((before, _)) = own {
                    *base = Some(before);
                }
            }
            Access::List { values: None, .. } | Access::Read { value: None, .. } => {}
        }
    }
    None
}
