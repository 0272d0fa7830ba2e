//! Completions and the man page, made from the same description that parses the arguments.

use std::io::Write;

use clap::CommandFactory;
use stormglass_harness::Exit;

use crate::{arguments::Arguments, error::CliError};

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "cargo-stormglass", &mut script);
    write(&script)
}

pub(crate) fn man() -> Result<Exit, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).title("cargo-stormglass").render(&mut page)?;
    write(&page)
}

fn write(bytes: &[u8]) -> Result<Exit, CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(Exit::Passed)
}
