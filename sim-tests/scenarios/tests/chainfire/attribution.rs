//! What the disks did to what a node took for its state when it started, so that a violation names its cause.

use std::collections::BTreeMap;
use std::path::Path;

use chainfire::probe::Probe;
use chainfire::raft::Replayed;
use stormglass::NodeHandle;
use stormglass::check::Evidence;
use stormglass::disk::Injury;
use stormglass::prelude::*;

/// As many lines are told of one node: enough to see a cause.
const LINES_MAX: usize = 6;

/// By node, what is remarkable about its last start.
#[derive(Debug, Default)]
pub(crate) struct Attribution {
    /// The nodes, in order of their ids.
    pub(crate) nodes: Vec<NodeHandle>,
    /// When each last started, in nanoseconds: older injuries were dealt with then.
    started: BTreeMap<u64, u64>,
    notes: BTreeMap<u64, Vec<String>>,
}

impl Attribution {
    /// One probe of one node: looks at what it says of its disk.
    pub(crate) fn observe(&mut self, sim: &Sim, node: u64, at_ns: u64, probe: &Probe) {
        match probe {
            Probe::Replayed { records } => {
                let injuries = self.since_last_start(sim, node);
                let state = injuries.iter().filter(|injury| is_state(&injury.path)).map(|injury| {
                    let path = injury.path.display();
                    format!("n{node} started with {path} as the disk left it: {injury}")
                });
                let torn = records.iter().flat_map(|record| {
                    let harmed = injuries.iter().filter(move |injury| touches(injury, record));
                    harmed.map(move |injury| accepted(node, record, injury))
                });
                self.notes.insert(node, state.chain(torn).take(LINES_MAX).collect());
            }
            Probe::Started { .. } => {
                self.started.insert(node, at_ns);
            }
            _ => {}
        }
    }

    /// Adds to a violation that one node showed what its disk had done to it.
    pub(crate) fn of_node(&self, node: u64, evidence: Evidence) -> Evidence {
        let notes = self.notes.get(&node).into_iter().flatten();
        notes.fold(evidence, |evidence, note| evidence.detail(note.clone()))
    }

    /// Adds to a violation of the whole cluster what the disks of all its nodes had done.
    pub(crate) fn of_all(&self, evidence: Evidence) -> Evidence {
        self.notes.keys().fold(evidence, |evidence, &node| self.of_node(node, evidence))
    }

    /// A node does not start, for what it found at a place of its disk: what happened there.
    pub(crate) fn refusal(&self, sim: &Sim, node: u64, path: &Path, error: &str) -> Evidence {
        let evidence = Evidence::new("recovery", format!("n{node} does not start again: {error}"));
        let injuries = self.since_last_start(sim, node).into_iter().filter(|injury| injury.path == path);
        let lines: Vec<String> = injuries.map(|injury| injury.to_string()).collect();
        let newest = lines.len().saturating_sub(LINES_MAX);
        lines.into_iter().skip(newest).fold(evidence, Evidence::detail)
    }

    fn since_last_start(&self, sim: &Sim, node: u64) -> Vec<Injury> {
        let since = self.started.get(&node).copied().unwrap_or(0);
        let Some(handle) = self.nodes.get(node as usize - 1) else { return Vec::new() };
        let new = |injury: &&Injury| injury.at.as_nanos() >= since;
        sim.disks(|disk| disk.injuries(handle.id()).iter().filter(new).cloned().collect())
    }
}

/// Files that are read whole when a node starts.
fn is_state(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "hard-state" || name.ends_with(".snap")
}

fn touches(injury: &Injury, record: &Replayed) -> bool {
    let overlap = injury.offset < record.offset + record.length && record.offset < injury.offset + injury.len;
    injury.path == *record.path && overlap
}

fn accepted(node: u64, record: &Replayed, injury: &Injury) -> String {
    let Replayed { path, offset, length } = record;
    format!("n{node} took bytes {offset}..{} of {} for a record, but {injury}", offset + length, path.display())
}
