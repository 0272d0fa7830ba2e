//! What a run is asked to do: everything besides the binary that a run is a function of, and the limits it lives under.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use stormglass_faults::{FaultId, Plan};

use crate::{Refusal, Seed};

/// One run of one scenario. A run is a pure function of the binary and of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The seed of every decision.
    #[bincode(with_serde)]
    pub seed: Seed,
    /// Decisions pinned by key, each `KEY=VALUE`, as `--set` takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Ids of faults to leave out of the plan, as `--drop` takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// A fault plan as text, in place of the one drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Stop at this virtual time, counted from the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Duration>,
    /// Named parameters of the run, for instance `planted=M02` or `profile=storm`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// A log filter in the syntax of `RUST_LOG`. `None` runs quietly, without formatting a single line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
    /// Where to write the binary trace of the run, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_to: Option<PathBuf>,
    /// Trap what reaches the machine past libc: system calls that a program makes itself, and the processor's clock.
    /// Determinism checks ask for it; a run without such leaks is the same with it and without.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub traps: bool,
    /// The limits of the run.
    pub limits: Limits,
}

impl RunRequest {
    /// The plain run of `seed`: no overrides, no logs, no trace.
    pub fn new(seed: Seed, limits: Limits) -> Self {
        RunRequest {
            seed,
            overrides: Vec::new(),
            drop: Vec::new(),
            plan: None,
            until: None,
            params: BTreeMap::new(),
            logs: None,
            trace_to: None,
            traps: false,
            limits,
        }
    }
}

impl RunRequest {
    /// The plan that this run carries out: the request's own in place of the one `drawn`, without the faults that it drops.
    ///
    /// # Errors
    /// A [`Refusal`] where the request's plan cannot be read, or has no fault that is to be dropped.
    pub fn plan_for(&self, drawn: Plan) -> Result<Plan, Refusal> {
        let mut plan = match &self.plan {
            Some(text) => text.parse::<Plan>().map_err(|error| Refusal {
                what: format!("the plan cannot be read: {error}"),
                hint: "mend the line it names".to_owned(),
            })?,
            None => drawn,
        };
        for id in &self.drop {
            match id.parse::<FaultId>() {
                Ok(id) if plan.get(id).is_some() => plan = plan.without(id),
                _ => {
                    return Err(Refusal {
                        what: format!("no fault `{id}` in the plan"),
                        hint: "`run` prints the plan with its ids".to_owned(),
                    });
                }
            }
        }
        Ok(plan)
    }
}

/// The limits of one run. "Put a limit on everything": each of them ends a run that would otherwise never end.
///
/// The first five are part of the simulation, or of the code on trial, and give verdicts. The last two depend on the
/// machine: they give [`Verdict::Unknown`](crate::Verdict::Unknown), after a second try alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Virtual time of the whole run.
    pub virtual_time: Duration,
    /// Events taken from the event queue.
    pub events: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Events at one virtual instant: past this the run makes no progress in time.
    pub events_per_instant: u64,
    /// CPU time within a single poll of a task.
    pub poll_cpu: Duration,
    /// Wall-clock time of the whole run.
    pub wall: Duration,
    /// Memory the run may map on top of what the worker holds, in bytes.
    pub memory_bytes: u64,
}

impl Limits {
    /// The defaults of a scenario that states nothing but its virtual time.
    pub const fn for_virtual_time(virtual_time: Duration) -> Self {
        Limits {
            virtual_time,
            events: 200_000_000,
            polls: 200_000_000,
            events_per_instant: 1_000_000,
            poll_cpu: Duration::from_secs(2),
            wall: Duration::from_secs(120),
            memory_bytes: 4 << 30,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::for_virtual_time(Duration::from_secs(60))
    }
}
