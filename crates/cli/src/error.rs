//! The one error of the command line: what went wrong, what to do about it, and the exit code it ends with.

use std::{fmt::Display, io};

use stormglass_harness::{CampaignError, Exit, LedgerError, SeedsFileError, WorkerError, WorkerFault};

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What to do about it; empty where the message says it all.
    pub(crate) hint: String,
}

impl CliError {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        CliError { exit, message: message.to_string(), hint: String::new() }
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        CliError::new(Exit::Usage, message)
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = hint.to_string();
        self
    }
}

impl From<WorkerError> for CliError {
    fn from(error: WorkerError) -> Self {
        let hint = match &error {
            WorkerError::Refused(refusal) => refusal.hint.clone(),
            WorkerError::Fault(WorkerFault::Trace(_)) => {
                "a trace is read by the binary that wrote it; write a new one with `replay --trace FILE`".to_owned()
            }
            WorkerError::Died { .. } | WorkerError::OutOfOrder(_) => {
                "this should not happen, whatever the scenario does; please report it".to_owned()
            }
            _ => String::new(),
        };
        CliError::new(error.exit(), error).hint(hint)
    }
}

impl From<CampaignError> for CliError {
    fn from(error: CampaignError) -> Self {
        let hint = match error {
            CampaignError::Worker(error) => return error.into(),
            CampaignError::Ledger(LedgerError::Damaged { .. }) => {
                "move the file away to run its seeds again, or start anew with --fresh"
            }
            CampaignError::Ledger(LedgerError::Version { .. } | LedgerError::Incompatible { .. }) => {
                "give this campaign another --name, or start anew with --fresh"
            }
            CampaignError::Ledger(LedgerError::Write { .. }) => {
                "what was recorded before stands; make room and run the same command to go on"
            }
            CampaignError::Ledger(LedgerError::Locked { .. }) => "wait for it, or give this campaign another --name",
            CampaignError::Ledger(LedgerError::Read { .. }) | CampaignError::Binary { .. } => "",
        };
        CliError::new(error.exit(), error).hint(hint)
    }
}

impl From<SeedsFileError> for CliError {
    fn from(error: SeedsFileError) -> Self {
        let exit = match &error {
            SeedsFileError::Io { doing: "write it", .. } => Exit::WriteFailed,
            _ => Exit::CorruptFile,
        };
        CliError::new(exit, error)
    }
}

/// Output that cannot be written. A closed pipe, as of `| head`, is nobody's mistake but still ends the command.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        CliError::new(Exit::WriteFailed, format_args!("cannot write output: {error}"))
    }
}
