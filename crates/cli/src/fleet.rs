//! The scenarios of all binaries together: who has which, and what to say of a name that nobody has.

use stormglass_harness::{Exit, PinnedSeed, ScenarioInfo, Worker, WorkerCommand, read_seeds, seeds_path, suggestions};

use crate::{
    arguments::BuildArguments,
    binaries::{ScenarioBinary, Workspace, workspace},
    error::CliError,
    render,
};

/// A scenario and the binary it is in.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) info: ScenarioInfo,
    pub(crate) binary: ScenarioBinary,
}

/// All scenarios, by name.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) workspace: Workspace,
    pub(crate) members: Vec<Member>,
    isolation: stormglass_harness::IsolationKind,
}

impl Fleet {
    /// Builds the scenario binaries and asks each for its list.
    pub(crate) fn assemble(build: &BuildArguments) -> Result<Fleet, CliError> {
        let workspace = workspace(build)?;
        let mut members = Vec::new();
        let mut warnings = Vec::new();
        for binary in &workspace.binaries {
            let mut worker = Worker::start(&command(binary, build.isolation))?;
            warnings.extend(worker.hello().warnings.clone());
            members.extend(worker.list()?.into_iter().map(|info| Member { info, binary: binary.clone() }));
        }
        warnings.sort();
        warnings.dedup();
        warnings.iter().for_each(|warning| render::warning(warning));
        members.sort_by(|a, b| a.info.name.cmp(&b.info.name));
        Ok(Fleet { workspace, members, isolation: build.isolation })
    }

    /// The one scenario called `name`.
    pub(crate) fn find(&self, name: &str) -> Result<&Member, CliError> {
        let named: Vec<&Member> = self.members.iter().filter(|member| member.info.name == name).collect();
        match named[..] {
            [member] => Ok(member),
            [] if self.members.is_empty() => {
                Err(CliError::new(Exit::NothingSelected, "the scenario binaries have no scenario"))
            }
            [] => {
                let near = suggestions(name, self.members.iter().map(|member| member.info.name.as_str()));
                Err(CliError::usage(format_args!("no scenario `{name}`")).hint(did_you_mean(&near)))
            }
            _ => {
                let places: Vec<String> = named.iter().map(|member| member.binary.path.display().to_string()).collect();
                Err(CliError::usage(format_args!(
                    "scenario `{name}` is in more than one binary: {}",
                    places.join(", ")
                ))
                .hint("select one with --package or --binary"))
            }
        }
    }

    /// How to start a worker for `member`.
    pub(crate) fn command(&self, member: &Member) -> WorkerCommand {
        command(&member.binary, self.isolation)
    }

    /// The pinned seeds of a scenario.
    pub(crate) fn pinned(&self, scenario: &str) -> Result<Vec<PinnedSeed>, CliError> {
        Ok(read_seeds(&seeds_path(&self.workspace.seeds, scenario))?.unwrap_or_default())
    }
}

fn command(binary: &ScenarioBinary, isolation: stormglass_harness::IsolationKind) -> WorkerCommand {
    WorkerCommand { isolation, ..WorkerCommand::new(&binary.path) }
}

/// The hint for a name that is close to others.
pub(crate) fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => "`cargo stormglass list` shows what there is".to_owned(),
        near => {
            format!("did you mean {}?", near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
        }
    }
}
