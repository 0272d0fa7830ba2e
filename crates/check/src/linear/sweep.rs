//! The frontier over a whole problem: its calls and returns in the order of time.

use super::depth::{Found, Quota};
use super::frontier::Frontier;
use super::machine::Machine;
use super::prepare::Problem;
use crate::model::Model;

/// Looks for an order with a frontier of at most `width` configurations. `None` if the frontier cannot tell: more is
/// open at once than it has slots, or it refused after it had dropped something.
pub(super) fn sweep<M: Model>(
    problem: &Problem<'_, M>,
    machine: &mut Machine<M>,
    width: usize,
    quota: &mut Quota,
) -> Option<Found> {
    let Problem { source, required, optional, one_cell, .. } = problem;
    let mut frontier = Frontier::new(width, *one_cell);
    let mut by_return: Vec<u32> = (0u32..).take(required.len()).collect();
    by_return.sort_by_key(|index| (required[*index as usize].deadline, *index));
    let mut slots = vec![0u8; required.len()];
    let mut calls = required.iter().enumerate().peekable();
    let mut chances = optional.iter().peekable();
    for index in by_return {
        let due = required[index as usize].deadline;
        // Operations that touch at one instant are concurrent: calls come first.
        while let Some((at, entry)) = calls.next_if(|(_, entry)| entry.call <= due) {
            slots[at] = frontier.call(machine, entry.id, entry.class, entry.deadline).ok()?;
        }
        while let Some(entry) = chances.next_if(|entry| entry.call <= due) {
            frontier.call_optional(entry.id, entry.class);
        }
        match frontier.returns(*source, machine, slots[index as usize], quota) {
            Ok(true) => {}
            Ok(false) if frontier.narrowed => return None,
            Ok(false) => return Some(Found::Impossible { deepest: Vec::new(), at: Some(due), witness: Vec::new() }),
            Err(exhausted) => return Some(Found::Exhausted(exhausted)),
        }
    }
    let mut classes: Vec<(u32, u32)> = required.iter().chain(optional).map(|entry| (entry.id, entry.class)).collect();
    classes.sort_unstable();
    let class_of = |id: u32| classes.binary_search_by_key(&id, |(id, _)| *id).map_or(0, |at| classes[at].1);
    frontier.order(machine, class_of).map(Found::Order)
}
