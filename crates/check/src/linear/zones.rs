//! Registers whose values are all different, in the manner of Gibbons and Korach (1997): every value's write and reads
//! form a cluster that must stand together, and clusters can be told apart by two instants.
//!
//! The first return of a cluster is `first`, its last call `last`. If `first < last` the cluster must span at least
//! that zone, and no other may span any of it; otherwise it fits into any one instant from `last` to `first`, which must
//! not be inside another's zone. The order is built from the zones and, like every order, replayed; a refusal names the
//! operations at the edges of two zones, which have no order by themselves.

use super::depth::Found;
use super::machine::Source;
use super::memo::Numbers;
use super::prepare::seen_at;
use crate::model::{Flow, Model};

/// One operation, no larger than it must be: there may be many.
#[derive(Clone, Copy)]
struct Seen {
    call: u64,
    /// `u64::MAX` for a write of unknown outcome.
    returned: u64,
    id: u32,
    value: u32,
    write: bool,
}

/// A value's operations: its write (none for the initial value) and its reads.
#[derive(Clone, Copy)]
struct Cluster {
    write: u32,
    /// The earliest return, and whose it is. Instants are one later than in the history, so that 0 is before it.
    first: u64,
    first_of: u32,
    /// The latest call, and whose it is.
    last: u64,
    last_of: u32,
    /// Where it stands in the order, once that is known.
    place: u32,
    reads: u32,
}

const NOBODY: u32 = u32::MAX;

const EMPTY: Cluster =
    Cluster { write: NOBODY, first: u64::MAX, first_of: NOBODY, last: 0, last_of: NOBODY, place: 0, reads: 0 };

/// The order of a register's operations, or why there is none; `None` if it is not such a register. All of `ids` must be
/// on one key.
pub(super) fn zones<M: Model>(source: Source<'_, M>, ids: &[u32]) -> Option<Found> {
    let model = source.model;
    let initial = model.initial_value()?;
    let mut values: Numbers<M::Value> = Numbers::with_room(ids.len() / 2);
    let initial = values.of(initial);
    let mut list: Vec<Seen> = Vec::with_capacity(ids.len());
    let mut clusters: Vec<Cluster> = Vec::with_capacity(ids.len() / 2);
    clusters.push(Cluster { first: 0, ..EMPTY });
    let mut open = false;
    for &id in ids {
        let operation = &source.ops[id as usize];
        let Some((ret, returned)) = seen_at(operation, None) else { continue };
        let (value, write) = match model.flow(&operation.op, ret) {
            Flow::Write(value) => (values.of(value), true),
            Flow::Read(value) => (values.of(value), false),
            Flow::Nothing if ret.is_none() && model.observes_only(&operation.op, ret) => continue,
            _ => return None,
        };
        // Numbers are given in order of first appearance.
        if value as usize == clusters.len() {
            clusters.push(EMPTY);
        }
        let seen = Seen { call: operation.call, returned, id, value, write };
        if write && (value == initial || clusters[value as usize].write != NOBODY) {
            return None;
        }
        clusters[value as usize].add(u32::try_from(list.len()).unwrap_or(NOBODY), &seen, initial);
        open |= returned == u64::MAX;
        list.push(seen);
    }
    if !list.is_sorted_by_key(|seen| seen.call) {
        list.sort_by_key(|seen| seen.call);
        clusters.fill(EMPTY);
        clusters[initial as usize].first = 0;
        for (index, seen) in (0u32..).zip(&list) {
            clusters[seen.value as usize].add(index, seen, initial);
        }
    }
    // What nobody read and nobody acknowledged need not have happened.
    if open {
        for cluster in clusters.iter_mut().filter(|cluster| cluster.reads == 0 && cluster.write != NOBODY) {
            if list[cluster.write as usize].returned == u64::MAX {
                *cluster = EMPTY;
            }
        }
    }
    Some(Zones { list: &list, clusters, initial }.decide())
}

impl Cluster {
    /// The operation at `index` belongs to it.
    fn add(&mut self, index: u32, seen: &Seen, initial: u32) {
        if seen.write {
            self.write = index;
        } else {
            self.reads += 1;
        }
        let (call, returned) = (seen.call.saturating_add(1), seen.returned.saturating_add(1));
        if returned < self.first || (self.first_of == NOBODY && seen.value != initial) {
            (self.first, self.first_of) = (returned, index);
        }
        if call > self.last || self.last_of == NOBODY {
            (self.last, self.last_of) = (call, index);
        }
    }
}

struct Zones<'a> {
    list: &'a [Seen],
    clusters: Vec<Cluster>,
    initial: u32,
}

/// How many zones begin before `at`. They are looked for from `near` in ever longer steps, for values come about in the
/// order of time, more or less.
fn before(forward: &[(u64, u64, u32)], near: usize, at: u64) -> usize {
    let early = |place: usize| forward[place].0 < at;
    let mut step = 1;
    let (low, high) = if near < forward.len() && early(near) {
        let mut low = near + 1;
        while low + step <= forward.len() && early(low + step - 1) {
            low += step;
            step *= 2;
        }
        (low, forward.len().min(low + step))
    } else {
        let mut high = near;
        while high >= step && !early(high - step) {
            high -= step;
            step *= 2;
        }
        (high.saturating_sub(step), high)
    };
    low + forward[low..high].partition_point(|(first, ..)| *first < at)
}

/// Sorts what is nearly in order, as values are that come about in time: by insertion, while that costs little.
fn sort_near<T: Copy + Ord>(list: &mut [T]) {
    let mut moves = 16 * list.len();
    for at in 1..list.len() {
        let (item, mut to) = (list[at], at);
        while to > 0 && list[to - 1] > item {
            list[to] = list[to - 1];
            to -= 1;
        }
        list[to] = item;
        match moves.checked_sub(at - to) {
            Some(left) => moves = left,
            None => return list.sort_unstable(),
        }
    }
}

impl Zones<'_> {
    fn decide(mut self) -> Found {
        let present = |cluster: &Cluster, value: u32| value == self.initial || cluster.first_of != NOBODY;
        let mut forward: Vec<(u64, u64, u32)> = Vec::with_capacity(self.clusters.len());
        for (value, cluster) in (0u32..).zip(&self.clusters) {
            if !present(cluster, value) {
                continue;
            }
            if value != self.initial {
                // A read of what nobody wrote, or one that returned before the write was called.
                if cluster.write == NOBODY {
                    return self.refused(&[cluster.first_of]);
                }
                if cluster.first < self.list[cluster.write as usize].call.saturating_add(1) {
                    return self.refused(&[cluster.first_of, cluster.write]);
                }
            }
            if cluster.first < cluster.last {
                forward.push((cluster.first, cluster.last, value));
            }
        }
        sort_near(&mut forward);
        for pair in forward.windows(2) {
            if pair[1].0 < pair[0].1 {
                return self.conflict(pair[0].2, pair[1].2);
            }
        }
        // An instant, whether the cluster spans a zone from there on, and the cluster, packed so that sorting is cheap.
        let pack = |at: u64, zone: bool, value: u32| u128::from(at) << 64 | u128::from(zone) << 32 | u128::from(value);
        let mut backward: Vec<u128> = Vec::with_capacity(self.clusters.len() - forward.len());
        let mut near = 0;
        for (value, cluster) in (0u32..).zip(&self.clusters) {
            if !present(cluster, value) || cluster.first < cluster.last {
                continue;
            }
            let mut at = cluster.last;
            // The one zone that `last` may be inside of is the latest that begins before it.
            near = before(&forward, near, at);
            if let Some((_, end, other)) = near.checked_sub(1).map(|index| forward[index])
                && at < end
            {
                if cluster.first < end {
                    return self.conflict(other, value);
                }
                at = end;
            }
            backward.push(pack(at, false, value));
        }
        sort_near(&mut backward);
        let mut zones = forward.iter().map(|(first, _, value)| pack(*first, true, *value)).peekable();
        let mut instants = backward.into_iter().peekable();
        // The two, merged.
        self.order(std::iter::from_fn(|| match (zones.peek(), instants.peek()) {
            (Some(zone), Some(instant)) if instant < zone => instants.next(),
            (Some(_), _) => zones.next(),
            (None, _) => instants.next(),
        }))
    }

    /// Operations cluster by cluster: the write, then the reads in order of call.
    fn order(&mut self, order: impl Iterator<Item = u128>) -> Found {
        let mut at = 0u32;
        let mut ids = vec![0; self.list.len()];
        for packed in order {
            let cluster = &mut self.clusters[packed as u32 as usize];
            cluster.place = at;
            if cluster.write != NOBODY {
                ids[at as usize] = self.list[cluster.write as usize].id;
                at += 1;
            }
            at += std::mem::replace(&mut cluster.reads, u32::from(cluster.write != NOBODY));
        }
        // From here on `reads` is how many of the cluster's operations have their place.
        for seen in self.list.iter().filter(|seen| !seen.write) {
            let cluster = &mut self.clusters[seen.value as usize];
            ids[(cluster.place + cluster.reads) as usize] = seen.id;
            cluster.reads += 1;
        }
        ids.truncate(at as usize);
        Found::Order(ids)
    }

    fn conflict(&self, one: u32, other: u32) -> Found {
        let edges = [one, other].map(|value| self.clusters[value as usize]);
        let all: Vec<u32> =
            edges.iter().flat_map(|cluster| [cluster.write, cluster.first_of, cluster.last_of]).collect();
        self.refused(&all)
    }

    fn refused(&self, indices: &[u32]) -> Found {
        let mut witness: Vec<u32> =
            indices.iter().filter(|index| **index != NOBODY).map(|index| self.list[*index as usize].id).collect();
        witness.sort_unstable();
        witness.dedup();
        Found::Impossible { deepest: Vec::new(), at: None, witness }
    }
}
