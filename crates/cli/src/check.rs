//! `check`: a checker on a history file, without any simulation.

use serde_json::json;
use stormglass_check::{
    FormatError, Verdict, check_file,
    format::{CheckOptions, ModelName, UnknownModel},
};
use stormglass_harness::{Exit, Status};

use crate::{
    arguments::{CheckArguments, Format},
    error::CliError,
    render,
};

pub(crate) fn check(arguments: &CheckArguments) -> Result<Exit, CliError> {
    let model: ModelName = arguments.model.parse().map_err(|error: UnknownModel| {
        let near = stormglass_harness::suggestions(&arguments.model, ModelName::ALL.map(ModelName::as_str));
        CliError::usage(&error).hint(near.first().map_or(String::new(), |name| format!("did you mean `{name}`?")))
    })?;
    let options = CheckOptions { revisions: arguments.revisions, ..CheckOptions::default() };
    let verdict = check_file(&arguments.file, model, options).map_err(|error| {
        let exit = match &error {
            FormatError::Unreadable { .. } | FormatError::WrongModel { .. } => Exit::Usage,
            _ => Exit::CorruptFile,
        };
        CliError::new(exit, error)
    })?;
    let (status, exit) = match &verdict {
        Verdict::Pass => (Status::Pass, Exit::Passed),
        Verdict::Fail(_) => (Status::Fail, Exit::SeedFailed),
        Verdict::Unknown(_) => (Status::Unknown, Exit::Incomplete),
    };
    match arguments.format {
        Format::Json => {
            anstream::println!("{:#}", json!({ "file": arguments.file, "model": model.as_str(), "verdict": verdict }))
        }
        Format::Text => {
            let style = render::of_status(status);
            let word = status.as_str().to_uppercase();
            anstream::println!("{style}{word}{style:#} {} against {model}", arguments.file.display());
            match &verdict {
                Verdict::Pass => {}
                Verdict::Fail(evidence) => anstream::println!("{evidence}"),
                Verdict::Unknown(undecided) => anstream::println!("{undecided}"),
            }
        }
    }
    Ok(exit)
}
