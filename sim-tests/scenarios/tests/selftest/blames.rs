//! A failure tells which faults were on while it came about, and whether what is said to be tolerated excuses it.

use stormglass::faults::counter;
use stormglass::harness::Status;
use stormglass::prelude::*;

use crate::judging::{checks, evidence, report};

checks!(
    a_failure_within_the_budget_has_no_excuse_and_names_what_was_on,
    a_plan_beyond_the_budget_is_an_excuse,
    a_failure_without_faults_blames_none,
);

/// Three nodes under faults, and an oracle that is violated at 20 s, whatever happens.
#[stormglass::scenario(tags("selftest"))]
async fn fails_at_noon(sim: Sim) {
    let nodes = sim.nodes("n", 3, |_| async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        #[allow(unreachable_code, reason = "gives the block its type")]
        Ok::<(), std::io::Error>(())
    });
    let names: Vec<NodeName> = nodes.iter().map(|node| node.name().clone()).collect();
    let end = Duration::from_secs(30);
    sim.storm(swarm().process().sparing(minority(names)).between(Duration::ZERO, end));
    sim.sleep(Duration::from_secs(20)).await;
    sim.violation(Evidence::new("noon", "n2 says that it is noon"));
}

fn of_plan(plan: &str) -> String {
    let told = report("fails_at_noon", |request| request.plan = Some(plan.to_owned()));
    assert_eq!((told.status, told.record.oracle.as_str()), (Status::Fail, "noon"), "{}", evidence(&told));
    evidence(&told)
}

fn a_failure_within_the_budget_has_no_excuse_and_names_what_was_on() {
    let text = of_plan("f1 1s +2s crash n2\nf2 18s +5s pause n2\nf3 17s +5s slow n3 factor=4\n");
    assert!(
        text.contains("no excuse: the plan stays within what the system is said to tolerate: at most 1 of 3"),
        "{text}"
    );
    assert!(
        text.contains("faults that were on from 15.000 s to 20.000 s and hit:\n  f2 18.000s +5s pause n2 ("),
        "{text}"
    );
    assert!(text.contains(counter::TASKS_PAUSED), "{text}");
    assert!(!text.contains("f1 ") && !text.contains("f3 "), "not what was over, and not another node's: {text}");
}

fn a_plan_beyond_the_budget_is_an_excuse() {
    let text = of_plan("f1 16s +9s crash n1\nf2 17s +5s crash n3\n");
    let excuse = "an excuse: the plan goes beyond what the system is said to tolerate: at 17s, 2 of 3 nodes are down";
    assert!(text.contains(excuse), "{text}");
    assert!(
        text.contains("\n  f1 16.000s +9s crash n1 ("),
        "of the node that is named none was on, so all are told: {text}"
    );
}

fn a_failure_without_faults_blames_none() {
    let text = of_plan("# nothing\n");
    assert!(text.contains("no excuse") && !text.contains("faults that were on"), "{text}");
}
