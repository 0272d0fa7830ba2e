//! Why nothing moves, or why what moves gets nowhere: looked at while a run should come to rest, and told when it did not.
//!
//! A look costs what there are tasks, so the first one is taken only when a good part of the time that was given is over.

use std::collections::BTreeMap;
use std::time::Duration;

use stormglass_faults::{FaultRecord, NodeName, Stormy, mentions};
use stormglass_kernel::{self as kernel, NodeId, TaskKey, Wait};
use stormglass_net::Net;

use crate::sim::Sim;

/// As many lines are told of each kind of cause.
const LINES_MAX: usize = 8;
/// A task that ran so often while nothing came of it is told as busy.
const BUSY: u64 = 3;
/// Losses are told that lie at most this far before the first look: who waits may have begun to before.
const LOSSES_BEFORE: Duration = Duration::from_secs(60);

/// What was seen since the first look.
#[derive(Debug)]
pub(crate) struct Standstill {
    first: Duration,
    began: Duration,
    last: Duration,
    tasks: BTreeMap<TaskKey, Seen>,
    polls: BTreeMap<NodeId, u64>,
    packets: u64,
    told: BTreeMap<(NodeName, String), u64>,
}

/// What was seen of one task.
#[derive(Debug)]
struct Seen {
    node: NodeId,
    first_wakes: u64,
    wakes: u64,
    /// When it was first seen where it is now.
    since: Duration,
    wait: Wait,
}

fn packets_sent() -> u64 {
    let sent = |net: &Net| net.totals().segments_sent + net.totals().datagrams_sent;
    kernel::with(|u| u.get::<Net>().map_or(0, |(net, _)| sent(net)))
}

fn polls_by_node() -> BTreeMap<NodeId, u64> {
    kernel::with(|u| u.kernel.nodes().iter().map(|node| (node.id(), node.polls())).collect())
}

impl Standstill {
    /// The first look.
    pub(crate) fn begin(sim: &Sim) -> Self {
        let now = sim.now();
        let told = sim.shared.state.lock().heard_of.clone();
        let mut all = Self {
            first: now,
            began: now,
            last: now,
            tasks: BTreeMap::new(),
            polls: polls_by_node(),
            packets: packets_sent(),
            told,
        };
        all.look(sim);
        all
    }

    /// What happened so far is as it should be: only from here on is it told. Who has not run since the first look is known.
    pub(crate) fn begin_again(&mut self, sim: &Sim) {
        self.look(sim);
        self.began = self.last;
        self.polls = polls_by_node();
        self.packets = packets_sent();
        self.told = sim.shared.state.lock().heard_of.clone();
        self.tasks.values_mut().for_each(|seen| seen.first_wakes = seen.wakes);
    }

    /// One more look: a task that has run since the last one waits since now.
    pub(crate) fn look(&mut self, sim: &Sim) {
        let now = sim.now();
        let tasks = &mut self.tasks;
        kernel::with(|u| {
            for sight in u.sights().filter(|sight| sight.node != NodeId::DRIVER) {
                let new = Seen {
                    node: sight.node,
                    first_wakes: sight.wakes,
                    wakes: sight.wakes,
                    since: now,
                    wait: sight.wait,
                };
                let seen = tasks.entry(sight.task).or_insert(new);
                if seen.wakes != sight.wakes {
                    (seen.wakes, seen.since, seen.wait) = (sight.wakes, now, sight.wait);
                }
            }
        });
        self.last = now;
    }

    /// What is to be said of it, given what is still pending: `pending` names the nodes that matter most.
    pub(crate) fn explain(mut self, sim: &Sim, pending: &[String]) -> Vec<String> {
        self.look(sim);
        let names: BTreeMap<NodeId, String> =
            kernel::with(|u| u.kernel.nodes().iter().map(|node| (node.id(), node.name().to_string())).collect());
        let mentioned: Vec<&String> =
            names.values().filter(|name| pending.iter().any(|reason| mentions(reason, name))).collect();
        let matters = |line: &str| mentioned.iter().any(|name| mentions(line, name));
        let mut lines = vec![self.summary(&names)];
        lines.extend(self.repeated(sim));
        lines.extend(first(self.waiting(&names), matters));
        lines.extend(first(self.busy(&names), matters));
        lines.extend(first(self.losses(&names), matters));
        lines.extend(in_effect(&sim.records()));
        lines
    }

    fn summary(&self, names: &BTreeMap<NodeId, String>) -> String {
        let since = self.last.saturating_sub(self.began);
        let ran: BTreeMap<&str, u64> = polls_by_node()
            .into_iter()
            .filter(|(node, _)| *node != NodeId::DRIVER)
            .map(|(node, polls)| (names[&node].as_str(), polls - self.polls.get(&node).copied().unwrap_or(0)))
            .collect();
        let packets = packets_sent() - self.packets;
        let shares: Vec<String> = ran.iter().map(|(name, polls)| format!("{name} {polls}")).collect();
        let what = if ran.values().all(|polls| *polls == 0) { "a hang: nobody ran" } else { "polls" };
        format!("{what} in the last {}: {}; {packets} packets sent", seconds(since), shares.join(", "))
    }

    /// What nodes have told of more than once.
    fn repeated(&self, sim: &Sim) -> Option<String> {
        let told = sim.shared.state.lock().heard_of.clone();
        let again: Vec<String> = told
            .into_iter()
            .map(|(what, times)| (times - self.told.get(&what).copied().unwrap_or(0), what))
            .filter(|(times, _)| *times >= 2)
            .map(|(times, (node, name))| format!("{node} {name} {times} times"))
            .collect();
        (!again.is_empty()).then(|| format!("a livelock: the same happens again and again: {}", again.join(", ")))
    }

    /// Who waits since long for something that has to come from elsewhere.
    fn waiting(&self, names: &BTreeMap<NodeId, String>) -> Vec<String> {
        let long = self.last.saturating_sub(self.began) / 2;
        let by_name: BTreeMap<String, &Seen> = self.tasks.iter().map(|(key, seen)| (key.to_string(), seen)).collect();
        let mut lines = Vec::new();
        for &node in names.keys().filter(|node| **node != NodeId::DRIVER) {
            let waiting = kernel::with(|u| u.waiting_of(node));
            for task in waiting {
                let Some(seen) = by_name.get(&task.task) else { continue };
                if self.last.saturating_sub(seen.since) < long || !is_telling(&seen.wait) {
                    continue;
                }
                let before = if seen.since == self.first { "before " } else { "" };
                lines.push(format!("{task}, since {before}{}", seconds(seen.since)));
            }
        }
        lines
    }

    /// Who is busy, and comes back to the same wait.
    fn busy(&self, names: &BTreeMap<NodeId, String>) -> Vec<String> {
        let mut busy: Vec<(u64, &TaskKey, &Seen)> = self
            .tasks
            .iter()
            .map(|(key, seen)| (seen.wakes - seen.first_wakes, key, seen))
            .filter(|(times, ..)| *times >= BUSY)
            .collect();
        busy.sort_by_key(|(times, key, _)| (std::cmp::Reverse(*times), **key));
        let over = self.last.saturating_sub(self.began);
        let told = busy.into_iter().take(LINES_MAX).filter_map(|(times, key, seen)| {
            let waiting = kernel::with(|u| u.waiting_of(seen.node));
            let task = waiting.into_iter().find(|task| task.task == key.to_string())?;
            let every = over / u32::try_from(times).unwrap_or(u32::MAX).max(1);
            let name = &names[&seen.node];
            Some(format!(
                "{name}: the task spawned at {} ran {times} times, about every {}",
                task.spawned_at,
                seconds(every)
            ))
        });
        told.collect()
    }

    fn losses(&self, names: &BTreeMap<NodeId, String>) -> Vec<String> {
        let from = self.first.saturating_sub(LOSSES_BEFORE);
        let name = |(node, port): (NodeId, u16)| format!("{}:{port}", names.get(&node).map_or("?", String::as_str));
        // The same loss again and again is one line. The latest come first.
        let mut lines: Vec<(String, u32, Duration)> = Vec::new();
        kernel::with(|u| {
            let Some((net, _)) = u.get::<Net>() else { return };
            for loss in net.losses().rev().take_while(|loss| loss.at.since_start() >= from) {
                let text = format!("{} > {}: {}", name(loss.from), name(loss.to), loss.what);
                match lines.iter_mut().find(|(known, ..)| *known == text) {
                    Some((_, times, _)) => *times += 1,
                    None => lines.push((text, 1, loss.at.since_start())),
                }
            }
        });
        let told = lines.into_iter().map(|(text, times, last)| match times {
            1 => format!("lost for good at {}: {text}", seconds(last)),
            _ => format!("lost for good {times} times, at last at {}: {text}", seconds(last)),
        });
        told.collect()
    }
}

/// Whether this wait may be why something else does not come: who waits to be called, or for the time, is no cause.
fn is_telling(wait: &Wait) -> bool {
    match wait {
        Wait::Resource { what, .. } => !what.ends_with("accept"),
        Wait::Program | Wait::Lock | Wait::Thread => true,
        Wait::Timer { .. } | Wait::Signal => false,
    }
}

/// Faults that nobody has ended.
fn in_effect(faults: &[FaultRecord]) -> Vec<String> {
    let on = faults.iter().filter(|fault| fault.begun_at.is_some() && fault.ended_at.is_none());
    let told = on.map(|fault| format!("still in effect: {} {} ({})", fault.id, fault.text, fault.hits));
    told.take(LINES_MAX).collect()
}

/// The lines that matter first, and as many as are told.
fn first(lines: Vec<String>, matters: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    let (most, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| matters(line));
    most.into_iter().chain(others).take(LINES_MAX)
}

/// A time of the run, or a span, for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
