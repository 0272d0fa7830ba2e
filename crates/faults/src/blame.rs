//! What the faults had to do with a failure: those that were on while it came about, and whether they were more than the system is
//! said to tolerate.

use std::time::Duration;

use crate::{Budget, FaultRecord, Plan};

/// So many faults are named: those that begin last.
const FAULTS_MAX: usize = 8;

/// The faults that hit something and were on at some time from `from` to `until`, one line each; of them those that `concerns`
/// says yes to, by their line of text, unless it says so of none.
#[must_use]
pub fn meanwhile(
    faults: &[FaultRecord],
    (from, until): (Duration, Duration),
    concerns: impl Fn(&str) -> bool,
) -> Vec<String> {
    let was_on = |fault: &&FaultRecord| {
        let begun = fault.begun_at.is_some_and(|begun| begun <= until);
        begun && fault.ended_at.is_none_or(|ended| ended >= from) && fault.hits.total() > 0
    };
    let mut on: Vec<&FaultRecord> = faults.iter().filter(was_on).collect();
    if on.iter().any(|fault| concerns(text_of(fault))) {
        on.retain(|fault| concerns(text_of(fault)));
    }
    on.sort_by_key(|fault| (fault.begun_at, fault.id));
    let left_out = on.len().saturating_sub(FAULTS_MAX);
    let mut lines: Vec<String> =
        on[left_out..].iter().map(|fault| format!("{} {} ({})", fault.id, text_of(fault), fault.hits)).collect();
    if left_out > 0 {
        lines.insert(0, format!("{left_out} that began earlier"));
    }
    lines
}

/// Whether a text speaks of a node: its name stands there as a word.
#[must_use]
pub fn mentions(text: &str, name: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(name)
        .any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + name.len()..].chars().next()))
}

/// The line as it was carried out.
fn text_of(fault: &FaultRecord) -> &str {
    fault.struck.as_deref().unwrap_or(&fault.text)
}

/// Whether a plan excuses a failure, in words: it does where it goes beyond one of the budgets. `None` where nothing was said to be
/// tolerated.
#[must_use]
pub fn excuse(budgets: &[Budget], plan: &Plan) -> Option<String> {
    if budgets.is_empty() {
        return None;
    }
    let beyond = budgets.iter().find_map(|budget| budget.check(plan).err());
    Some(match beyond {
        Some(error) => format!("an excuse: the plan goes beyond what the system is said to tolerate: {error}"),
        None => {
            let kept: Vec<String> = budgets.iter().map(ToString::to_string).collect();
            format!("no excuse: the plan stays within what the system is said to tolerate: {}", kept.join("; "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultId, Hits, Kind, counter, kill, minority};

    const SECOND: Duration = Duration::from_secs(1);

    fn record(id: u32, text: &str, (begun, ended): (u32, u32), hits: u64) -> FaultRecord {
        let mut counted = Hits::new();
        counted.add(counter::PACKETS_DROPPED, hits);
        FaultRecord {
            id: FaultId(id),
            text: text.to_owned(),
            struck: None,
            kind: Kind::IsolateOne,
            family: Kind::IsolateOne.family(),
            begun_at: Some(begun * SECOND),
            ended_at: Some(ended * SECOND),
            hits: counted,
            vacuous: hits == 0,
            must_hit: false,
            refused: None,
        }
    }

    #[test]
    fn faults_that_hit_meanwhile_are_named_and_of_them_those_that_concern() {
        let faults = [
            record(1, "0s +2s isolate-one n1", (0, 2), 3),
            record(2, "4s +2s isolate-one n2", (4, 6), 3),
            record(3, "5s +9s isolate-one n3", (5, 14), 0),
            record(4, "5s +9s isolate-one n4", (5, 14), 1),
        ];
        let at = (6 * SECOND, 7 * SECOND);
        let all = ["f2 4s +2s isolate-one n2 (3 packets dropped)", "f4 5s +9s isolate-one n4 (1 packets dropped)"];
        assert_eq!(meanwhile(&faults, at, |_| false), all, "one that hit nothing touched nothing");
        assert_eq!(meanwhile(&faults, at, |text| text.ends_with("n4")), all[1..]);
        let many: Vec<FaultRecord> = (0..20).map(|id| record(id, "isolate-one n1", (1, 9), 1)).collect();
        let told = meanwhile(&many, at, |_| false);
        assert_eq!((told.len(), told[0].as_str()), (FAULTS_MAX + 1, "12 that began earlier"));
    }

    #[test]
    fn a_plan_beyond_the_budget_is_an_excuse_and_one_within_it_is_none() {
        let budget = [minority(["a", "b", "c"])];
        let plan = |faults: Vec<crate::Fault>| Plan::of(faults).expect("valid");
        let within = excuse(&budget, &plan(vec![kill("a").lasting(SECOND)])).unwrap_or_default();
        assert_eq!(
            within,
            "no excuse: the plan stays within what the system is said to tolerate: at most 1 of 3 nodes (a, b, c) out at once"
        );
        let beyond =
            excuse(&budget, &plan(vec![kill("a").lasting(SECOND), kill("b").lasting(SECOND)])).unwrap_or_default();
        assert!(
            beyond.starts_with("an excuse: ") && beyond.contains("2 of 3 nodes are down or paused (a, b)"),
            "{beyond}"
        );
        assert_eq!(excuse(&[], &plan(Vec::new())), None);
    }

    #[test]
    fn names_are_whole_words() {
        assert!(mentions("n1 lags behind n12", "n12") && mentions("of n1:2380 > n4", "n1"));
        assert!(!mentions("n12 lags", "n1") && !mentions("main1", "n1") && !mentions("n1-b", "n1"));
    }
}
