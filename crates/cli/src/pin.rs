//! `pin`: keep a seed in the seeds file of its scenario.

use std::time::SystemTime;

use stormglass_harness::{Exit, Expectation, PinnedSeed, case_name, seeds_path};

use crate::{
    arguments::{BuildArguments, Expect, PinArguments},
    error::CliError,
    fleet::Fleet,
    render::{COMMAND, GOOD},
    run::params,
};

pub(crate) fn pin(build: &BuildArguments, arguments: &PinArguments) -> Result<Exit, CliError> {
    let fleet = Fleet::assemble(build)?;
    let member = fleet.find(&arguments.scenario)?;
    let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let pinned = PinnedSeed {
        seed: arguments.seed,
        note: arguments.note.clone(),
        overrides: arguments.request.set.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        drop: arguments.request.drop.clone(),
        params: params(build, &arguments.request.param, arguments.request.profile.as_deref()),
        expect: match arguments.expect {
            Expect::Pass => Expectation::Pass,
            Expect::Fail => Expectation::Fail,
        },
        digest: None,
        added: today.split('T').next().map(str::to_owned),
    };
    let path = seeds_path(&fleet.workspace.seeds, &member.info.name);
    if stormglass_harness::pin(&path, &pinned)? {
        anstream::println!("{GOOD}pinned{GOOD:#} seed {} in {}", pinned.seed, path.display());
        let hints = &member.binary.hints;
        if let (Some(package), Some(target)) = (&hints.package, &hints.target) {
            let name = case_name(&member.info.name, pinned.seed);
            anstream::println!("it runs with {COMMAND}cargo test -p {package} --test {target} -- {name}{COMMAND:#}");
        }
    } else {
        anstream::println!("seed {} is in {} already", pinned.seed, path.display());
    }
    Ok(Exit::Passed)
}
