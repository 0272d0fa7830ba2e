//! The end of a campaign: what it came to, and every failure once more.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::json;
use stormglass_harness::{
    Asked, Campaign, CommandHints, Ended, FailureBlock, Outcome, Seed, SeedRecord, Status, Summary,
};

use crate::{
    fleet::Member,
    render::{self, BAD, DIM, DOUBTFUL, GOOD, LABEL, NAME, count, mebibytes, seconds},
};

/// How many failures get a whole block: the first seed of each distinct failure comes before any repetition.
const BLOCKS_MAX: usize = 10;
/// How many further seeds get a line.
const LINES_MAX: usize = 20;

/// The whole text, ending with a newline.
pub(crate) fn text(campaign: &Campaign, outcome: &Outcome, member: &Member) -> String {
    let mut out = String::new();
    failures(&mut out, campaign, outcome, &member.binary.hints);
    sums(&mut out, campaign, outcome);
    out
}

fn failures(out: &mut String, campaign: &Campaign, outcome: &Outcome, hints: &CommandHints) {
    let firsts: BTreeSet<Seed> = outcome.summary.failures.values().map(|group| group.first).collect();
    let (whole, rest): (Vec<&SeedRecord>, Vec<&SeedRecord>) =
        outcome.troubles.iter().partition(|record| firsts.contains(&record.seed));
    let (blocks, more) = whole.split_at(whole.len().min(BLOCKS_MAX));
    for record in blocks {
        let asked = Asked { overrides: &[], drop: &[], params: &campaign.params };
        let block = FailureBlock { scenario: &campaign.scenario, record, asked, hints };
        let _ = writeln!(out, "{}", block.render(&render::block_styles(record.status)));
    }
    let mut others: Vec<&SeedRecord> = more.iter().chain(&rest).copied().collect();
    others.sort_by_key(|record| record.seed);
    for record in others.iter().take(LINES_MAX) {
        let style = render::of_status(record.status);
        let trouble = record.trouble.as_deref();
        let evidence = trouble.and_then(|trouble| trouble.evidence.first()).map_or("", String::as_str);
        let oracle = trouble.map_or("", |trouble| trouble.oracle.as_str());
        let word = record.status.as_str().to_uppercase();
        let _ = writeln!(out, "{style}{word}{style:#} seed {} {oracle}: {DIM}{evidence}{DIM:#}", record.seed);
    }
    let summary = &outcome.summary;
    let troubled = summary.failed + summary.unknown + summary.killed + summary.nondeterministic;
    let shown = (blocks.len() + others.len().min(LINES_MAX)) as u64;
    if troubled > shown {
        let _ = writeln!(out, "… and {} more in {}", count(u128::from(troubled - shown)), campaign.folder.display());
    }
    if !others.is_empty() {
        out.push('\n');
    }
}

fn sums(out: &mut String, campaign: &Campaign, outcome: &Outcome) {
    let summary = &outcome.summary;
    let _ = writeln!(out, "{NAME}{}{NAME:#} {}", campaign.scenario, verdicts(summary));
    let mut row = |label: &str, text: String| {
        let _ = writeln!(out, "  {LABEL}{label:<11}{LABEL:#}{text}");
    };
    if let Some(missing) = summary.missing.filter(|missing| *missing > 0) {
        row("missing", format!("{DOUBTFUL}{} seeds{DOUBTFUL:#} have not run", count(u128::from(missing))));
    }
    match outcome.ended {
        Ended::Done => {}
        Ended::BudgetSpent => row("stopped", "the budget is spent; a larger --budget goes on from here".to_owned()),
        Ended::EnoughFailures => row("stopped", "as many seeds failed as were wanted".to_owned()),
        Ended::Interrupted => row("stopped", "interrupted".to_owned()),
    }
    let mut speed = Vec::new();
    speed.extend(summary.seeds_per_second().map(|rate| format!("{rate:.1} seeds/s")));
    speed.extend(summary.seeds_per_core_hour().map(|rate| format!("{} seeds per core-hour", count(rate as u128))));
    speed.extend(summary.speedup().map(|times| format!("{times:.0} virtual s per CPU s")));
    row("speed", speed.join(", "));
    if let Some(cpu) = summary.cpu_seconds() {
        let each = [("mean", cpu.mean), ("p50", cpu.p50), ("p99", cpu.p99), ("max", cpu.max)];
        let each: Vec<String> = each.iter().map(|(name, value)| format!("{name} {}", seconds(*value))).collect();
        row("CPU a seed", each.join(", "));
    }
    let totals = [(summary.virtual_ns, "of virtual time"), (summary.cpu_ns, "of CPU")];
    let mut totals: Vec<String> =
        totals.iter().map(|(ns, what)| format!("{} {what}", seconds(*ns as f64 / 1e9))).collect();
    totals.push(format!("{} of wall time", seconds(summary.wall_ms as f64 / 1e3)));
    row("in all", totals.join(", "));
    if let Some(memory) = summary.memory() {
        let (max, early, late) = (mebibytes(memory.max), mebibytes(memory.early), mebibytes(memory.late));
        row("memory", format!("max {max}; median {early} over the first tenth of seeds, {late} over the last"));
    }
    let counters: Vec<String> =
        summary.counters.iter().map(|(name, value)| format!("{} {name}", count(u128::from(*value)))).collect();
    if !counters.is_empty() {
        row("counted", counters.join(", "));
    }
    let (refused, carried_out): (Vec<_>, Vec<_>) = summary.faults.iter().partition(|(_, tally)| tally.is_refused());
    for (index, (kind, tally)) in carried_out.into_iter().enumerate() {
        let mut text = format!(
            "{kind}: {} of {} hit, {} hits",
            count(u128::from(tally.hit)),
            count(u128::from(tally.planned)),
            count(u128::from(tally.hits))
        );
        if tally.vacuous > 0 {
            let vacuous = count(u128::from(tally.vacuous));
            let _ = write!(text, ", {DOUBTFUL}{vacuous} vacuous{DOUBTFUL:#}");
        }
        if tally.refused > 0 {
            let _ = write!(text, ", {} refused", count(u128::from(tally.refused)));
        }
        row(if index == 0 { "faults" } else { "" }, text);
    }
    if !refused.is_empty() {
        let kinds: Vec<String> =
            refused.iter().map(|(kind, tally)| format!("{kind} ({})", count(u128::from(tally.planned)))).collect();
        row("refused", format!("{DOUBTFUL}none of{DOUBTFUL:#} {}", kinds.join(", ")));
    }
    if !summary.families.is_empty() {
        row("families", tally_line(&summary.families));
    }
    let never: Vec<&str> =
        summary.sometimes.iter().filter(|(_, met)| **met == 0).map(|(property, _)| property.as_str()).collect();
    if !summary.sometimes.is_empty() {
        let met = summary.sometimes.len() - never.len();
        row("sometimes", format!("{met} of {} properties were met", summary.sometimes.len()));
    }
    let demanded = summary.never_met().next().is_some();
    for property in never {
        let style = if demanded { BAD } else { DOUBTFUL };
        row("", format!("{style}never:{style:#} {property}"));
    }
    for (index, (property, (closest, seed))) in summary.closest.iter().enumerate() {
        row(if index == 0 { "closest" } else { "" }, format!("{property}: {} at seed {seed}", closest.margin));
    }
    if !summary.features.is_empty() {
        row("features", tally_line(&summary.features));
    }
    let kinds = summary.kinds().count();
    if kinds > 1 {
        let apart = summary.pairs_not_hit();
        let all = kinds * (kinds - 1) / 2;
        let few: Vec<String> = apart.iter().take(5).map(|pair| format!("{} + {}", pair.0, pair.1)).collect();
        let rest = if few.is_empty() { String::new() } else { format!("; never together: {}", few.join(", ")) };
        let more =
            if apart.len() > few.len() { format!(" and {} more", apart.len() - few.len()) } else { String::new() };
        row("pairs", format!("{} of {all} pairs of kinds hit in one seed{rest}{more}", all - apart.len()));
    }
    if !summary.limits_hit.is_empty() {
        row("limits hit", tally_line(&summary.limits_hit));
    }
    if summary.retried > 0 {
        row("retried", format!("{} seeds, alone", summary.retried));
    }
    for (index, (key, group)) in summary.failures.iter().enumerate() {
        let style = render::of_status(group.status);
        let text = format!(
            "{style}{}{style:#} {DIM}{}{DIM:#}: {} seeds, first {}",
            key.oracle,
            key.cause,
            count(u128::from(group.seeds)),
            group.first
        );
        row(if index == 0 { "distinct" } else { "" }, text);
    }
    row("ledger", campaign.folder.display().to_string());
}

fn tally_line(tallies: &std::collections::BTreeMap<String, u64>) -> String {
    tallies
        .iter()
        .map(|(name, seeds)| format!("{name} in {}", count(u128::from(*seeds))))
        .collect::<Vec<_>>()
        .join(", ")
}

fn verdicts(summary: &Summary) -> String {
    let mut text = format!("{} seeds", count(u128::from(summary.seeds)));
    for (number, word, status) in [
        (summary.passed, "passed", Status::Pass),
        (summary.failed, "failed", Status::Fail),
        (summary.unknown, "unknown", Status::Unknown),
        (summary.killed, "killed from outside", Status::Killed),
        (summary.nondeterministic, "nondeterministic", Status::Nondeterministic),
    ] {
        if number > 0 {
            let style = match status {
                Status::Pass => GOOD,
                Status::Unknown | Status::Killed => DOUBTFUL,
                Status::Fail | Status::Nondeterministic => BAD,
            };
            let _ = write!(text, ", {style}{} {word}{style:#}", count(u128::from(number)));
        }
    }
    text
}

/// The summary for programs.
pub(crate) fn json(campaign: &Campaign, outcome: &Outcome) -> serde_json::Value {
    let summary = &outcome.summary;
    json!({
        "summary": summary,
        "exit": outcome.exit().code(),
        "seeds": campaign.seeds,
        "params": campaign.params,
        "seeds_per_second": summary.seeds_per_second(),
        "seeds_per_core_hour": summary.seeds_per_core_hour(),
        "virtual_per_cpu": summary.speedup(),
        "cpu_s_per_seed": summary.cpu_seconds(),
        "memory_bytes": summary.memory(),
        "interrupted": outcome.ended == Ended::Interrupted,
        "troubles": outcome.troubles,
        "ledger": campaign.folder,
    })
}
