//! `list`: what there is to run.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::json;
use stormglass_harness::Exit;

use crate::{
    arguments::{BuildArguments, Format, ListArguments},
    error::CliError,
    fleet::{Fleet, Member},
    render::{self, DIM, LABEL, NAME},
};

pub(crate) fn list(build: &BuildArguments, arguments: &ListArguments) -> Result<Exit, CliError> {
    let fleet = Fleet::assemble(build)?;
    let wanted = arguments.filter.as_deref().unwrap_or("");
    let mut rows = Vec::new();
    for member in fleet.members.iter().filter(|member| member.info.name.contains(wanted)) {
        rows.push((member, fleet.pinned(&member.info.name)?.len()));
    }
    if rows.is_empty() {
        return Err(CliError::new(Exit::NothingSelected, "no scenario matches"));
    }
    orphans(&fleet);
    match arguments.format {
        Format::Json => {
            let scenarios: Vec<_> = rows.iter().map(|(member, pinned)| as_json(member, *pinned)).collect();
            anstream::println!("{:#}", json!({ "scenarios": scenarios }));
        }
        Format::Text => anstream::println!("{}", table(&rows)),
    }
    Ok(Exit::Passed)
}

fn as_json(member: &Member, pinned: usize) -> serde_json::Value {
    let info = &member.info;
    json!({
        "name": info.name,
        "doc": info.doc,
        "file": info.file,
        "line": info.line,
        "package": member.binary.hints.package,
        "target": member.binary.hints.target,
        "binary": member.binary.path,
        "pinned_seeds": pinned,
        "profiles": info.profiles,
        "families": info.families,
        "features": info.features,
        "tags": info.tags,
        "virtual_time_s": info.limits.virtual_time.as_secs_f64(),
    })
}

fn table(rows: &[(&Member, usize)]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let head = |text: &str| format!("{LABEL}{text}{LABEL:#}");
    table.set_header(["scenario", "seeds", "time", "families", "profiles", "what it is"].map(head));
    for (member, pinned) in rows {
        let info = &member.info;
        let words = |words: &[String]| if words.is_empty() { "-".to_owned() } else { words.join(" ") };
        table.add_row([
            format!("{NAME}{}{NAME:#}", info.name),
            if *pinned == 0 { "-".to_owned() } else { pinned.to_string() },
            humantime::format_duration(info.limits.virtual_time).to_string(),
            words(&info.families),
            words(&info.profiles),
            format!("{DIM}{}{DIM:#}", info.summary()),
        ]);
    }
    table.to_string()
}

/// Names seeds files whose scenario does not exist: a renamed scenario would otherwise lose its pinned seeds in silence.
fn orphans(fleet: &Fleet) {
    let Ok(entries) = std::fs::read_dir(&fleet.workspace.seeds) else { return };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if fleet.members.iter().all(|member| member.info.name != stem) {
            render::warning(&format!("{}: there is no scenario `{stem}` among those built", path.display()));
        }
    }
}
