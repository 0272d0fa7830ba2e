//! `trace`: a trace file, one event a line.

use std::io::Write;

use stormglass_harness::{Exit, Worker};

use crate::{
    arguments::{BuildArguments, TraceArguments},
    error::CliError,
    fleet::Fleet,
};

pub(crate) fn trace(build: &BuildArguments, arguments: &TraceArguments) -> Result<Exit, CliError> {
    let fleet = Fleet::assemble(build)?;
    let member = fleet.find(&arguments.scenario)?;
    let path = std::path::absolute(&arguments.file)?;
    let mut worker = Worker::start(&fleet.command(member))?;
    let mut out = std::io::BufWriter::new(anstream::stdout().lock());
    let mut written = Ok(());
    worker.trace(&member.info.name, &path, |line| {
        if written.is_ok() {
            written = writeln!(out, "{line}");
        }
    })?;
    written?;
    out.flush()?;
    Ok(Exit::Passed)
}
