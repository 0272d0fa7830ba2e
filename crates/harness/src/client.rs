//! The front end's view of a worker: start it, ask it, and find out what became of it when it stops answering.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    CaseReport, Divergence, Exit, IsolationKind, Refusal, RunRequest, ScenarioInfo,
    case::{Status, WALL_TIME},
    protocol::{Ask, Channel, Hello, PROTOCOL, Reply, WORKER_ARGUMENT, WorkerFault},
};

/// How to start a worker.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The scenario binary.
    pub binary: PathBuf,
    /// How it keeps cases apart.
    pub isolation: IsolationKind,
    /// The folder it starts in; `None` for the front end's own.
    pub directory: Option<PathBuf>,
}

impl WorkerCommand {
    /// A worker of `binary` in fork isolation.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        WorkerCommand { binary: binary.into(), isolation: IsolationKind::default(), directory: None }
    }
}

/// Why a worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The binary could not be started.
    #[error("cannot start {binary}: {source}")]
    Start {
        /// The binary.
        binary: String,
        /// The system's reason.
        source: io::Error,
    },
    /// What was started does not speak the protocol.
    #[error(
        "{binary} does not answer as a scenario binary ({how}); its target needs `harness = false` and `fn main() -> ExitCode {{ stormglass_harness::main() }}`"
    )]
    NotAWorker {
        /// The binary.
        binary: String,
        /// What it did instead.
        how: String,
    },
    /// It speaks another version of the protocol.
    #[error(
        "{binary} speaks version {theirs} of the worker protocol and this program version {PROTOCOL}; build both from the same version of Stormglass"
    )]
    Version {
        /// The binary.
        binary: String,
        /// Its version.
        theirs: u32,
    },
    /// It died or went silent.
    #[error("the worker {how}")]
    Died {
        /// How it ended.
        how: Death,
    },
    /// It refused or could not do what was asked.
    #[error(transparent)]
    Fault(#[from] WorkerFault),
    /// The scenario refused the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It answered out of order.
    #[error("the worker answered out of order: {0}")]
    OutOfOrder(String),
}

impl WorkerError {
    /// The exit code of a command that ends with this error.
    pub fn exit(&self) -> Exit {
        match self {
            WorkerError::Start { .. } | WorkerError::NotAWorker { .. } | WorkerError::Version { .. } => Exit::Setup,
            WorkerError::Fault(WorkerFault::Setup(_)) => Exit::Setup,
            WorkerError::Fault(WorkerFault::Trace(_)) => Exit::CorruptFile,
            WorkerError::Fault(WorkerFault::NoSuchScenario(_)) | WorkerError::Refused(_) => Exit::Usage,
            WorkerError::Fault(WorkerFault::Unexpected(_)) | WorkerError::Died { .. } | WorkerError::OutOfOrder(_) => {
                Exit::Bug
            }
        }
    }
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A signal that only someone outside sends: SIGKILL, SIGTERM, SIGHUP, SIGINT.
    KilledFromOutside(i32),
    /// Any other end by itself: a signal of its own making, or an exit in the midst of a case.
    Crashed(ExitStatus),
    /// It lives but did not answer within the case's wall time, long past the moment it should have ended the case.
    Silent,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Death::KilledFromOutside(signal) => write!(f, "was killed from outside, by signal {signal}"),
            Death::Crashed(status) => write!(f, "ended by itself: {status}"),
            Death::Silent => f.write_str("did not answer in time and was ended"),
        }
    }
}

impl Death {
    fn of(status: ExitStatus) -> Self {
        const OUTSIDE: [i32; 4] = [1, 2, 9, 15];
        match status.signal() {
            Some(signal) if OUTSIDE.contains(&signal) => Death::KilledFromOutside(signal),
            _ => Death::Crashed(status),
        }
    }

    /// What this says of the seed the worker was running. In fork isolation a worker runs no code on trial itself, yet
    /// a seed during which it died must not be lost, so the seed is what gets named.
    pub fn report(self, scenario: &str, request: &RunRequest) -> CaseReport {
        let (status, oracle) = match self {
            Death::KilledFromOutside(_) => (Status::Killed, "killed"),
            Death::Crashed(_) => (Status::Fail, "worker"),
            Death::Silent => (Status::Unknown, WALL_TIME),
        };
        CaseReport::without_record(scenario, request.seed, status, oracle, format!("the worker {self}"))
    }
}

/// A handle that ends a worker from another thread, so that a stop need not wait for a case to end.
#[derive(Clone, Debug)]
pub struct WorkerKill(Arc<Mutex<Child>>);

impl WorkerKill {
    /// Ends the worker. One that has already ended is left alone.
    pub fn kill(&self) {
        // A failure means that it has ended, which is what was wanted.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }
}

/// A running worker. Dropping it ends its process.
#[derive(Debug)]
pub struct Worker {
    child: Arc<Mutex<Child>>,
    channel: Channel,
    hello: Hello,
}

/// How long a worker may take to say hello. Generous, since a loaded machine may be slow to start it.
const HELLO_TIMEOUT: Duration = Duration::from_secs(120);
/// How long past a case's wall time a worker may take to end it and to answer.
const ANSWER_GRACE: Duration = Duration::from_secs(30);
/// How long a worker that closed its socket may take to end before it is ended.
const HANG_UP_GRACE: Duration = Duration::from_secs(5);

impl Worker {
    /// Starts a worker and exchanges hellos with it.
    ///
    /// # Errors
    ///
    /// Where it cannot be started, or is no worker, or is one of another version.
    pub fn start(command: &WorkerCommand) -> Result<Worker, WorkerError> {
        let binary = command.binary.display().to_string();
        let start_error = |source| WorkerError::Start { binary: binary.clone(), source };
        let (ours, theirs) = UnixStream::pair().map_err(start_error)?;
        let mut process = Command::new(&command.binary);
        process
            .arg(WORKER_ARGUMENT)
            .arg(command.isolation.as_str())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(output_of_cases(command.isolation).map_err(start_error)?)
            .stderr(Stdio::inherit())
            // Ctrl-C is the front end's to handle: it decides which cases still count.
            .process_group(0);
        if let Some(directory) = &command.directory {
            process.current_dir(directory);
        }
        let child = process.spawn().map_err(start_error)?;
        // `process` holds our copy of the worker's end; while it is open, a dead worker would look alive.
        drop(process);
        let mut channel = Channel::new(ours).map_err(start_error)?;
        let child = Arc::new(Mutex::new(child));
        let introduced = introduce(&mut channel, &binary);
        match introduced {
            Ok(hello) => Ok(Worker { child, channel, hello }),
            Err(error) => {
                let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Who answers.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// A handle to end this worker from elsewhere.
    pub fn kill_handle(&self) -> WorkerKill {
        WorkerKill(Arc::clone(&self.child))
    }

    /// The scenarios of the binary, by name.
    ///
    /// # Errors
    ///
    /// Where the worker is gone or out of order.
    pub fn list(&mut self) -> Result<Vec<ScenarioInfo>, WorkerError> {
        match self.ask(&Ask::List, Some(HELLO_TIMEOUT))? {
            Reply::Scenarios(scenarios) => Ok(scenarios),
            other => Err(out_of_order(&other)),
        }
    }

    /// Runs one case.
    ///
    /// # Errors
    ///
    /// Where the scenario refuses the request, and where the worker is gone: [`WorkerError::Died`] then holds how.
    pub fn run(&mut self, scenario: &str, request: &RunRequest, echo: bool) -> Result<CaseReport, WorkerError> {
        let timeout = request.limits.wall.saturating_add(ANSWER_GRACE);
        let ask = Ask::Run { scenario: scenario.to_owned(), request: Box::new(request.clone()), echo };
        match self.ask(&ask, Some(timeout))? {
            Reply::Ended(report) => Ok(*report),
            Reply::Refused(refusal) => Err(refusal.into()),
            other => Err(out_of_order(&other)),
        }
    }

    /// Renders a trace that `scenario` wrote, handing each line to `line`.
    ///
    /// # Errors
    ///
    /// Where the trace cannot be read or the worker is gone.
    pub fn trace(&mut self, scenario: &str, path: &Path, mut line: impl FnMut(&str)) -> Result<(), WorkerError> {
        let mut reply = self.ask(&Ask::Trace { scenario: scenario.to_owned(), path: path.to_owned() }, None)?;
        loop {
            match reply {
                Reply::TraceLine(text) => line(&text),
                Reply::TraceEnd => return Ok(()),
                other => return Err(out_of_order(&other)),
            }
            reply = self.reply()?;
        }
    }

    /// Where two traces of `scenario` part.
    ///
    /// # Errors
    ///
    /// Where a trace cannot be read or the worker is gone.
    pub fn diverge(&mut self, scenario: &str, first: &Path, second: &Path) -> Result<Option<Divergence>, WorkerError> {
        let ask = Ask::Diverge { scenario: scenario.to_owned(), first: first.to_owned(), second: second.to_owned() };
        match self.ask(&ask, None)? {
            Reply::Diverged(divergence) => Ok(divergence),
            other => Err(out_of_order(&other)),
        }
    }

    fn ask(&mut self, ask: &Ask, timeout: Option<Duration>) -> Result<Reply, WorkerError> {
        // A zero timeout is refused by the system; ours never is zero, since the grace is added.
        if self.channel.stream().set_read_timeout(timeout).is_err() || self.channel.send(ask).is_err() {
            return Err(self.death(false));
        }
        self.reply()
    }

    fn reply(&mut self) -> Result<Reply, WorkerError> {
        match self.channel.receive() {
            Ok(Some(Reply::Error(fault))) => Err(fault.into()),
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(self.death(false)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(self.death(true)),
                io::ErrorKind::InvalidData => Err(WorkerError::OutOfOrder(error.to_string())),
                _ => Err(self.death(false)),
            },
        }
    }

    /// Finds out how the worker ended, ending it if it has merely gone silent.
    fn death(&mut self, silent: bool) -> WorkerError {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that hung up is about to end, and its status tells why. One that lingers is not waited for.
        let patience = Instant::now() + if silent { Duration::ZERO } else { HANG_UP_GRACE };
        while Instant::now() < patience && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        match child.wait() {
            Ok(_) if silent => WorkerError::Died { how: Death::Silent },
            Ok(status) => WorkerError::Died { how: Death::of(status) },
            Err(error) => WorkerError::OutOfOrder(format!("it cannot be waited for: {error}")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Where standard output of a worker goes. Forked cases have theirs captured, except in a replay, which shows it where it
/// cannot be taken for output of the command line: on standard error.
fn output_of_cases(isolation: IsolationKind) -> io::Result<Stdio> {
    match isolation {
        IsolationKind::Fork => io::stderr().as_fd().try_clone_to_owned().map(Stdio::from),
        IsolationKind::Thread => Ok(Stdio::null()),
    }
}

fn introduce(channel: &mut Channel, binary: &str) -> Result<Hello, WorkerError> {
    let not_a_worker = |how: String| WorkerError::NotAWorker { binary: binary.to_owned(), how };
    let talk = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => not_a_worker("it said nothing".to_owned()),
        _ => not_a_worker(error.to_string()),
    };
    channel.stream().set_read_timeout(Some(HELLO_TIMEOUT)).map_err(talk)?;
    channel.send(&Ask::Hello { protocol: PROTOCOL }).map_err(talk)?;
    match channel.receive().map_err(talk)? {
        Some(Reply::Hello(hello)) if hello.protocol == PROTOCOL => Ok(hello),
        Some(Reply::Hello(hello)) => Err(WorkerError::Version { binary: binary.to_owned(), theirs: hello.protocol }),
        Some(Reply::Error(fault)) => Err(fault.into()),
        Some(other) => Err(out_of_order(&other)),
        None => Err(not_a_worker("it ended without a word".to_owned())),
    }
}

fn out_of_order(reply: &Reply) -> WorkerError {
    WorkerError::OutOfOrder(format!("{reply:?}").chars().take(200).collect())
}
