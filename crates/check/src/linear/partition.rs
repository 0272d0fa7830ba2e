//! Splitting a history into parts that can be judged alone. Operations that share a key are in one part, and so are
//! those that a multi-key operation ties together.

use super::memo::Numbers;
use crate::history::Operation;
use crate::model::Model;
use std::hash::Hash;

/// A part of a history: the keys of its operations, and their ids in ascending order.
pub(super) struct Component<K> {
    pub(super) keys: Vec<K>,
    pub(super) ops: Vec<u32>,
}

impl<K> Component<K> {
    /// The part in words.
    pub(super) fn describe<M: Model<Key = K>>(&self, model: &M) -> String {
        const SHOWN: usize = 3;
        if self.keys.is_empty() {
            return "the whole history".to_owned();
        }
        let mut text: Vec<String> = self.keys.iter().take(SHOWN).map(|key| model.describe_key(key)).collect();
        if self.keys.len() > SHOWN {
            text.push(format!("{} more", self.keys.len() - SHOWN));
        }
        text.join(", ")
    }
}

/// The parts, ordered by their first operation.
pub(super) fn components<M: Model>(model: &M, ops: &[Operation<M::Op, M::Ret>]) -> Vec<Component<M::Key>> {
    if let Some(key) = only_key(model, ops.iter().map(|operation| &operation.op)) {
        return vec![Component { keys: vec![key], ops: (0..u32::try_from(ops.len()).unwrap_or(u32::MAX)).collect() }];
    }
    let mut keys = Keys { ids: Numbers::new(), parent: Vec::new() };
    let mut home: Vec<Option<u32>> = Vec::with_capacity(ops.len());
    for operation in ops {
        let mut first: Option<u32> = None;
        model.each_key(&operation.op, &mut |key| {
            let id = keys.id(key);
            match first {
                None => first = Some(id),
                Some(first) => keys.unite(first, id),
            }
        });
        home.push(first);
    }
    if home.iter().any(Option::is_none) {
        return vec![Component { keys: Vec::new(), ops: (0..u32::try_from(ops.len()).unwrap_or(u32::MAX)).collect() }];
    }
    const NONE: usize = usize::MAX;
    let mut slots = vec![NONE; keys.parent.len()];
    let mut parts: Vec<Component<M::Key>> = Vec::new();
    for (id, first) in (0u32..).zip(home) {
        let slot = &mut slots[keys.root(first.unwrap_or(0)) as usize];
        if *slot == NONE {
            *slot = parts.len();
            parts.push(Component { keys: Vec::new(), ops: Vec::new() });
        }
        parts[*slot].ops.push(id);
    }
    for id in (0u32..).take(keys.parent.len()) {
        let slot = slots[keys.root(id) as usize];
        if let Some(part) = parts.get_mut(slot) {
            part.keys.push(keys.ids.get(id).clone());
        }
    }
    for part in parts.iter_mut().filter(|part| part.keys.len() > 1) {
        part.keys.sort_unstable();
    }
    parts
}

/// The keys of `ops`, of which each has one at least, in groups: operations on several keys tie these together.
pub(crate) fn keys_tied_by<M: Model>(model: &M, ops: &[Operation<M::Op, M::Ret>]) -> Vec<Vec<M::Key>> {
    components(model, ops).into_iter().map(|part| part.keys).collect()
}

/// The key that every operation is on, as of a register: then nothing is to be split.
pub(super) fn only_key<'a, M: Model>(model: &M, mut ops: impl Iterator<Item = &'a M::Op>) -> Option<M::Key>
where
    M::Op: 'a,
{
    let mut only: Option<M::Key> = None;
    let alone = ops.all(|op| {
        let (mut count, mut same) = (0, true);
        model.each_key(op, &mut |key| {
            count += 1;
            same &= *only.get_or_insert_with(|| key.clone()) == *key;
        });
        same && count > 0
    });
    only.filter(|_| alone)
}

/// Keys by number, and a union-find over them.
struct Keys<K> {
    ids: Numbers<K>,
    parent: Vec<u32>,
}

impl<K: Eq + Hash + Clone> Keys<K> {
    fn id(&mut self, key: &K) -> u32 {
        let id = self.ids.of(key.clone());
        if id as usize == self.parent.len() {
            self.parent.push(id);
        }
        id
    }

    fn root(&mut self, mut id: u32) -> u32 {
        while self.parent[id as usize] != id {
            let above = self.parent[self.parent[id as usize] as usize];
            self.parent[id as usize] = above;
            id = above;
        }
        id
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }
}
