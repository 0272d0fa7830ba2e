//! Registers whose values are all different, in the manner of Gibbons and Korach (1997): every value's write and reads
//! form a cluster that must stand together, and clusters can be told apart by two instants.
//!
//! The first return of a cluster is `first`, its last call `last`. If `first < last` the cluster must span at least
//! that zone, and no other may span any of it; otherwise it fits into any one instant from `last` to `first`, which must
//! not be inside another's zone. The order is built from the zones and, like every order, replayed; a refusal names the
//! operations at the edges of two zones, which have no order by themselves.

use super::depth::Found;
use super::prepare::{Entry, NO_VALUE, Problem, Sees};
use crate::model::Model;

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

/// The order of a register's operations, or why there is none; `None` if it is not such a register.
pub(super) fn zones<M: Model>(problem: &Problem<'_, M>) -> Option<Found> {
    let initial = problem.plain?;
    if !problem.optional.is_empty() {
        return None;
    }
    let empty =
        Cluster { write: NOBODY, first: u64::MAX, first_of: NOBODY, last: 0, last_of: NOBODY, place: 0, reads: 0 };
    let mut clusters = vec![empty; problem.values as usize];
    clusters[initial as usize] = Cluster { first: 0, ..empty };
    for (index, entry) in (0u32..).zip(&problem.required) {
        let (value, write) = match (entry.sees, entry.makes) {
            (Sees::Nothing, value) if value != NO_VALUE => (value, true),
            (Sees::Value(value), NO_VALUE) => (value, false),
            _ => return None,
        };
        let cluster = &mut clusters[value as usize];
        if write && (value == initial || std::mem::replace(&mut cluster.write, index) != NOBODY) {
            return None;
        }
        let (call, returned) = (entry.call.saturating_add(1), entry.deadline.saturating_add(1));
        if returned < cluster.first || (cluster.first_of == NOBODY && value != initial) {
            (cluster.first, cluster.first_of) = (returned, index);
        }
        if call > cluster.last || cluster.last_of == NOBODY {
            (cluster.last, cluster.last_of) = (call, index);
        }
        cluster.reads += u32::from(!write);
    }
    Some(Zones { required: &problem.required, clusters, initial }.decide())
}

struct Zones<'a> {
    required: &'a [Entry],
    clusters: Vec<Cluster>,
    initial: u32,
}

impl Zones<'_> {
    fn decide(mut self) -> Found {
        for (value, cluster) in (0u32..).zip(&self.clusters) {
            if cluster.first_of == NOBODY || value == self.initial {
                continue;
            }
            // A read of what nobody wrote, or one that returned before the write was called.
            if cluster.write == NOBODY {
                return self.refused(&[cluster.first_of]);
            }
            if cluster.first < self.required[cluster.write as usize].call.saturating_add(1) {
                return self.refused(&[cluster.first_of, cluster.write]);
            }
        }
        let present = |cluster: &Cluster, value: u32| value == self.initial || cluster.first_of != NOBODY;
        let mut forward: Vec<(u64, u64, u32)> = Vec::new();
        for (value, cluster) in (0u32..).zip(&self.clusters) {
            if present(cluster, value) && cluster.first < cluster.last {
                forward.push((cluster.first, cluster.last, value));
            }
        }
        forward.sort_unstable();
        for pair in forward.windows(2) {
            if pair[1].0 < pair[0].1 {
                return self.conflict(pair[0].2, pair[1].2);
            }
        }
        let mut order: Vec<(u64, u8, u32)> = forward.iter().map(|(first, _, value)| (*first, 1, *value)).collect();
        for (value, cluster) in (0u32..).zip(&self.clusters) {
            if !present(cluster, value) || cluster.first < cluster.last {
                continue;
            }
            let mut at = cluster.last;
            // The one zone that `last` may be inside of is the latest that begins before it.
            let before = forward.partition_point(|(first, ..)| *first < at);
            if let Some((_, end, other)) = before.checked_sub(1).map(|index| forward[index])
                && at < end
            {
                if cluster.first < end {
                    return self.conflict(other, value);
                }
                at = end;
            }
            order.push((at, 0, value));
        }
        order.sort_unstable();
        self.order(&order)
    }

    /// Operations cluster by cluster: the write, then the reads in order of call.
    fn order(&mut self, order: &[(u64, u8, u32)]) -> Found {
        let mut at = 0u32;
        for (.., value) in order {
            let cluster = &mut self.clusters[*value as usize];
            cluster.place = at;
            at += cluster.reads + u32::from(cluster.write != NOBODY);
        }
        let mut ids = vec![0; self.required.len()];
        let mut filled: Vec<u32> =
            self.clusters.iter().map(|cluster| cluster.place + u32::from(cluster.write != NOBODY)).collect();
        for entry in self.required {
            let place = match entry.sees {
                Sees::Value(value) => {
                    let place = filled[value as usize];
                    filled[value as usize] += 1;
                    place
                }
                _ => self.clusters[entry.makes as usize].place,
            };
            ids[place as usize] = entry.id;
        }
        Found::Order(ids)
    }

    fn conflict(&self, one: u32, other: u32) -> Found {
        let edges = [one, other].map(|value| self.clusters[value as usize]);
        let all: Vec<u32> = edges.iter().flat_map(|cluster| [cluster.write, cluster.first_of, cluster.last_of]).collect();
        self.refused(&all)
    }

    fn refused(&self, indices: &[u32]) -> Found {
        let mut witness: Vec<u32> =
            indices.iter().filter(|index| **index != NOBODY).map(|index| self.required[*index as usize].id).collect();
        witness.sort_unstable();
        witness.dedup();
        Found::Impossible { deepest: Vec::new(), at: None, witness }
    }
}
