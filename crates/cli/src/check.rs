//! `check`: a checker on a history file, without any simulation.

use std::fs;

use serde_json::json;
use stormglass_check::{
    Budget, Evidence, FormatError, Isolation, Verdict,
    format::{CheckOptions, Format, Judgement, ModelName, Objects, UnknownFormat, UnknownModel, judge_file},
};
use stormglass_harness::{Exit, Status};

use crate::{arguments::CheckArguments, error::CliError, render};

pub(crate) fn check(arguments: &CheckArguments) -> Result<Exit, CliError> {
    let model: ModelName = arguments.model.parse().map_err(|error: UnknownModel| {
        let near = stormglass_harness::suggestions(&arguments.model, ModelName::ALL.map(ModelName::as_str));
        CliError::usage(&error).hint(near.first().map_or(String::new(), |name| format!("did you mean `{name}`?")))
    })?;
    let judgement = judge_file(&arguments.file, model, options(arguments)?).map_err(|error| {
        let exit = match &error {
            FormatError::Unreadable { .. }
            | FormatError::WrongModel { .. }
            | FormatError::Unsaid { .. }
            | FormatError::NoSuchForm { .. } => Exit::Usage,
            _ => Exit::CorruptFile,
        };
        CliError::new(exit, error)
    })?;
    if let (Some(path), Some(picture)) = (&arguments.picture, &judgement.picture) {
        fs::write(path, picture).map_err(|error| {
            CliError::new(Exit::WriteFailed, format!("{}: cannot be written: {error}", path.display()))
        })?;
    }
    let (status, exit) = match &judgement.verdict {
        Verdict::Pass => (Status::Pass, Exit::Passed),
        Verdict::Fail(_) => (Status::Fail, Exit::SeedFailed),
        Verdict::Unknown(_) => (Status::Unknown, Exit::Incomplete),
    };
    if arguments.json {
        let mut value = json!(judgement);
        value["file"] = json!(arguments.file);
        anstream::println!("{value:#}");
        return Ok(exit);
    }
    let style = render::of_status(status);
    let word = status.as_str().to_uppercase();
    anstream::println!("{style}{word}{style:#} {} against {model}", arguments.file.display());
    tell(&judgement, arguments.explain);
    Ok(exit)
}

fn options(arguments: &CheckArguments) -> Result<CheckOptions, CliError> {
    let format = arguments.format.as_deref().map(str::parse::<Format>).transpose();
    let format = format.map_err(|error: UnknownFormat| {
        let near = stormglass_harness::suggestions(&error.asked, Format::ALL.map(Format::as_str));
        CliError::usage(&error).hint(near.first().map_or(String::new(), |name| format!("did you mean `{name}`?")))
    })?;
    let isolation: Isolation = arguments.level.parse().map_err(|error: String| CliError::usage(&error))?;
    Ok(CheckOptions {
        budget: Budget { steps: arguments.budget, bytes: arguments.memory },
        revisions: arguments.revisions,
        format,
        isolation,
        picture: arguments.picture.is_some(),
        objects: Objects {
            initial: arguments.initial.as_deref().map(Into::into),
            permits: arguments.permits,
            versions: arguments.versions,
            accounts: arguments.account.iter().cloned().collect(),
            tears: arguments.tears,
            sector_by_sector: arguments.sector_by_sector,
        },
    })
}

fn tell(judgement: &Judgement, explain: bool) {
    match &judgement.verdict {
        Verdict::Fail(evidence) if explain => anstream::println!("{evidence}"),
        Verdict::Fail(evidence) => {
            anstream::println!("{}", Evidence { details: Vec::new(), ..evidence.clone() });
            if !evidence.details.is_empty() {
                anstream::println!("  (--explain says why, --picture draws it)");
            }
        }
        Verdict::Unknown(undecided) => anstream::println!("{undecided}"),
        Verdict::Pass => {}
    }
    if let Some(level) = judgement.strongest {
        anstream::println!("  the strongest level that nothing contradicts: {level}");
    }
    if explain {
        let Judgement { operations, parts, steps, format, .. } = judgement;
        anstream::println!("  {operations} operations in {parts} parts, read as {format}, judged in {steps} steps");
        for order in &judgement.orders {
            let ids: Vec<String> = order.iter().map(|id| format!("#{id}")).collect();
            anstream::println!("  an order: {}", ids.join(" "));
        }
    }
}
