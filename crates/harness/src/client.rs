//! The front end's view of a worker: start it, ask it, and find out what became of it when it stops answering.

use std::{
    collections::VecDeque,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    CaseReport, Divergence, Exit, IsolationKind, Refusal, RunRequest, ScenarioInfo, Seed,
    case::{Cost, broken, ran},
    channel::Channel,
    death::Death,
    protocol::{
        Answer, Ask, Hello, Kind, PROTOCOL, Reply, ReturnedHead, Run, RunHead, WORKER_ARGUMENT, WorkerFault, decode,
        encode, json,
    },
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
    /// The cases that were asked for and not answered yet.
    asked: VecDeque<AskedCase>,
    /// How many bytes asking for them took.
    asked_bytes: usize,
    /// Questions that are yet to be sent.
    unsent: Vec<u8>,
    /// The question that is being put.
    question: Vec<u8>,
    /// Whether as many cases have been asked for as may be, and not half of them answered.
    full: bool,
    /// How long an answer is waited for, as the socket knows it.
    timeout: Option<Duration>,
}

/// What is remembered of a case until it is answered.
#[derive(Debug)]
struct AskedCase {
    scenario: String,
    seed: Seed,
    bytes: usize,
    timeout: Duration,
}

/// How many bytes of questions may be on their way while answers may be too: far less than a socket takes, so that the
/// two ends never wait for each other to read.
const ASKED_BYTES_MAX: usize = 32 << 10;
/// How many cases may be asked for ahead.
const ASKED_MAX: usize = 128;
/// For how long the answers of many cases are let come together, instead of each waking this process.
const TOGETHER: Duration = Duration::from_millis(1);

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
        let mut channel = Channel::new(ours);
        let child = Arc::new(Mutex::new(child));
        let introduced = introduce(&mut channel, &binary);
        match introduced {
            Ok(hello) => Ok(Worker {
                child,
                channel,
                hello,
                asked: VecDeque::new(),
                asked_bytes: 0,
                unsent: Vec::new(),
                full: false,
                question: Vec::new(),
                timeout: Some(HELLO_TIMEOUT),
            }),
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

    /// Runs one case. Not while others that were [asked for](Self::ask_ahead) are without an answer.
    ///
    /// # Errors
    ///
    /// Where the scenario refuses the request, and where the worker is gone: [`WorkerError::Died`] then holds how.
    pub fn run(&mut self, scenario: &str, request: &RunRequest, echo: bool) -> Result<CaseReport, WorkerError> {
        self.all_answered()?;
        self.ask_for(scenario, request, echo)?;
        self.answer()
    }

    /// Asks for a case without waiting for its answer, which [`answer`](Self::answer) is for and which sends what is asked.
    /// The worker runs cases one after another; the next one's being there already spares it the wait.
    ///
    /// # Errors
    ///
    /// A request that cannot be put into words.
    pub fn ask_ahead(&mut self, scenario: &str, request: &RunRequest) -> Result<(), WorkerError> {
        self.ask_for(scenario, request, false)
    }

    /// Whether another case may be [asked for](Self::ask_ahead) before one is answered. Once there is no room there is
    /// none until half is answered, so that questions go together.
    pub fn has_room(&self) -> bool {
        !self.full
    }

    /// What became of the case that was asked for first of those without an answer.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and where none was asked for. A worker that died did so in this case; the others have not
    /// begun.
    pub fn answer(&mut self) -> Result<CaseReport, WorkerError> {
        let Some(asked) = self.asked.pop_front() else {
            return Err(WorkerError::OutOfOrder("no case was asked for".to_owned()));
        };
        self.asked_bytes -= asked.bytes;
        self.full &= self.asked.len() > ASKED_MAX / 2;
        self.wait_for(Some(asked.timeout))?;
        if !self.channel.has_frame() {
            if self.channel.send_all(&mut self.unsent).is_err() {
                return Err(self.death(false));
            }
            // So many are asked for ahead only where each takes no time: their answers are taken together.
            if self.asked.len() >= ASKED_MAX / 2 {
                thread::sleep(TOGETHER);
            }
        }
        let (kind, body) = self.receive()?;
        let body = self.channel.bytes(body);
        match kind {
            Kind::Returned => returned(asked, body),
            Kind::Json => match json(body).map_err(not_understood)? {
                Reply::Ended(report) => Ok(*report),
                Reply::Error(fault) => Err(fault.into()),
                other => Err(out_of_order(&other)),
            },
            Kind::Run => Err(WorkerError::OutOfOrder("it asks for a case".to_owned())),
        }
    }

    fn ask_for(&mut self, scenario: &str, request: &RunRequest, echo: bool) -> Result<(), WorkerError> {
        let &RunRequest { ref limits, seed, .. } = request;
        let head = RunHead { echo, wall: limits.wall, memory_bytes: limits.memory_bytes };
        let run = Run { scenario: scenario.to_owned(), request: request.clone() };
        self.question.clear();
        encode(head, &mut self.question)
            .and_then(|()| encode(&run, &mut self.question))
            .and_then(|()| Channel::frame(&mut self.unsent, Kind::Run, &[&self.question]))
            .map_err(not_understood)?;
        let (bytes, timeout) = (self.question.len(), limits.wall.saturating_add(ANSWER_GRACE));
        self.asked_bytes += bytes;
        self.full |= self.asked.len() + 1 >= ASKED_MAX || self.asked_bytes >= ASKED_BYTES_MAX;
        self.asked.push_back(AskedCase { scenario: run.scenario, seed, bytes, timeout });
        Ok(())
    }

    fn all_answered(&self) -> Result<(), WorkerError> {
        match self.asked.len() {
            0 => Ok(()),
            cases => Err(WorkerError::OutOfOrder(format!("{cases} cases are without an answer"))),
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
        self.all_answered()?;
        self.wait_for(timeout)?;
        if self.channel.send(ask).is_err() {
            return Err(self.death(false));
        }
        self.reply()
    }

    fn reply(&mut self) -> Result<Reply, WorkerError> {
        let (kind, body) = self.receive()?;
        if kind != Kind::Json {
            return Err(WorkerError::OutOfOrder("it tells of a case".to_owned()));
        }
        match json(self.channel.bytes(body)).map_err(not_understood)? {
            Reply::Error(fault) => Err(fault.into()),
            reply => Ok(reply),
        }
    }

    fn receive(&mut self) -> Result<(Kind, std::ops::Range<usize>), WorkerError> {
        match self.channel.receive_frame() {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.death(false)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(self.death(true)),
                io::ErrorKind::InvalidData => Err(not_understood(error)),
                _ => Err(self.death(false)),
            },
        }
    }

    /// Lets an answer take so long.
    fn wait_for(&mut self, timeout: Option<Duration>) -> Result<(), WorkerError> {
        if self.timeout != timeout {
            // A zero timeout is refused by the system; ours never is zero, since the grace is added.
            if self.channel.stream().set_read_timeout(timeout).is_err() {
                return Err(self.death(false));
            }
            self.timeout = timeout;
        }
        Ok(())
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
    channel.send_line(&Ask::Hello { protocol: PROTOCOL }).map_err(talk)?;
    match channel.receive_line().map_err(talk)? {
        Some(Reply::Hello(hello)) if hello.protocol == PROTOCOL => Ok(hello),
        Some(Reply::Hello(hello)) => Err(WorkerError::Version { binary: binary.to_owned(), theirs: hello.protocol }),
        Some(Reply::Error(fault)) => Err(fault.into()),
        Some(other) => Err(out_of_order(&other)),
        None => Err(not_a_worker("it ended without a word".to_owned())),
    }
}

/// What the answer of a case says.
fn returned(asked: AskedCase, body: &[u8]) -> Result<CaseReport, WorkerError> {
    let AskedCase { scenario, seed, .. } = asked;
    let (head, rest) = decode::<ReturnedHead>(body).map_err(not_understood)?;
    let (stderr, answer) = rest
        .split_at_checked(usize::try_from(head.stderr_bytes).unwrap_or(usize::MAX))
        .ok_or_else(|| WorkerError::OutOfOrder("an answer that is cut off".to_owned()))?;
    let cost = Cost { cpu: head.cpu, max_rss_bytes: head.max_rss_bytes, stderr };
    match decode(answer) {
        Ok((Answer::Record(record), _)) => Ok(ran(*record, &cost)),
        Ok((Answer::Refused(refusal), _)) => Err(refusal.into()),
        Ok((Answer::NoSuchScenario, _)) => Err(WorkerFault::NoSuchScenario(scenario).into()),
        Ok((Answer::Unreadable(what), _)) => Err(WorkerError::OutOfOrder(what)),
        Err(error) => Ok(broken(&scenario, seed, answer.len(), &error, &cost)),
    }
}

fn not_understood(error: io::Error) -> WorkerError {
    WorkerError::OutOfOrder(error.to_string())
}

fn out_of_order(reply: &Reply) -> WorkerError {
    WorkerError::OutOfOrder(format!("{reply:?}").chars().take(200).collect())
}
