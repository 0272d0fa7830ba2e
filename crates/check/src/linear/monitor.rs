//! Objects whose histories can be judged without a search. Every order that a monitor gives is replayed, and every
//! refusal names a few operations, which the search must refuse as well: a monitor is trusted for its speed alone.

use super::depth::Found;
use super::machine::Source;
use super::zones::zones;
use crate::history::Operation;
use crate::model::Model;

/// What a model's own monitor is given: one part of a history.
pub struct Part<'a, M: Model> {
    pub(super) source: &'a [Operation<M::Op, M::Ret>],
    pub(super) ids: &'a [u32],
}

/// What a model's own monitor says. Operations are given by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Monitored {
    /// An order of all answered operations, with those of unknown outcome that it needs. It will be replayed.
    Order(Vec<u32>),
    /// These few operations have no order by themselves, and leaving operations out of a history of this object, as was
    /// done here, never breaks it. The search will look at them again.
    Impossible(Vec<u32>),
    /// The history is impossible for this reason, which no few operations show by themselves: leaving some out would
    /// break it in another way. The operations concerned, and the reason in words.
    Broken(Vec<u32>, String),
}

impl<'a, M: Model> Part<'a, M> {
    /// The part's operations with their ids, in ascending order of id.
    pub fn operations(&self) -> impl Iterator<Item = (u32, &'a Operation<M::Op, M::Ret>)> {
        self.ids.iter().map(|id| (*id, &self.source[*id as usize]))
    }

    /// The operation with this id, which must be one of the history's.
    #[must_use]
    pub fn operation(&self, id: u32) -> &'a Operation<M::Op, M::Ret> {
        &self.source[id as usize]
    }

    /// How many operations the part has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl From<Monitored> for Found {
    fn from(monitored: Monitored) -> Self {
        match monitored {
            Monitored::Order(order) => Found::Order(order),
            Monitored::Impossible(witness) => Found::Impossible { deepest: Vec::new(), at: None, witness },
            Monitored::Broken(witness, reason) => Found::Broken { witness, reason },
        }
    }
}

/// The monitor for the operations `ids`, if there is one. `one_key` says that all of them are on one key.
pub(super) fn monitor<M: Model>(source: Source<'_, M>, ids: &[u32], one_key: bool) -> Option<Found> {
    let own = source.model.monitor(&Part { source: source.ops, ids });
    own.map(Found::from).or_else(|| if one_key { zones(source, ids) } else { None })
}
