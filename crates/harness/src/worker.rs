//! The worker: a scenario binary that serves cases, one at a time and from a single thread, until its front end hangs up.

use std::{
    collections::BTreeMap,
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
};

use crate::{
    Exit, Isolation, IsolationKind, ScenarioDef, ScenarioInfo,
    case::{CaseError, run_case},
    divergence::first_divergence,
    fork::ForkIsolation,
    isolation::ThreadIsolation,
    protocol::{Ask, Channel, Hello, PROTOCOL, Reply, WorkerFault},
    scenario::registered,
    seal,
};

/// Serves until the front end hangs up. Called before any thread exists, since a fork server must have but one.
pub(crate) fn serve(isolation: IsolationKind) -> Exit {
    let setup = seal::prepare().map(|mut warnings| {
        if isolation == IsolationKind::Thread {
            warnings.push("seeds share statics: thread isolation is not sealed against them".to_owned());
        }
        warnings
    });
    let channel = io::stdin().as_fd().try_clone_to_owned().and_then(|socket| Channel::new(UnixStream::from(socket)));
    let gaps = seal::gaps();
    let mut channel = match channel {
        Ok(channel) => channel,
        Err(error) => {
            eprintln!("stormglass worker: standard input is not a socket of the harness: {error}");
            return Exit::Usage;
        }
    };
    let mut isolation: Box<dyn Isolation> = match isolation {
        IsolationKind::Fork => Box::new(ForkIsolation::new()),
        IsolationKind::Thread => Box::new(ThreadIsolation),
    };
    match talk(&mut channel, &mut *isolation, setup, gaps) {
        Ok(exit) => exit,
        // The front end is gone: nobody is left to tell, and nothing to do.
        Err(error) if hung_up(&error) => Exit::Passed,
        Err(error) => {
            eprintln!("stormglass worker: {error}");
            Exit::Bug
        }
    }
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn talk(
    channel: &mut Channel,
    isolation: &mut dyn Isolation,
    setup: Result<Vec<String>, String>,
    gaps: Vec<String>,
) -> io::Result<Exit> {
    match channel.receive()? {
        None => return Ok(Exit::Passed),
        Some(Ask::Hello { protocol }) if protocol == PROTOCOL => {}
        // The front end sees our version in the answer and explains the difference to the user.
        Some(Ask::Hello { .. }) => {
            channel.send(&Reply::Hello(hello(Vec::new(), Vec::new())))?;
            return Ok(Exit::Setup);
        }
        Some(other) => {
            let fault = WorkerFault::Unexpected(format!("a hello was due, not {other:?}"));
            channel.send(&Reply::Error(fault))?;
            return Ok(Exit::Bug);
        }
    }
    let (warnings, scenarios) = match (setup, registered()) {
        (Ok(warnings), Ok(scenarios)) => (warnings, scenarios),
        (Err(what), _) => {
            channel.send(&Reply::Error(WorkerFault::Setup(what)))?;
            return Ok(Exit::Setup);
        }
        (_, Err(duplicate)) => {
            channel.send(&Reply::Error(WorkerFault::Setup(duplicate.to_string())))?;
            return Ok(Exit::Setup);
        }
    };
    channel.send(&Reply::Hello(hello(warnings, gaps)))?;
    while let Some(ask) = channel.receive()? {
        match answer(channel, isolation, &scenarios, ask)? {
            Ok(reply) => channel.send(&reply)?,
            Err(fault) => channel.send(&Reply::Error(fault))?,
        }
    }
    Ok(Exit::Passed)
}

/// Answers one question. The outer error is the talk's, the inner one the question's.
fn answer(
    channel: &mut Channel,
    isolation: &mut dyn Isolation,
    scenarios: &BTreeMap<&'static str, &'static ScenarioDef>,
    ask: Ask,
) -> io::Result<Result<Reply, WorkerFault>> {
    let find = |name: &str| scenarios.get(name).copied().ok_or_else(|| WorkerFault::NoSuchScenario(name.to_owned()));
    let lines = |name: &str, path: &Path| {
        find(name).and_then(|def| (def.render_trace)(path).map_err(|error| WorkerFault::Trace(error.to_string())))
    };
    Ok(match ask {
        Ask::Hello { .. } => Err(WorkerFault::Unexpected("a second hello".to_owned())),
        Ask::List => Ok(Reply::Scenarios(scenarios.values().map(|def| ScenarioInfo::from(*def)).collect())),
        Ask::Run { scenario, request, echo } => match find(&scenario) {
            Err(fault) => Err(fault),
            Ok(def) => match run_case(isolation, def, &request, echo) {
                Ok(report) => Ok(Reply::Ended(Box::new(report))),
                Err(CaseError::Refused(refusal)) => Ok(Reply::Refused(refusal)),
                Err(CaseError::Start(error)) => Err(WorkerFault::Setup(format!("cannot start a case: {error}"))),
            },
        },
        Ask::Trace { scenario, path } => match lines(&scenario, &path) {
            Err(fault) => Err(fault),
            Ok(lines) => {
                for line in lines {
                    match line {
                        Ok(line) => channel.send(&Reply::TraceLine(line))?,
                        Err(error) => return Ok(Err(WorkerFault::Trace(error.to_string()))),
                    }
                }
                Ok(Reply::TraceEnd)
            }
        },
        Ask::Diverge { scenario, first, second } => lines(&scenario, &first)
            .and_then(|first| Ok((first, lines(&scenario, &second)?)))
            .and_then(|(first, second)| {
                first_divergence(first, second).map_err(|error| WorkerFault::Trace(error.to_string()))
            })
            .map(Reply::Diverged),
    })
}

fn hello(warnings: Vec<String>, gaps: Vec<String>) -> Hello {
    Hello {
        protocol: PROTOCOL,
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        target: seal::target(),
        sealed: warnings.is_empty(),
        // What a determinism check cannot see, or a cause that is not a packet, leaves the run sealed.
        warnings: warnings.into_iter().chain(gaps).collect(),
    }
}
