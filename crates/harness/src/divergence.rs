//! Where two runs of one seed part: the first event that differs, with what led up to it, both runs side by side.

use serde::{Deserialize, Serialize};

use crate::scenario::{TraceError, TraceLines};

/// The first difference of two traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// The index of the first event that differs, from 0.
    pub index: u64,
    /// The last events that both runs share, in order.
    pub before: Vec<String>,
    /// The first run from there on; empty where it had already ended.
    pub first: Vec<String>,
    /// The second run from there on; empty where it had already ended.
    pub second: Vec<String>,
}

/// How many shared events are shown before the difference.
const BEFORE_EVENTS: usize = 5;
/// How many events of each run are shown from the difference on.
const AFTER_EVENTS: usize = 3;

/// The first event in which two traces differ; `None` where they are equal to the end. A trace that merely ends sooner
/// differs where it ends.
///
/// # Errors
///
/// Where a trace cannot be read up to its first difference.
pub fn first_divergence(mut first: TraceLines, mut second: TraceLines) -> Result<Option<Divergence>, TraceError> {
    let mut before = std::collections::VecDeque::new();
    let mut index = 0;
    loop {
        let (a, b) = (first.next().transpose()?, second.next().transpose()?);
        match (a, b) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) if a == b => {
                before.push_back(a);
                if before.len() > BEFORE_EVENTS {
                    before.pop_front();
                }
                index += 1;
            }
            (a, b) => {
                let rest = |head: Option<String>, tail: TraceLines| -> Result<Vec<String>, TraceError> {
                    head.map(Ok).into_iter().chain(tail).take(AFTER_EVENTS).collect()
                };
                return Ok(Some(Divergence {
                    index,
                    before: before.into(),
                    first: rest(a, first)?,
                    second: rest(b, second)?,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(events: &'static [&'static str]) -> TraceLines {
        Box::new(events.iter().map(|event| Ok((*event).to_owned())))
    }

    #[test]
    fn equal_traces_do_not_part() {
        assert_eq!(first_divergence(trace(&["a", "b"]), trace(&["a", "b"])).unwrap(), None);
    }

    #[test]
    fn the_first_difference_is_shown_with_what_led_up_to_it() {
        let found = first_divergence(trace(&["a", "b", "x", "y"]), trace(&["a", "b", "z"])).unwrap().unwrap();
        assert_eq!(found.index, 2);
        assert_eq!(found.before, ["a", "b"]);
        assert_eq!(found.first, ["x", "y"]);
        assert_eq!(found.second, ["z"]);
    }

    #[test]
    fn a_second_run_that_is_merely_shorter_differs_where_it_ends() {
        let found = first_divergence(trace(&["a", "b"]), trace(&["a"])).unwrap().unwrap();
        assert_eq!((found.index, found.first, found.second.len()), (1, vec!["b".to_owned()], 0));
    }
}
