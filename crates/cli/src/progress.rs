//! Progress of a campaign: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use stormglass_harness::{Campaign, Observer, SeedRecord, Status, Summary};

use crate::render::{self, BAD, DIM, DOUBTFUL, NAME};

/// Least time between two lines where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Shows a campaign while it runs. Everything goes to standard error: standard output is for the result.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    budget: Option<Duration>,
    total: Option<u64>,
    beat: Instant,
    told: usize,
}

/// How many failures are told as they happen; all of them are told at the end.
const TOLD_MAX: usize = 10;

impl Progress {
    pub(crate) fn new() -> Self {
        Progress { bar: None, budget: None, total: None, beat: Instant::now(), told: 0 }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }

    fn message(&self, summary: &Summary) -> String {
        let mut parts = vec![format!("{} seeds", render::count(u128::from(summary.seeds)))];
        if let Some(rate) = summary.seeds_per_second() {
            parts.push(format!("{rate:.0}/s"));
        }
        for (number, word) in [
            (summary.failed, "failed"),
            (summary.unknown, "unknown"),
            (summary.killed, "killed"),
            (summary.nondeterministic, "nondeterministic"),
        ] {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        parts.join(", ")
    }
}

impl Observer for Progress {
    fn begun(&mut self, campaign: &Campaign, summary: &Summary) {
        self.budget = campaign.budget;
        self.total = campaign.seeds.len();
        self.beat = Instant::now();
        let resumed = match summary.seeds {
            0 => String::new(),
            seeds => format!(", {} of them done before", render::count(u128::from(seeds))),
        };
        let what = match (self.total, self.budget) {
            (Some(total), _) => format!("{} seeds", render::count(u128::from(total))),
            (None, Some(budget)) => format!("seeds for {}", humantime::format_duration(budget)),
            (None, None) => "seeds without end".to_owned(),
        };
        let name = &campaign.scenario;
        anstream::eprintln!("{NAME}{name}{NAME:#}: {what} on {} workers{resumed}", campaign.jobs);
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(self.total.or(self.budget.map(|budget| budget.as_secs())).unwrap_or(0));
            if let Ok(style) = ProgressStyle::with_template("{bar:32.cyan/dim} {percent:>3}% {msg} {elapsed:.dim}") {
                bar.set_style(style.progress_chars("━╸─"));
            }
            self.bar = Some(bar);
        }
    }

    fn recorded(&mut self, record: &SeedRecord, _: &Summary) {
        if record.status == Status::Pass || self.told >= TOLD_MAX {
            return;
        }
        self.told += 1;
        let style = if record.status == Status::Unknown { DOUBTFUL } else { BAD };
        let trouble = record.trouble.as_deref();
        let oracle = trouble.map_or("", |trouble| trouble.oracle.as_str());
        let evidence = trouble.and_then(|trouble| trouble.evidence.first()).map_or("", String::as_str);
        self.say(&format!(
            "{style}{}{style:#} seed {} {oracle}: {DIM}{evidence}{DIM:#}",
            record.status.as_str().to_uppercase(),
            record.seed
        ));
        if self.told == TOLD_MAX {
            self.say("further failures are told at the end");
        }
    }

    fn alone(&mut self, seeds: usize) {
        self.say(&format!("{seeds} seeds were stopped by the machine and are tried once more, alone"));
    }

    fn tick(&mut self, summary: &Summary) {
        if let Some(bar) = &self.bar {
            match self.total {
                Some(_) => bar.set_position(summary.seeds),
                None => bar.set_position(summary.wall_ms / 1000),
            }
            bar.set_message(self.message(summary));
        } else if self.beat.elapsed() >= HEARTBEAT {
            self.beat = Instant::now();
            let whole = match self.total {
                Some(total) => format!(" of {}", render::count(u128::from(total))),
                None => String::new(),
            };
            let elapsed = render::seconds(summary.wall_ms as f64 / 1e3);
            anstream::eprintln!("{elapsed}: {}{whole}", self.message(summary));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
