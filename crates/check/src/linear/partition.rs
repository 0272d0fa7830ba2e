//! Splitting a history into parts that can be judged alone. Operations that share a key are in one part, and so are
//! those that a multi-key operation ties together.

use crate::history::Operation;
use crate::model::Model;
use std::collections::BTreeMap;

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
    if let Some(key) = only_key(model, ops) {
        return vec![Component { keys: vec![key], ops: (0..u32::try_from(ops.len()).unwrap_or(u32::MAX)).collect() }];
    }
    let mut keys = Keys { ids: BTreeMap::new(), parent: Vec::new(), recent: None };
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
    let mut slots: BTreeMap<u32, usize> = BTreeMap::new();
    let mut parts: Vec<Component<M::Key>> = Vec::new();
    for (id, first) in (0u32..).zip(home) {
        let root = keys.root(first.unwrap_or(0));
        let slot = *slots.entry(root).or_insert_with(|| {
            parts.push(Component { keys: Vec::new(), ops: Vec::new() });
            parts.len() - 1
        });
        parts[slot].ops.push(id);
    }
    let known: Vec<(M::Key, u32)> = std::mem::take(&mut keys.ids).into_iter().collect();
    for (key, id) in known {
        if let Some(slot) = slots.get(&keys.root(id)) {
            parts[*slot].keys.push(key);
        }
    }
    parts
}

/// The key that every operation is on, as of a register: then nothing is to be split.
fn only_key<M: Model>(model: &M, ops: &[Operation<M::Op, M::Ret>]) -> Option<M::Key> {
    let mut only: Option<M::Key> = None;
    let alone = ops.iter().all(|operation| {
        let (mut count, mut same) = (0, true);
        model.each_key(&operation.op, &mut |key| {
            count += 1;
            same &= *only.get_or_insert_with(|| key.clone()) == *key;
        });
        same && count > 0
    });
    only.filter(|_| alone)
}

/// Keys by number, and a union-find over them.
struct Keys<K> {
    ids: BTreeMap<K, u32>,
    parent: Vec<u32>,
    /// The last that was asked for: often it is the next, too.
    recent: Option<(K, u32)>,
}

impl<K: Ord + Clone> Keys<K> {
    fn id(&mut self, key: &K) -> u32 {
        if let Some((recent, id)) = &self.recent
            && recent == key
        {
            return *id;
        }
        let id = self.ids.get(key).copied().unwrap_or_else(|| {
            let fresh = u32::try_from(self.parent.len()).unwrap_or(u32::MAX);
            self.parent.push(fresh);
            self.ids.insert(key.clone(), fresh);
            fresh
        });
        self.recent = Some((key.clone(), id));
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
