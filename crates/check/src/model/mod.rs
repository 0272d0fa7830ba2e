//! Models: what a correct object would answer. A model is deterministic and sequential; the checkers supply the
//! concurrency. One file per object.

mod bank;
mod bytes;
mod counter;
mod device;
mod etcd;
mod etcd_step;
mod kv;
mod kv_chain;
mod kv_flow;
mod kv_step;
mod lock;
mod log;
mod log_monitor;
mod object;
mod queue;
mod queue_monitor;
mod register;
mod row;
mod semaphore;
mod set;
mod set_monitor;
mod stack;
mod stale;
mod two_orders;

pub use bank::{Bank, BankOp, BankRet};
pub use bytes::Bytes;
pub use counter::{Counter, CounterOp, CounterRet};
pub use device::{BlockDevice, BlockOp, BlockRet, Sector};
pub use etcd::{Etcd, EtcdCompare, EtcdEntry, EtcdExpect, EtcdFound, EtcdOp, EtcdRange, EtcdRet, EtcdStep};
pub use etcd_step::EtcdState;
pub(crate) use etcd_step::agrees;
pub use kv::{Compare, Expect, Kv, KvOp, KvRet};
pub use kv_step::KvState;
pub use lock::{Held, Lock, LockOp, LockRet};
pub use log::{AppendLog, Entries, LogOp, LogRet};
pub use object::{AnyOf, Choices, Object};
pub use queue::{FifoQueue, Line, QueueOp, QueueRet};
pub use register::{CasRegister, RegisterOp, RegisterRet};
pub use semaphore::{Semaphore, SemaphoreOp};
pub use set::{Set, SetOp, SetRet};
pub use stack::Stack;
pub use stale::{StaleOp, StaleRegister};

use std::fmt::Debug;
use std::hash::Hash;

/// What a state says to an operation and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<S> {
    /// A correct object in this state would not give that answer.
    Refused,
    /// It would, and its state stays as it is.
    Same,
    /// It would, and goes to this state.
    Next(S),
}

impl<S> Step<S> {
    /// For what changes nothing: [`Step::Same`] if the answer is right, otherwise [`Step::Refused`].
    #[must_use]
    pub fn same_if(right: bool) -> Self {
        if right { Step::Same } else { Step::Refused }
    }
}

/// What an operation does to a single cell, for models whose keys are cells that hold one value. It is a promise, on
/// which histories are simplified before the search: where in doubt, say [`Flow::Opaque`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow<V> {
    /// It saw this value and changed nothing.
    Read(V),
    /// It set this value, whatever was there.
    Write(V),
    /// It saw `from` and set `to`, in one step.
    Swap {
        /// The value seen.
        from: V,
        /// The value left behind.
        to: V,
    },
    /// It saw any value but this one, and changed nothing.
    NotEqual(V),
    /// It put this at the end of whatever value was there.
    Append(V),
    /// It neither saw nor changed anything.
    Nothing,
    /// Anything else.
    Opaque,
}

/// Receives a key and what was done to it: see [`Model::each_flow`].
pub type VisitFlow<'a, M> = &'a mut dyn FnMut(&<M as Model>::Key, Flow<<M as Model>::Value>);

/// Operations of a model in the place of others: see [`Model::rewritten`].
pub type Rewritten<M> = Option<Vec<Option<crate::Operation<<M as Model>::Op, <M as Model>::Ret>>>>;

/// A sequential specification.
///
/// A state may stand for a *set* of concrete states (a revision known only to be above 7, say) as long as [`Model::step`]
/// admits whatever one of them would; a step that learns more narrows the set.
pub trait Model: Sized {
    /// The model's name on the command line and in history files.
    const NAME: &'static str;
    /// What clients ask.
    type Op: Clone + Eq + Hash + Debug;
    /// What they are told.
    type Ret: Clone + Eq + Hash + Debug;
    /// The object's state, or the part of it that one partition of the keys needs.
    type State: Clone + Eq + Hash;
    /// What histories are split by.
    type Key: Clone + Ord + Hash;
    /// What cells hold, for [`Model::flow`].
    type Value: Clone + Ord + Hash;

    /// Shows every key that `op` may touch, whichever way it goes. Operations on disjoint keys must be independent: that
    /// is what makes a split sound (locality, Herlihy and Wing 1990; P-compositionality, Horn and Kroening 2015). An
    /// operation that shows no key touches everything, and the history is not split at all.
    fn each_key(&self, op: &Self::Op, visit: &mut dyn FnMut(&Self::Key));

    /// The state before any operation.
    fn initial(&self) -> Self::State;

    /// Whether `state` admits `op` with the answer `ret`, and what it becomes. Without an answer (the client never had
    /// one) the operation takes effect if it can; the checkers also try leaving it out, so a model need not.
    fn step(&self, state: &Self::State, op: &Self::Op, ret: Option<&Self::Ret>) -> Step<Self::State>;

    /// True if `op`, with this answer, changes no concrete state whatsoever: a read, or a refused compare-and-swap.
    fn observes_only(&self, op: &Self::Op, ret: Option<&Self::Ret>) -> bool;

    /// What the operation does to the one cell it touches. The default promises nothing.
    fn flow(&self, op: &Self::Op, ret: Option<&Self::Ret>) -> Flow<Self::Value> {
        let _ = (op, ret);
        Flow::Opaque
    }

    /// What the operation does to each of its cells, for operations that touch several at one instant, or for which one
    /// flow does not say it all: a key may be visited twice, first with what was seen of it, then with what was made. A
    /// key that is not visited was neither seen nor changed. The default says of each key what [`Model::flow`] says.
    fn each_flow(&self, op: &Self::Op, ret: Option<&Self::Ret>, visit: VisitFlow<'_, Self>) {
        self.each_key(op, &mut |key| visit(key, self.flow(op, ret)));
    }

    /// What every cell holds at first. `None` promises nothing, and then no simplification is made.
    fn initial_value(&self) -> Option<Self::Value> {
        None
    }

    /// Whether `whole` could have come about with `part` written or appended into it. The default is the safe answer.
    fn may_contain(&self, whole: &Self::Value, part: &Self::Value) -> bool {
        let _ = (whole, part);
        true
    }

    /// Whether [`rewritten`](Model::rewritten) has work to do where there is an operation such as `op`, so that a short search of
    /// the operations as they are is worth its time before. It changes what a check costs and no verdict.
    fn may_be_rewritten(&self, op: &Self::Op) -> bool {
        let _ = op;
        false
    }

    /// The operations `ids` of `ops`, all of one key, said so that they are easier to search: another operation at the
    /// same place that is allowed wherever the one it stands for is, in any order that explains all answers; or
    /// nothing, for one of unknown outcome that need not have happened. `None` if there is nothing to be gained.
    /// Nothing counts that happened after the instant `until`: no call, and no answer.
    fn rewritten(&self, ops: &[crate::Operation<Self::Op, Self::Ret>], ids: &[u32], until: u64) -> Rewritten<Self> {
        let _ = (ops, ids, until);
        None
    }

    /// Judges one part of a history without a search, where the object allows it: `None` leaves it to the engines. What
    /// a monitor says is checked: see [`Monitored`](crate::Monitored).
    fn monitor(&self, part: &crate::Part<'_, Self>) -> Option<crate::Monitored> {
        let _ = part;
        None
    }

    /// The operation and its answer in words, such as `get "x" -> "1"`.
    fn describe(&self, op: &Self::Op, ret: Option<&Self::Ret>) -> String;

    /// The part of `state` that `op` looks at, in words, such as `"x" is "1"`.
    fn describe_state(&self, state: &Self::State, op: &Self::Op) -> String;

    /// A key in words, such as `key "x"`.
    fn describe_key(&self, key: &Self::Key) -> String;
}
