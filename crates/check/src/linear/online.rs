//! Checking while the run goes on: a frontier per key is fed whatever is settled, and the first return that nothing
//! explains is a failure at once.
//!
//! An event is settled once every operation called before it is over, for an answer that is still to come says what the
//! operation may have done. So the check is behind by as much as the longest operation in flight, and no more.

use super::decide::{evidence_of, part_by_ids};
use super::depth::Quota;
use super::frontier::Frontier;
use super::machine::{Machine, Source, blind};
use super::minimise::Refusal;
use super::{Budget, linearizability};
use crate::history::{History, OpId, Outcome};
use crate::model::Model;
use crate::verdict::{Evidence, Verdict};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use thiserror::Error;

/// A frontier wider than this is not worth its time while a run goes on, unless somebody says otherwise.
const WIDTH: usize = 256;

/// Every operation of unknown outcome may be what explains the next answer, so each return costs as much as there are of
/// them. A key with more kinds than these is left to the end of the run, where what comes later tells which of them matter.
const KINDS_MAX: usize = 64;

/// A history that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnlineError {
    /// Operations must be recorded in the order of their calls.
    #[error("operation {id} is called at {call}, before {reached}, up to where the history has been judged")]
    CalledInThePast {
        /// The operation.
        id: OpId,
        /// Instant of its call.
        call: u64,
        /// How far the check had come.
        reached: u64,
    },
}

/// A check that follows a history as it grows.
///
/// ```
/// use stormglass_check::{History, Online, model::{Kv, KvOp, KvRet}};
///
/// let mut history = History::new();
/// let mut online = Online::new(Kv::default());
/// let put = history.invoke(0, 10, KvOp::put("x", "1"));
/// history.ok(put, 20, KvRet::done())?;
/// let get = history.invoke(1, 30, KvOp::get("x"));
/// history.ok(get, 40, KvRet::absent())?;
/// assert_eq!(online.advance(&history)?, None, "another call at 40 could still be to come");
/// history.invoke(0, 50, KvOp::get("x"));
/// assert!(online.advance(&history)?.is_some(), "the read came after the write was acknowledged");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Online<M: Model> {
    model: M,
    budget: Budget,
    steps: u64,
    width: usize,
    streams: Vec<Stream<M>>,
    /// Which stream is whose.
    by_key: BTreeMap<M::Key, usize>,
    /// The operations that had not ended when they were last looked at.
    open: Vec<u32>,
    /// How many operations of the history were seen at all, and of how many the call was fed.
    seen: u32,
    fed: u32,
    /// Answered operations whose call was fed and whose return was not.
    returns: BinaryHeap<Reverse<Due>>,
    /// Everything before this instant is judged.
    reached: u64,
    /// Some operations were not judged on the way.
    left_over: bool,
    /// An operation touched everything: nothing can be judged by key from then on.
    tied: bool,
    failed: Option<Evidence>,
}

/// One key.
struct Stream<M: Model> {
    machine: Machine<M>,
    /// `None` once it is left to the end of the run.
    frontier: Option<Frontier>,
    ids: Vec<u32>,
}

/// A return that is still to come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: u64,
    id: u32,
    /// The index of its stream, and its slot there.
    stream: usize,
    slot: u8,
}

impl<M: Model> Online<M> {
    /// A check with the default budget for the whole run.
    #[must_use]
    pub fn new(model: M) -> Self {
        Online::within(model, Budget::default())
    }

    /// A check that may spend `budget` on the whole run. What it cannot judge on the way is left to [`Online::finish`].
    #[must_use]
    pub fn within(model: M, budget: Budget) -> Self {
        Online {
            model,
            budget,
            steps: budget.steps,
            width: WIDTH,
            streams: Vec::new(),
            by_key: BTreeMap::new(),
            open: Vec::new(),
            seen: 0,
            fed: 0,
            returns: BinaryHeap::new(),
            reached: 0,
            left_over: false,
            tied: false,
            failed: None,
        }
    }

    /// How many configurations of one key are followed at a time: 256 if nobody says otherwise, at least one. More find more
    /// failures on the way, and each answer takes longer; what is not found on the way is found at the end.
    #[must_use]
    pub fn of_width(mut self, width: usize) -> Self {
        self.width = width.max(1);
        self
    }

    /// Looks at what was added to `history` since the last time. Gives the evidence as soon as there is a failure, and
    /// again at every later call.
    ///
    /// # Errors
    /// An operation was called before an instant that was judged already.
    pub fn advance(&mut self, history: &History<M::Op, M::Ret>) -> Result<Option<&Evidence>, OnlineError> {
        let ops = history.operations();
        let count = u32::try_from(ops.len()).unwrap_or(u32::MAX);
        let over = |id: u32| ops[id as usize].returned.is_some();
        self.open.retain(|id| !over(*id));
        self.open.extend((self.seen..count).filter(|id| !over(*id)));
        self.seen = count;
        let now = ops.last().map_or(0, |last| last.call);
        let settled = self.open.iter().map(|id| ops[*id as usize].call).min().unwrap_or(u64::MAX).min(now);
        self.feed(history, settled)?;
        Ok(self.failed.as_ref())
    }

    /// How much of the history is judged: every instant before this one.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Judges what is left once the run is over. Operations that never ended are of unknown outcome.
    ///
    /// # Errors
    /// An operation was called before an instant that was judged already.
    pub fn finish(mut self, history: &History<M::Op, M::Ret>) -> Result<Verdict, OnlineError> {
        self.feed(history, u64::MAX)?;
        if let Some(evidence) = self.failed {
            return Ok(Verdict::Fail(evidence));
        }
        if self.left_over {
            return Ok(linearizability(&self.model, history, self.budget).verdict);
        }
        Ok(Verdict::Pass)
    }

    /// Feeds every event before the instant `until`.
    fn feed(&mut self, history: &History<M::Op, M::Ret>, until: u64) -> Result<(), OnlineError> {
        let ops = history.operations();
        while self.failed.is_none() {
            let call = ops.get(self.fed as usize).map(|op| op.call).filter(|call| *call < until);
            let due = self.returns.peek().map(|Reverse(due)| due.at).filter(|at| *at < until);
            match (call, due) {
                (None, None) => break,
                (Some(call), due) if due.is_none_or(|due| call <= due) => {
                    if call < self.reached {
                        return Err(OnlineError::CalledInThePast { id: OpId(self.fed), call, reached: self.reached });
                    }
                    self.call(history, self.fed);
                    self.fed += 1;
                    self.reached = call;
                }
                _ => {
                    let Some(Reverse(due)) = self.returns.pop() else { break };
                    self.reached = due.at;
                    self.answer(history, due);
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, history: &History<M::Op, M::Ret>, id: u32) {
        let operation = &history.operations()[id as usize];
        let answer = operation.outcome.answer();
        let pure = self.model.observes_only(&operation.op, answer);
        if operation.outcome == Outcome::Fail || (answer.is_none() && pure) {
            return;
        }
        let Some(at) = self.only_stream(&operation.op) else { return };
        let source = Source { model: &self.model, ops: history.operations() };
        let stream = &mut self.streams[at];
        stream.ids.push(id);
        if self.tied {
            stream.frontier = None;
        }
        let Some(frontier) = &mut stream.frontier else { return };
        let answered = answer.is_some();
        let class = stream.machine.class(source, id, answered, || (pure, blind(source, id, answered, 0)));
        if !answered {
            frontier.call_optional(id, class);
            if frontier.kinds() > KINDS_MAX {
                stream.frontier = None;
                self.left_over = true;
            }
            return;
        }
        let deadline = operation.returned.unwrap_or(u64::MAX);
        match frontier.call(&stream.machine, id, class, deadline) {
            Ok(slot) => self.returns.push(Reverse(Due { at: deadline, id, stream: at, slot })),
            Err(_) => {
                stream.frontier = None;
                self.left_over = true;
            }
        }
    }

    /// The stream of an operation on one key. Operations on several tie them together: they are left to the end.
    fn only_stream(&mut self, op: &M::Op) -> Option<usize> {
        let (by_key, streams, model, width) = (&mut self.by_key, &mut self.streams, &self.model, self.width);
        let (mut first, mut several, mut none) = (None, false, true);
        model.each_key(op, &mut |key| {
            none = false;
            let at = by_key.get(key).copied().unwrap_or_else(|| {
                streams.push(Stream::new(model, width));
                by_key.insert(key.clone(), streams.len() - 1);
                streams.len() - 1
            });
            let first = *first.get_or_insert(at);
            if first != at {
                several = true;
                streams[first].frontier = None;
                streams[at].frontier = None;
            }
        });
        if none {
            self.tied = true;
            self.streams.iter_mut().for_each(|stream| stream.frontier = None);
        }
        self.left_over |= none || several;
        first.filter(|_| !several)
    }

    fn answer(&mut self, history: &History<M::Op, M::Ret>, due: Due) {
        let source = Source { model: &self.model, ops: history.operations() };
        let stream = &mut self.streams[due.stream];
        let Some(frontier) = &mut stream.frontier else { return };
        let mut quota = Quota { steps: self.steps, bytes: self.budget.bytes };
        let alive = frontier.returns(source, &mut stream.machine, due.slot, &mut quota);
        self.steps = quota.steps;
        if alive == Ok(true) {
            return;
        }
        let narrowed = frontier.narrowed;
        stream.frontier = None;
        if alive == Ok(false) && !narrowed {
            let refusal = Refusal { at: Some(due.at), witness: Vec::new() };
            let part = part_by_ids(source, &stream.ids);
            self.failed = evidence_of(source, history.clock(), &part, &refusal, self.budget);
        }
        // A narrow frontier that ends has shown nothing, and neither has one without a budget.
        self.left_over |= self.failed.is_none();
    }
}

impl<M: Model> Stream<M> {
    fn new(model: &M, width: usize) -> Self {
        Stream { machine: Machine::new(model), frontier: Some(Frontier::new(width, true)), ids: Vec::new() }
    }
}
