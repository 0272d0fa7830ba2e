//! The worker: a scenario binary that serves cases, one at a time and from a single thread, until its front end hangs up.

use std::{
    fmt::Display,
    io,
    ops::Range,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
};

use stormglass_sys::process::{ForkSeat, reexec_without_aslr};

use crate::{
    CaseReport, Exit, IsolationKind, ScenarioInfo,
    case::Cost,
    channel::Channel,
    divergence::first_divergence,
    fork::serve_by_forking,
    isolation::{STACK_BYTES, serve_on_threads},
    protocol::{Ask, Hello, Kind, PROTOCOL, Reply, ReturnedHead, Run, RunHead, WorkerFault, decode, encode, json},
    scenario::{SCENARIOS, Scenarios, registered},
    seal,
};

/// Serves until the front end hangs up. Called before any thread exists, since a fork server must have but one.
pub(crate) fn serve(isolation: IsolationKind) -> Exit {
    let aslr = reexec_without_aslr();
    // Before anything else: what was done before is found in its heap.
    let seat = (isolation == IsolationKind::Fork).then(|| ForkSeat::new(STACK_BYTES));
    let setup = seal::prepare(aslr).map(|mut warnings| {
        if isolation == IsolationKind::Thread {
            warnings.push("seeds share statics: thread isolation is not sealed against them".to_owned());
        }
        warnings
    });
    let channel =
        io::stdin().as_fd().try_clone_to_owned().map(|socket| Channel::with_all_room(UnixStream::from(socket)));
    let gaps = seal::gaps();
    SCENARIOS.iter().for_each(|def| (def.prepare)());
    let channel = match channel {
        Ok(channel) => channel,
        Err(error) => {
            eprintln!("stormglass worker: standard input is not a socket of the harness: {error}");
            return Exit::Usage;
        }
    };
    let served = introduce(channel, setup, gaps).and_then(|talk| match (talk, seat) {
        (Err(exit), _) => Ok(exit),
        (Ok(talk), Some(seat)) => serve_by_forking(talk, seat?).map(|()| Exit::Passed),
        (Ok(talk), None) => serve_on_threads(talk).map(|()| Exit::Passed),
    });
    match served {
        Ok(exit) => exit,
        // The front end is gone: nobody is left to tell, and nothing to do.
        Err(error) if hung_up(&error) => Exit::Passed,
        Err(error) => {
            eprintln!("stormglass worker: {error}");
            Exit::Bug
        }
    }
}

/// Whether an error means that the front end is gone.
pub(crate) fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// Exchanges hellos. The inner error is what a worker that cannot serve exits with.
fn introduce(
    mut channel: Channel,
    setup: Result<Vec<String>, String>,
    gaps: Vec<String>,
) -> io::Result<Result<Talk, Exit>> {
    match channel.receive_line()? {
        None => return Ok(Err(Exit::Passed)),
        Some(Ask::Hello { protocol }) if protocol == PROTOCOL => {}
        // The front end sees our version in the answer and explains the difference to the user.
        Some(Ask::Hello { .. }) => {
            channel.send_line(&Reply::Hello(hello(Vec::new(), Vec::new())))?;
            return Ok(Err(Exit::Setup));
        }
        Some(other) => {
            let fault = WorkerFault::Unexpected(format!("a hello was due, not {other:?}"));
            channel.send_line(&Reply::Error(fault))?;
            return Ok(Err(Exit::Bug));
        }
    }
    let fault = match (setup, registered()) {
        (Ok(warnings), Ok(scenarios)) => {
            channel.send_line(&Reply::Hello(hello(warnings, gaps)))?;
            return Ok(Ok(Talk { channel, scenarios, unsent: Vec::with_capacity(UNSENT_BYTES) }));
        }
        (Err(what), _) => what,
        (_, Err(duplicate)) => duplicate.to_string(),
    };
    channel.send_line(&Reply::Error(WorkerFault::Setup(fault)))?;
    Ok(Err(Exit::Setup))
}

/// Room for answers that wait for others, in bytes.
const UNSENT_BYTES: usize = 16 << 10;

/// The talk with the front end, past the hellos. Hearing of a case and passing its answer on takes no memory from the heap;
/// whatever else there is to say may.
#[derive(Debug)]
pub(crate) struct Talk {
    channel: Channel,
    scenarios: Scenarios,
    /// Answers that are yet to be sent: never more than there is room for.
    unsent: Vec<u8>,
}

/// A case that was asked for. Good until the next thing is.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What the server must know of it.
    pub(crate) head: RunHead,
    /// Where the rest of it is.
    body: Range<usize>,
}

/// What the front end wants.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A case.
    Case(Asked),
    /// An [answer](Talk::answer) to a message that holds no case. Good until the next thing is wanted.
    Answer(Range<usize>),
}

impl Talk {
    /// The scenarios of this binary.
    pub(crate) fn scenarios(&self) -> &Scenarios {
        &self.scenarios
    }

    /// What is wanted next. `None` when the front end hangs up.
    ///
    /// # Errors
    ///
    /// Those of the channel.
    pub(crate) fn next(&mut self) -> io::Result<Option<Wanted>> {
        if !self.channel.has_frame() {
            self.channel.send_all(&mut self.unsent)?;
        }
        let Some((kind, body)) = self.channel.receive_frame()? else { return Ok(None) };
        Ok(Some(match kind {
            Kind::Run => {
                let (head, run) = decode::<RunHead>(self.channel.bytes(body.clone()))?;
                Wanted::Case(Asked { head, body: body.end - run.len()..body.end })
            }
            Kind::Json => Wanted::Answer(body),
            // Nothing that is wanted of a worker; its answer says so.
            Kind::Returned => Wanted::Answer(body.start..body.start),
        }))
    }

    /// What is asked, in binary, for [`run_case`](crate::case::run_case).
    pub(crate) fn body(&self, asked: &Asked) -> &[u8] {
        self.channel.bytes(asked.body.clone())
    }

    /// Tells of a case that handed back `answer`. Where the next case is there already and cannot bring this process
    /// down, the answer waits for others: each that is sent by itself wakes the front end.
    ///
    /// # Errors
    ///
    /// Those of the channel.
    pub(crate) fn returned(&mut self, cost: &Cost<'_>, answer: &[u8], may_wait: bool) -> io::Result<()> {
        let stderr_bytes = u32::try_from(cost.stderr.len()).map_err(io::Error::other)?;
        let head = ReturnedHead { cpu: cost.cpu, max_rss_bytes: cost.max_rss_bytes, stderr_bytes };
        let mut bytes = [0; ReturnedHead::BYTES_MAX];
        let mut unwritten = &mut bytes[..];
        encode(head, &mut unwritten)?;
        let left = unwritten.len();
        let body = [&bytes[..ReturnedHead::BYTES_MAX - left], cost.stderr, answer];
        let room = self.unsent.capacity();
        if self.unsent.len() + Channel::frame_bytes(&body) > room {
            self.channel.send_all(&mut self.unsent)?;
        }
        if Channel::frame_bytes(&body) > room {
            return self.channel.send_frame(Kind::Returned, &body);
        }
        Channel::frame(&mut self.unsent, Kind::Returned, &body)?;
        if may_wait && self.channel.has_frame() { Ok(()) } else { self.channel.send_all(&mut self.unsent) }
    }

    /// Sends what waits for others: a child that [answers](Self::answer) has it too, and would send it again.
    ///
    /// # Errors
    ///
    /// Those of the channel.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.channel.send_all(&mut self.unsent)
    }

    /// Sends `reply`, after what was to be sent before.
    fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.send()?;
        self.channel.send(reply)
    }

    /// Tells of a case that handed back nothing.
    ///
    /// # Errors
    ///
    /// Those of the channel.
    pub(crate) fn reply(&mut self, asked: &Asked, report: impl FnOnce(&Run) -> CaseReport) -> io::Result<()> {
        let (run, _) = decode::<Run>(self.body(asked))?;
        let report = report(&run);
        self.say(&Reply::Ended(Box::new(report)))
    }

    /// Tells that the case could not be started.
    ///
    /// # Errors
    ///
    /// Those of the channel.
    pub(crate) fn not_started(&mut self, why: impl Display) -> io::Result<()> {
        self.say(&Reply::Error(WorkerFault::Setup(format!("cannot start a case: {why}"))))
    }

    /// Answers a message that holds no case.
    ///
    /// # Errors
    ///
    /// Those of the channel.
    pub(crate) fn answer(&mut self, message: Range<usize>) -> io::Result<()> {
        let reply = match message.is_empty() {
            true => Err(WorkerFault::Unexpected("the end of a case".to_owned())),
            false => self.answer_to(json::<Ask>(self.channel.bytes(message))?)?,
        };
        self.say(&reply.unwrap_or_else(Reply::Error))
    }

    /// Answers one question. The outer error is the talk's, the inner one the question's.
    fn answer_to(&mut self, ask: Ask) -> io::Result<Result<Reply, WorkerFault>> {
        let scenarios = &self.scenarios;
        let find =
            |name: &str| scenarios.get(name).copied().ok_or_else(|| WorkerFault::NoSuchScenario(name.to_owned()));
        let lines = |name: &str, path: &Path| {
            find(name).and_then(|def| (def.render_trace)(path).map_err(|error| WorkerFault::Trace(error.to_string())))
        };
        Ok(match ask {
            Ask::Hello { .. } => Err(WorkerFault::Unexpected("a second hello".to_owned())),
            Ask::List => Ok(Reply::Scenarios(scenarios.values().map(|def| ScenarioInfo::from(*def)).collect())),
            Ask::Trace { scenario, path } => match lines(&scenario, &path) {
                Err(fault) => Err(fault),
                Ok(lines) => {
                    for line in lines {
                        match line {
                            Ok(line) => self.channel.send(&Reply::TraceLine(line))?,
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
