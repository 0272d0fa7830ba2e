//! Who looks for an order, and for how long. A monitor that knows the object decides alone; otherwise the depth-first
//! search and the frontier take turns with growing allowances. They take turns in steps, never in threads or time, so
//! that a check repeats exactly. The search is lucky on histories that are in order; a narrow frontier is lucky on
//! those with many operations of unknown outcome; a wide one is sure.

use super::Engine;
use super::depth::{Exhausted, Found, Quota, search};
use super::machine::{Machine, Source};
use super::monitor::monitor;
use super::phantom::phantom;
use super::prepare::{Problem, prepare};
use super::sweep::sweep;
use crate::model::{Model, Step};

/// Widths of the frontier, round by round; after the last, any width. Where many are open at once and some unknown, a
/// frontier of a few is through before the search is, and a wider one costs as much more as it is wider.
const WIDTHS: [usize; 4] = [16, 64, 1_024, 16_384];

/// By how much allowances grow per round.
const GROWTH: u64 = 8;

/// So many steps per operation the search may take in the first round. Histories that are in order and hard for a plain
/// search are nearly all decided with a tenth of that, the hardest with all of it, and a frontier costs more.
const LUCK: u64 = 128;

/// So many bytes the search remembers in the first round, and twice as many in each further one: where it is lucky it needs
/// to know only where it was lately.
const ROOM: u64 = 8 << 20;

/// So many steps an operation are taken on operations as they are, before it is asked whether they can be rewritten.
pub(super) const AT_ONCE: u64 = 16;

/// What one round on one part of a history left.
pub(super) enum Round {
    Decided(Found),
    /// More steps may decide it.
    Open,
    /// No further round can.
    Out(Exhausted),
}

/// Round `round` on the part `ids`, spending from `quota`. `one_key` says that all of them are on one key.
pub(super) fn round<M: Model>(
    source: Source<'_, M>,
    ids: &[u32],
    one_key: bool,
    round: u32,
    engine: Engine,
    quota: &mut Quota,
) -> Round {
    if engine == Engine::Portfolio
        && round == 0
        && let Some(found) = in_order_of_return(source, ids, quota)
    {
        return Round::Decided(found);
    }
    if one_key
        && engine == Engine::Portfolio
        && round == 0
        && ids.iter().any(|id| source.model.may_be_rewritten(&source.ops[*id as usize].op))
        && let Some(found) = at_once(source, ids, quota)
    {
        return Round::Decided(found);
    }
    if one_key
        && engine != Engine::Monitor
        && let Some(rewritten) = source.model.rewritten(source.ops, ids, u64::MAX)
    {
        let (ids, ops): (Vec<u32>, Vec<_>) =
            ids.iter().zip(rewritten).filter_map(|(id, one)| Some((*id, one?))).unzip();
        let all: Vec<u32> = (0u32..).take(ops.len()).collect();
        let left = as_said(Source { model: source.model, ops: &ops }, &all, one_key, round, engine, quota);
        return if let Round::Decided(found) = left { Round::Decided(found.renamed(&ids)) } else { left };
    }
    as_said(source, ids, one_key, round, engine, quota)
}

/// What the search finds in a few steps an operation, of operations as they are: most is decided so, and sooner than it is rewritten.
fn at_once<M: Model>(source: Source<'_, M>, ids: &[u32], quota: &mut Quota) -> Option<Found> {
    let mut machine = Machine::new(source.model);
    let problem = prepare(source, &mut machine, ids, None);
    let (found, _) =
        within(quota, AT_ONCE * ids.len() as u64, |quota| search(&problem, &mut machine, Some(ROOM), quota));
    (!matches!(found, Found::Exhausted(_))).then_some(found)
}

/// A round on operations as they are.
fn as_said<M: Model>(
    source: Source<'_, M>,
    ids: &[u32],
    one_key: bool,
    round: u32,
    engine: Engine,
    quota: &mut Quota,
) -> Round {
    if matches!(engine, Engine::Portfolio | Engine::Monitor)
        && round == 0
        && let Some(found) = monitor(source, ids, one_key)
    {
        return Round::Decided(found);
    }
    if engine == Engine::Monitor {
        return Round::Out(Exhausted::NoMonitor);
    }
    let mut machine = Machine::new(source.model);
    let problem = prepare(source, &mut machine, ids, None);
    if engine == Engine::Portfolio
        && round == 0
        && let Some(found) = phantom(&problem)
    {
        return Round::Decided(found);
    }
    match engine {
        Engine::Portfolio | Engine::Monitor => take_turns(&problem, &mut machine, round, quota),
        Engine::DepthFirst => alone(search(&problem, &mut machine, None, quota)),
        Engine::Frontier => match sweep(&problem, &mut machine, usize::MAX, quota) {
            Some(found) => alone(found),
            None => Round::Out(Exhausted::Slots),
        },
        Engine::Narrow(width) => match sweep(&problem, &mut machine, width, quota) {
            Some(found) => alone(found),
            None => Round::Out(Exhausted::Width),
        },
    }
}

/// A few operations that fit one after the other as they returned need no search and no tables: histories of many keys with
/// a handful of operations each consist of such parts. Real time is respected, for who returned before another was called
/// also returned before it.
fn in_order_of_return<M: Model>(source: Source<'_, M>, ids: &[u32], quota: &mut Quota) -> Option<Found> {
    const FEW: usize = 16;
    if ids.len() > FEW {
        return None;
    }
    let answered = |id: &u32| source.ops[*id as usize].outcome.answer().is_some();
    let mut order: Vec<u32> = ids.iter().copied().filter(answered).collect();
    order.sort_by_key(|id| source.ops[*id as usize].returned);
    let mut state = source.model.initial();
    for id in &order {
        quota.steps = quota.steps.checked_sub(1)?;
        let (op, ret) = source.pair(*id, true);
        match source.model.step(&state, op, ret) {
            Step::Refused => return None,
            Step::Same => {}
            Step::Next(next) => state = next,
        }
    }
    Some(Found::Order(order))
}

fn alone(found: Found) -> Round {
    match found {
        Found::Exhausted(exhausted) => Round::Out(exhausted),
        found => Round::Decided(found),
    }
}

fn take_turns<M: Model>(problem: &Problem<'_, M>, machine: &mut Machine<M>, round: u32, quota: &mut Quota) -> Round {
    let count = (problem.required.len() + problem.optional.len()) as u64;
    let growth = GROWTH.saturating_pow(round);
    // Where nothing is hard the search needs a step or two per operation, and where it is lucky some hundreds. Of a
    // scant budget half is left to the frontier, which refuses sooner; what is hard for both in the first round is more
    // often in order than not.
    let least = (4 * count + 1_024).saturating_mul(growth);
    let most = if round == 0 { quota.steps / 2 } else { quota.steps - quota.steps / 8 };
    let steps = (LUCK * count).saturating_mul(growth).min(most).max(least);
    let mut out = None;
    let room = Some(ROOM.saturating_mul(1 << round.min(32))).filter(|room| *room < quota.bytes / 2);
    let (found, whole) = within(quota, steps, |quota| search(problem, machine, room, quota));
    match found {
        Found::Exhausted(Exhausted::Steps) if !whole => {}
        Found::Exhausted(exhausted) => out = Some(exhausted),
        found => return Round::Decided(found),
    }
    let width = WIDTHS.get(round as usize).copied().unwrap_or(usize::MAX);
    let steps = (512 * count + 65_536).saturating_mul(growth);
    let mut narrowed = false;
    let (found, whole) = within(quota, steps, |quota| {
        sweep(problem, machine, width, quota).unwrap_or_else(|| {
            narrowed = true;
            Found::Exhausted(Exhausted::Steps)
        })
    });
    match found {
        // Refused, but only because it was narrow, or it has too few slots: the next round will tell.
        Found::Exhausted(Exhausted::Steps) if narrowed && quota.steps > 0 => Round::Open,
        Found::Exhausted(Exhausted::Steps) if !whole => Round::Open,
        // Without memory for one engine the other may still go on.
        Found::Exhausted(exhausted) => match out {
            Some(out) => Round::Out(out),
            None if exhausted == Exhausted::Bytes => Round::Open,
            None => Round::Out(exhausted),
        },
        found => Round::Decided(found),
    }
}

/// Lends at most `steps` of `quota`; true if that was all there was.
pub(super) fn within(quota: &mut Quota, steps: u64, spend: impl FnOnce(&mut Quota) -> Found) -> (Found, bool) {
    let lent = steps.min(quota.steps);
    let whole = lent == quota.steps;
    let mut loan = Quota { steps: lent, bytes: quota.bytes };
    let found = spend(&mut loan);
    quota.steps -= lent - loan.steps;
    (found, whole)
}
