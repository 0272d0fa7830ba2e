//! Scenarios: what the attribute macro registers, how they are collected at link time, and how a name is looked up.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Limits, Refusal, RunRecord, RunRequest};

/// Every scenario linked into this binary. Filled at link time by [`register!`](crate::register).
#[linkme::distributed_slice]
pub static SCENARIOS: [ScenarioDef];

/// The lines of a rendered trace, in order. An error ends it.
pub type TraceLines = Box<dyn Iterator<Item = Result<String, TraceError>>>;

/// Why a trace could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct TraceError {
    /// The trace file.
    pub path: String,
    /// What is wrong with it, with the offset where that is known.
    pub what: String,
}

/// A scenario as it is registered: a static, made by the attribute macro.
#[derive(Debug)]
pub struct ScenarioDef {
    /// Its name, unique in a binary.
    pub name: &'static str,
    /// Its documentation; the first line is what `list` shows.
    pub doc: &'static str,
    /// The source file it is in.
    pub file: &'static str,
    /// The line in that file.
    pub line: u32,
    /// What it runs with unless told otherwise.
    pub defaults: Defaults,
    /// Free words for selection.
    pub tags: &'static [&'static str],
    /// Does what runs would else each do for the first time in their process, such as finding out what the processor can
    /// do, which costs a tenth of a millisecond in a virtual machine. Called once in a worker before its first case, on a
    /// thread that no case runs on; what it leaves must be the same in every worker.
    pub prepare: fn(),
    /// Runs it once, on the calling thread.
    ///
    /// The harness calls this in a process (or thread) that exists for this one run and has already applied the limits
    /// that belong to the machine (`wall`, `memory_bytes`). The runner applies all others, `poll_cpu` by means of
    /// [`watch_polls`](crate::watch_polls).
    ///
    /// # Errors
    ///
    /// A [`Refusal`] where the request asks for something that this scenario or this build does not have.
    pub run: fn(&RunRequest) -> Result<RunRecord, Refusal>,
    /// Renders a trace that `run` wrote, one line per event. Determinism checks compare these lines.
    pub render_trace: fn(&Path) -> Result<TraceLines, TraceError>,
}

/// What a scenario states in its attribute.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The virtual time it may take.
    pub virtual_time: Duration,
    /// The fault families it can ask for; empty for a scenario in a perfect world.
    pub families: &'static [&'static str],
    /// The workload features it can switch on.
    pub features: &'static [&'static str],
    /// The profiles it knows.
    pub profiles: &'static [&'static str],
    /// The modules whose properties (`sometimes!`, `reachable!`, `always!`) it is to meet; all that are linked in, if empty.
    pub properties: &'static [&'static str],
    /// After how many seeds a campaign fails that never met one of them; `None` where that is only told.
    pub sometimes_within: Option<u64>,
}

impl Defaults {
    /// One virtual minute and nothing else: what an attribute without arguments means.
    pub const NONE: Defaults = Defaults {
        virtual_time: Duration::from_secs(60),
        families: &[],
        features: &[],
        profiles: &[],
        properties: &[],
        sometimes_within: None,
    };
}

/// A scenario as other processes know it: what a worker answers when asked for its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioInfo {
    /// Its name.
    pub name: String,
    /// Its documentation.
    pub doc: String,
    /// The source file it is in.
    pub file: String,
    /// The line in that file.
    pub line: u32,
    /// Fault families it can ask for.
    pub families: Vec<String>,
    /// Workload features.
    pub features: Vec<String>,
    /// Profiles.
    pub profiles: Vec<String>,
    /// After how many seeds a campaign fails that never met one of the product's properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sometimes_within: Option<u64>,
    /// Free words for selection.
    pub tags: Vec<String>,
    /// The limits it runs under unless told otherwise.
    pub limits: Limits,
}

impl ScenarioInfo {
    /// The first line of the documentation, for a listing.
    pub fn summary(&self) -> &str {
        self.doc.trim().lines().next().unwrap_or("").trim()
    }
}

impl From<&ScenarioDef> for ScenarioInfo {
    fn from(def: &ScenarioDef) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ScenarioInfo {
            name: def.name.to_owned(),
            doc: def.doc.to_owned(),
            file: def.file.to_owned(),
            line: def.line,
            families: owned(def.defaults.families),
            features: owned(def.defaults.features),
            profiles: owned(def.defaults.profiles),
            sometimes_within: def.defaults.sometimes_within,
            tags: owned(def.tags),
            limits: Limits::for_virtual_time(def.defaults.virtual_time),
        }
    }
}

/// The scenarios of a binary cannot be told apart.
#[derive(Debug, thiserror::Error)]
#[error(
    "two scenarios are named `{name}`: at {first} and at {second}; rename one, since seeds files and ledgers go by name"
)]
pub struct DuplicateScenario {
    /// The name they share.
    pub name: String,
    /// Where the first is.
    pub first: String,
    /// Where the second is.
    pub second: String,
}

/// The scenarios of a binary, by name.
pub(crate) type Scenarios = BTreeMap<&'static str, &'static ScenarioDef>;

/// This binary's scenarios by name. Link order is arbitrary, so this is the only order anyone sees.
///
/// # Errors
///
/// [`DuplicateScenario`] where a name occurs twice.
pub fn registered() -> Result<BTreeMap<&'static str, &'static ScenarioDef>, DuplicateScenario> {
    let mut by_name: BTreeMap<&'static str, &'static ScenarioDef> = BTreeMap::new();
    for def in SCENARIOS.iter() {
        if let Some(first) = by_name.insert(def.name, def) {
            let place = |def: &ScenarioDef| format!("{}:{}", def.file, def.line);
            let mut places = [place(first), place(def)];
            places.sort();
            let [first, second] = places;
            return Err(DuplicateScenario { name: def.name.to_owned(), first, second });
        }
    }
    Ok(by_name)
}

/// Up to three of `known` that are close to `wanted`, closest first: what an error about an unknown name suggests.
pub fn suggestions<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(wanted, name);
            let close = distance <= wanted.len().max(name.len()) / 3;
            let within = wanted.len() >= 3 && (name.contains(wanted) || wanted.contains(name));
            (close || within).then_some((if within { distance.min(1) } else { distance }, name))
        })
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// Registers a [`ScenarioDef`] with this binary: `register!(MY_SCENARIO = ScenarioDef { … });`.
///
/// The attribute macro expands to this; a scenario written without the macro uses it directly.
#[macro_export]
macro_rules! register {
    ($name:ident = $def:expr) => {
        #[$crate::linkme::distributed_slice($crate::SCENARIOS)]
        #[linkme(crate = $crate::linkme)]
        static $name: $crate::ScenarioDef = $def;
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_first() {
        let known = ["kv_is_linearizable", "kv_survives_crash", "wal_recovers"];
        assert_eq!(suggestions("kv_is_linearisable", known), ["kv_is_linearizable"]);
        assert_eq!(suggestions("wal", known), ["wal_recovers"]);
        assert!(suggestions("unrelated", known).is_empty());
    }
}
