//! Values from nowhere: an answer that rests on a value which nobody had begun to write by then needs no search, however
//! many operations of unknown outcome surround it.

use super::depth::Found;
use super::prepare::{NO_VALUE, Problem, Sees};
use crate::model::Model;

/// More operations than these are no evidence that a person would read.
const MAKERS_MAX: usize = 8;

/// An answer that saw a value before anybody was asked to make it, with all who made it later.
pub(super) fn phantom<M: Model>(problem: &Problem<'_, M>) -> Option<Found> {
    let (initial, values) = problem.plain?;
    let makers = || problem.required.iter().chain(&problem.optional).filter(|entry| entry.makes != NO_VALUE);
    let mut made_from = vec![u64::MAX; values as usize];
    // What sees a value and leaves the same behind did not bring it in.
    for maker in makers().filter(|entry| entry.sees != Sees::Value(entry.makes)) {
        let from = &mut made_from[maker.makes as usize];
        *from = maker.call.min(*from);
    }
    let (seer, value) = problem.required.iter().find_map(|entry| match entry.sees {
        Sees::Value(value) if value != initial && entry.answered => {
            let from = made_from[value as usize];
            (from == u64::MAX || from > entry.deadline).then_some((entry.id, value))
        }
        _ => None,
    })?;
    let mut witness: Vec<u32> = makers().filter(|maker| maker.makes == value).map(|maker| maker.id).collect();
    if witness.len() > MAKERS_MAX {
        return None;
    }
    witness.push(seer);
    witness.sort_unstable();
    witness.dedup();
    Some(Found::Impossible { deepest: Vec::new(), at: None, witness })
}
