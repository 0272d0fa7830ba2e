//! Models in a few lines: what an object starts as and how it answers, and nothing else. The rest of [`Model`] is
//! filled in, so that such a model is searched without simplifications; objects that need them implement `Model`.

use super::{Model, Step};
use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object.
///
/// ```
/// use stormglass_check::model::{Object, Step};
/// use stormglass_check::{History, linearizable};
///
/// /// A switch that says whether flipping it turned it on.
/// struct Switch;
///
/// impl Object for Switch {
///     const NAME: &'static str = "switch";
///     type Op = ();
///     type Ret = bool;
///     type State = bool;
///
///     fn initial(&self) -> bool {
///         false
///     }
///
///     fn step(&self, on: &bool, (): &(), told: Option<&bool>) -> Step<bool> {
///         match told {
///             Some(told) if *told == *on => Step::Refused,
///             _ => Step::Next(!on),
///         }
///     }
/// }
///
/// let mut history = History::new();
/// for (at, told) in [(10, true), (30, true)] {
///     let flip = history.invoke(0, at, ());
///     history.ok(flip, at + 10, told)?;
/// }
/// assert!(linearizable(&Switch, &history).is_fail(), "the second flip turned it off");
/// # Ok::<(), stormglass_check::HistoryError>(())
/// ```
pub trait Object {
    /// The model's name on the command line and in history files.
    const NAME: &'static str;
    /// What clients ask.
    type Op: Clone + Eq + Hash + Debug;
    /// What they are told.
    type Ret: Clone + Eq + Hash + Debug;
    /// What the object holds.
    type State: Clone + Eq + Hash + Debug;

    /// The state before any operation.
    fn initial(&self) -> Self::State;

    /// Whether `state` admits `op` with the answer `told`, and what it becomes: see [`Model::step`].
    fn step(&self, state: &Self::State, op: &Self::Op, told: Option<&Self::Ret>) -> Step<Self::State>;

    /// The part of the object that `op` touches, if operations on different parts have nothing to do with each other.
    fn key(&self, op: &Self::Op) -> Option<String> {
        let _ = op;
        None
    }

    /// True if `op` with this answer changes no state: such operations cost no branch.
    fn observes_only(&self, op: &Self::Op, told: Option<&Self::Ret>) -> bool {
        let _ = (op, told);
        false
    }
}

impl<T: Object> Model for T {
    const NAME: &'static str = T::NAME;
    type Op = T::Op;
    type Ret = T::Ret;
    type State = T::State;
    type Key = Option<String>;
    type Value = ();

    fn each_key(&self, op: &T::Op, visit: &mut dyn FnMut(&Option<String>)) {
        visit(&self.key(op));
    }

    fn initial(&self) -> T::State {
        Object::initial(self)
    }

    fn step(&self, state: &T::State, op: &T::Op, ret: Option<&T::Ret>) -> Step<T::State> {
        Object::step(self, state, op, ret)
    }

    fn observes_only(&self, op: &T::Op, ret: Option<&T::Ret>) -> bool {
        Object::observes_only(self, op, ret)
    }

    fn describe(&self, op: &T::Op, ret: Option<&T::Ret>) -> String {
        match ret {
            Some(ret) => format!("{op:?} -> {ret:?}"),
            None => format!("{op:?}"),
        }
    }

    fn describe_state(&self, state: &T::State, _: &T::Op) -> String {
        format!("the {} is {state:?}", T::NAME)
    }

    fn describe_key(&self, key: &Option<String>) -> String {
        key.clone().unwrap_or_else(|| format!("the {}", T::NAME))
    }
}

/// An object that may answer in several ways or become several things, and does not say which.
pub trait Choices {
    /// As [`Object::NAME`].
    const NAME: &'static str;
    /// What clients ask.
    type Op: Clone + Eq + Hash + Debug;
    /// What they are told.
    type Ret: Clone + Eq + Hash + Debug;
    /// What the object holds.
    type State: Clone + Ord + Hash + Debug;

    /// What it may hold at first.
    fn initial(&self) -> Vec<Self::State>;

    /// Every state that `op`, answered `told`, may leave behind in `state`; none if that answer cannot be.
    fn next(&self, state: &Self::State, op: &Self::Op, told: Option<&Self::Ret>) -> Vec<Self::State>;

    /// As [`Object::key`].
    fn key(&self, op: &Self::Op) -> Option<String> {
        let _ = op;
        None
    }
}

/// The deterministic object whose state is the set of all states that [`Choices`] may be in. An order explains a history
/// of the one just when it explains it of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyOf<T>(pub T);

impl<T: Choices> Object for AnyOf<T> {
    const NAME: &'static str = T::NAME;
    type Op = T::Op;
    type Ret = T::Ret;
    type State = Vec<T::State>;

    fn initial(&self) -> Vec<T::State> {
        sorted(self.0.initial())
    }

    fn step(&self, state: &Vec<T::State>, op: &T::Op, told: Option<&T::Ret>) -> Step<Vec<T::State>> {
        let next = sorted(state.iter().flat_map(|one| self.0.next(one, op, told)).collect());
        match next {
            next if next.is_empty() => Step::Refused,
            next if next == *state => Step::Same,
            next => Step::Next(next),
        }
    }

    fn key(&self, op: &T::Op) -> Option<String> {
        self.0.key(op)
    }
}

fn sorted<S: Ord>(mut states: Vec<S>) -> Vec<S> {
    states.sort_unstable();
    states.dedup();
    states
}

/// The example of the book is compiled as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/src/reference/checking.md")]
struct Book;
