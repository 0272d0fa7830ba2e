//! A history as a picture: operations as bars over time, a row per client, in one HTML file that needs nothing else.
//! What is drawn is drawn on a canvas and only where it is looked at, so that ten thousand operations are no burden.

use crate::history::{Clock, History, Operation, Outcome};
use crate::linear::Certificate;
use crate::verdict::Verdict;
use serde::Serialize;
use std::collections::BTreeMap;

/// The page, with a hole where the data goes.
const PAGE: &str = include_str!("picture.html");
const HOLE: &str = "/*DATA*/null";

#[derive(Serialize)]
struct Drawing<'a> {
    title: &'a str,
    verdict: String,
    clock: &'static str,
    clients: Vec<String>,
    bars: Vec<Bar>,
    /// Ids in the order found: all of them of a pass, as far as it got of a failure.
    order: Vec<u32>,
    /// Ids of the evidence, and of the one that fits nowhere.
    evidence: Vec<u32>,
    misfit: Option<u32>,
}

#[derive(Serialize)]
struct Bar {
    client: usize,
    call: u64,
    /// `null` if it may come at any later time.
    end: Option<u64>,
    kind: &'static str,
    text: String,
}

/// The history as an HTML file. `describe` puts an operation and its answer into words.
pub(crate) fn draw<O, R>(
    title: &str,
    history: &History<O, R>,
    verdict: &Verdict,
    certificate: Option<&Certificate>,
    describe: impl Fn(&O, Option<&R>) -> String,
) -> String {
    let mut clients = BTreeMap::new();
    for operation in history.operations() {
        clients.insert(&operation.process, 0);
    }
    let names: Vec<String> = clients.keys().map(ToString::to_string).collect();
    clients.values_mut().enumerate().for_each(|(at, row)| *row = at);
    let bar = |operation: &Operation<O, R>| {
        let (kind, end) = match operation.outcome {
            Outcome::Ok(_) => ("ok", operation.returned),
            Outcome::Fail => ("fail", operation.returned),
            Outcome::Indeterminate => ("info", None),
        };
        let text = describe(&operation.op, operation.outcome.answer());
        Bar { client: clients[&operation.process], call: operation.call, end, kind, text }
    };
    let evidence = verdict.evidence();
    let dead_end = evidence.and_then(|evidence| evidence.dead_end.as_deref());
    let drawing = Drawing {
        title,
        verdict: verdict.to_string(),
        clock: match history.clock() {
            Clock::Nanoseconds => "ns",
            Clock::Lines => "line",
            Clock::Events => "event",
        },
        clients: names,
        bars: history.operations().iter().map(bar).collect(),
        order: match (certificate, dead_end) {
            (Some(certificate), _) => certificate.orders.iter().flatten().map(|id| id.0).collect(),
            (None, Some(dead_end)) => dead_end.order.clone(),
            (None, None) => Vec::new(),
        },
        evidence: evidence
            .map_or_else(Vec::new, |evidence| evidence.operations.iter().map(|op| op.operation).collect()),
        misfit: dead_end.and_then(|dead_end| dead_end.misfit),
    };
    // Within a script nothing may look like its end.
    let data = serde_json::to_string(&drawing).unwrap_or_else(|_| "null".to_owned()).replace('<', "\\u003c");
    PAGE.replacen(HOLE, &data, 1)
}
