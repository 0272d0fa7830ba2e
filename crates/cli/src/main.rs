//! The `cargo stormglass` binary: arguments in, an exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod arguments;
mod binaries;
mod check;
mod documents;
mod error;
mod fleet;
mod fuzz;
mod list;
mod pin;
mod progress;
mod render;
mod run;
mod summary;
mod test;
mod test_arguments;
mod test_report;
mod trace;

use arguments::{Arguments, Command};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(arguments::without_cargo_word(std::env::args_os()));
    arguments.color.write_global();
    let build = &arguments.build;
    let result = match &arguments.command {
        Command::List(list) => list::list(build, list),
        Command::Run(run) => run::run(build, run),
        Command::Replay(replay) => run::replay(build, replay),
        Command::Fuzz(fuzz) => fuzz::fuzz(build, fuzz),
        Command::Pin(pin) => pin::pin(build, pin),
        Command::Check(check) => check::check(check),
        Command::Trace(trace) => trace::trace(build, trace),
        Command::Test(arguments) => test::test(build, arguments),
        Command::Cargo(arguments) => test::cargo(arguments),
        Command::RunTestBinary(arguments) => test::run_test_binary(arguments),
        Command::Completions { shell } => documents::completions(*shell),
        Command::Man => documents::man(),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            render::error(&error);
            error.exit.into()
        }
    }
}
