//! Convergence: once the storm is over and all replicas have caught up, they hold the same.

use crate::model::Bytes;
use crate::verdict::{Evidence, Verdict};
use std::collections::BTreeMap;

/// The oracle's name in verdicts.
pub const CONVERGENCE: &str = "convergence";

/// Whether all `replicas`, by name, hold the same keys and values.
pub fn converged(replicas: &BTreeMap<String, BTreeMap<Bytes, Bytes>>) -> Verdict {
    let mut pairs = replicas.iter();
    let Some((first, held)) = pairs.next() else { return Verdict::Pass };
    for (other, also) in pairs {
        let differs = held.keys().chain(also.keys()).find(|key| held.get(*key) != also.get(*key));
        if let Some(key) = differs {
            let show = |map: &BTreeMap<Bytes, Bytes>| map.get(key).map_or("nothing".to_owned(), Bytes::to_string);
            let cause = format!("{first} holds {} under {key}, {other} holds {}", show(held), show(also));
            return Evidence::new(CONVERGENCE, cause).into();
        }
    }
    Verdict::Pass
}
