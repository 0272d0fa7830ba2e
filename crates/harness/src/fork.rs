//! A forked child per case: the isolation that a sealed run needs.

use std::{
    io,
    os::unix::process::parent_id,
    time::{Duration, Instant},
};

use stormglass_sys::process::{Capture, ChildEnd, CrashCause, ForkSeat, ForkServer, Limits as ProcessLimits, watchdog};

use crate::{
    Limits,
    case::{Cost, Ending, ended, run_case},
    worker::{Asked, Talk, Wanted, hung_up},
};

/// The environment of every case: what programs look for, the same on every machine. `UTC0` is a rule by itself, so that
/// no file of the machine is read for it.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/bin:/bin"),
    ("TZ", "UTC0"),
    ("USER", "root"),
    ("SHELL", "/bin/sh"),
];

/// Variables of the standard library that are passed on: a person sets them to see more of a panic.
const PASSED_ON: [&str; 2] = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];

fn environment() -> Vec<(String, String)> {
    let passed_on = PASSED_ON.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    ENVIRONMENT.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(passed_on).collect()
}

/// How long the answer of a case may have taken that waits for others.
const QUICK: Duration = Duration::from_millis(2);

/// Serves with a forked child per case, until the front end hangs up. Called while this process has one thread, and its
/// parent is still the front end that started it.
///
/// # Errors
///
/// Those of the talk, and where this process cannot be a fork server.
pub(crate) fn serve_by_forking(mut talk: Talk, seat: ForkSeat) -> io::Result<()> {
    // When the front end is gone this process gets another parent, and a case nobody waits for is given up.
    let front_end = parent_id();
    let served = ForkServer::serve(seat, &environment(), move |server| {
        while let Some(wanted) = talk.next()? {
            match wanted {
                Wanted::Answer(message) => apart(server, &mut talk, front_end, |talk, _| talk.answer(message))?,
                Wanted::Case(asked) => run(server, &mut talk, &asked, front_end)?,
            }
        }
        Ok(())
    });
    served.map_err(io::Error::other)?
}

fn run(server: &mut ForkServer, talk: &mut Talk, asked: &Asked, front_end: u32) -> io::Result<()> {
    let mut limits = ProcessLimits::default();
    limits.memory_bytes = Some(asked.head.memory_bytes);
    limits.capture = if asked.head.echo { Capture::Nothing } else { Capture::Both };
    let started = Instant::now();
    let deadline = started.checked_add(asked.head.wall);
    let (scenarios, body) = (talk.scenarios(), talk.body(asked));
    let mut alone = || parent_id() != front_end;
    let end = server.run(&limits, deadline, &mut alone, |result| {
        // An answer that cannot be written is one that is not whole, which the parent sees.
        let _ = run_case(scenarios, body, result);
    });
    match end {
        Ok((end, answer)) if end.is_whole() => {
            // Only then are the next ones: their answers come before anybody misses this one.
            let quick = started.elapsed() < QUICK;
            talk.returned(&cost(end), answer, quick)
        }
        Ok(_) => apart(server, talk, front_end, |talk, end| tell(talk, asked, end)),
        Err(error) => {
            // Whoever cannot fork cannot leave the words to a child, and is no longer what it was when it found them.
            talk.not_started(&error)?;
            Err(io::Error::other(error))
        }
    }
}

/// Leaves to a child what is to be said and takes memory for it: see [`ForkServer`]. It is given the end of the last case.
fn apart(
    server: &mut ForkServer,
    talk: &mut Talk,
    front_end: u32,
    say: impl FnOnce(&mut Talk, &ChildEnd) -> io::Result<()>,
) -> io::Result<()> {
    talk.send()?;
    let mut alone = || parent_id() != front_end;
    let said = server.apart(&mut alone, |end| {
        match say(talk, end) {
            // The server will see it too.
            Err(error) if hung_up(&error) => Ok(()),
            said => said.inspect_err(|error| eprintln!("stormglass worker: {error}")),
        }
    });
    match said {
        Ok(true) => Ok(()),
        Ok(false) => Err(io::Error::other("it could not say what it had to say")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Tells of a case that handed back no answer.
fn tell(talk: &mut Talk, asked: &Asked, end: &ChildEnd) -> io::Result<()> {
    match end.crash_cause() {
        // It has handed back an answer, so there is nothing to tell here.
        None => Ok(()),
        Some(CrashCause::NotSetUp) => {
            let why = String::from_utf8_lossy(&end.output);
            talk.not_started(format!("its process could not be set up: {}", why.trim()))
        }
        Some(cause) => {
            let ending = ending(&cause, &end.output);
            talk.reply(asked, |run| ended(&run.scenario, run.request.seed, &run.request.limits, ending, &cost(end)))
        }
    }
}

fn cost(end: &ChildEnd) -> Cost<'_> {
    Cost { cpu: end.cpu_user + end.cpu_system, max_rss_bytes: end.resident_bytes_max, stderr: &end.output }
}

fn ending(cause: &CrashCause, output: &[u8]) -> Ending {
    let crashed = |oracle| Ending::Crashed { oracle, how: format!("the process {cause}") };
    match cause {
        CrashCause::Panicked => Ending::Panicked(panic_message(output)),
        CrashCause::StackOverflow => crashed("stack-overflow"),
        CrashCause::OutOfMemory { .. } => Ending::Memory,
        CrashCause::PollOverran { call_site } => Ending::PollOverrun { call_site: call_site.clone() },
        CrashCause::Aborted => crashed("abort"),
        CrashCause::Faulted { .. } => crashed("fault"),
        CrashCause::Exited { .. } => crashed("exit"),
        CrashCause::ResultTooLarge => crashed("broken-record"),
        CrashCause::TimedOut => Ending::WallTime,
        CrashCause::KilledFromOutside { .. } | CrashCause::GivenUp => Ending::Killed(format!("the process {cause}")),
        // A cause that a later version of the process layer tells apart is a crash until it is given a name here.
        other => Ending::Crashed { oracle: "crash", how: format!("the process {other}") },
    }
}

/// The message of the last panic in `output`, with its place, as Rust's own hook writes it.
fn panic_message(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let Some((_, after)) = text.rsplit_once("panicked at ") else {
        return "a panic without a message".to_owned();
    };
    let mut lines = after.lines();
    let place = lines.next().unwrap_or("").trim_end_matches(':');
    let message: Vec<&str> =
        lines.take_while(|line| !line.starts_with("note: ") && !line.starts_with("stack backtrace:")).collect();
    format!("{} ({place})", message.join("\n").trim())
}

/// Watches this thread, which is to be the one that polls tasks, for a poll that uses more CPU time than `limits` allows.
/// Such a poll ends the process, and its seed is then a failure that says so.
///
/// A scenario's runner calls this on the thread that runs the simulation, and keeps the answer for as long as it does. It
/// marks each poll with [`poll_begins`](watchdog::poll_begins) and [`poll_ends`](watchdog::poll_ends).
///
/// # Errors
///
/// Where the platform has no such watchdog or the system refuses it.
pub fn watch_polls(limits: &Limits) -> io::Result<watchdog::Watching> {
    let mut watch = watchdog::Watch::default();
    watch.limit = limits.poll_cpu;
    watch.tick = watch.tick.min(limits.poll_cpu / 4);
    watchdog::start(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_message_and_place() {
        let output =
            b"noise\n\nthread 'main' (7) panicked at src/raft.rs:12:5:\nterm went back\nfrom 3 to 2\nnote: run with\n";
        assert_eq!(panic_message(output), "term went back\nfrom 3 to 2 (src/raft.rs:12:5)");
        assert_eq!(panic_message(b"nothing"), "a panic without a message");
    }
}
