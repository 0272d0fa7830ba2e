//! Runs one program's body as the main task of the only node of a fresh world.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::process::exit;
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::{Poll, Waker};
use std::thread;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel as kernel;
use stormglass_kernel::{Failure, Limits, Options, Report, Simulation, VirtualTime};
use stormglass_net::Net;
use stormglass_sys::process::watchdog;

use crate::asked::Asked;
use crate::ended::{Begun, Ended, How};
use crate::hooks::{leaked, leaked_by_thread, seal_thread, spawn_node_thread};
use crate::node_locals::switch;
use crate::printing::print_panics;
use crate::stranded::stranded;
use crate::surroundings::Surroundings;
use crate::whole::Whole;

/// The host name of the program's machine.
const NODE: &str = "program";

/// Whether a program that starts on this thread now is to be simulated: the process was asked to, and the thread is not in
/// a simulation already.
#[must_use]
pub fn is_to_be_simulated() -> bool {
    !kernel::is_held() && !kernel::may_block() && Asked::of_process().is_some()
}

/// The body's output on its way out of the simulation.
struct Exit<T> {
    output: Option<thread::Result<T>>,
    driver: Option<Waker>,
}

thread_local! {
    static BEFORE_POLL: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Those of the process's simulation, for threads that stand in for its own.
static AROUND: OnceLock<Surroundings> = OnceLock::new();

/// What is done around the run on a thread that goes on with it while its own is blocked.
fn stand_in(go_on: &mut dyn FnMut()) {
    match AROUND.get() {
        Some(surroundings) => {
            BEFORE_POLL.set(Some(surroundings.before_poll));
            (surroundings.around_run)(go_on);
        }
        None => go_on(),
    }
}

/// Before each poll of this thread's simulation.
fn poll_begins() {
    if let Some(before) = BEFORE_POLL.get() {
        before();
    }
    watchdog::poll_begins();
}

/// Runs the future that `body` makes in a simulation of its own, on this thread, as the environment asks. Its runtime is of
/// this thread alone.
///
/// # Panics
/// With the body's own panic; and where the body cannot return because the simulation ended before it: a deadlock, a
/// limit, something refused. What happened is told on standard error and in the account of the run.
pub fn simulate<F>(body: impl FnOnce() -> F + 'static, surroundings: Surroundings) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let Some(asked) = Asked::of_process() else { panic!("nobody asked for a simulation of this program") };
    tell(&asked, |file| Begun { seed: asked.seed }.tell(file));
    if asked.listing {
        exit(0);
    }
    print_panics();
    let (report, output) = run(&asked, surroundings, true, body);
    let ended = account(&report, output.as_ref());
    tell(&asked, |file| ended.tell(file));
    match (report.outcome, output) {
        (Ok(()), Some(Ok(value))) => value,
        (Ok(()), Some(Err(payload))) => resume_unwind(payload),
        (Err(_), _) | (Ok(()), None) => {
            // No panic of the program's own: no place and no backtrace would tell anything.
            eprintln!("stormglass: seed {}: {}", asked.seed, ended.why);
            resume_unwind(Box::new(ended.why))
        }
    }
}

/// Runs a program's body in a world of its own, and gives its output if it has one. With `one_thread` tasks of the node's own
/// runtime are polled on this thread and on no other.
pub(crate) fn run<F>(
    asked: &Asked,
    surroundings: Surroundings,
    one_thread: bool,
    body: impl FnOnce() -> F + 'static,
) -> (Report<()>, Option<thread::Result<F::Output>>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let _ = AROUND.set(surroundings);
    BEFORE_POLL.set(Some(surroundings.before_poll));
    surroundings.run(|| run_within(asked, one_thread, body))
}

fn run_within<F>(
    asked: &Asked,
    one_thread: bool,
    body: impl FnOnce() -> F + 'static,
) -> (Report<()>, Option<thread::Result<F::Output>>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut options = Options::new(asked.seed);
    options.limits = Limits { virtual_time: VirtualTime::ZERO + asked.time, ..Limits::default() };
    options.on_poll = Some(poll_begins);
    options.on_polled = Some(leaked);
    options.on_switch = Some(switch);
    options.blocking = Some(kernel::Blocking { around: stand_in, stranded });
    let mut simulation = Simulation::new(options);
    simulation.universe().set_thread_spawner(spawn_node_thread);
    simulation.universe().set_on_hand_back(leaked_by_thread);
    simulation.universe().insert(Net::default());
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    // Without a watchdog a poll that never ends is left to whoever waits for the process.
    let _watching = watchdog::start(watchdog::Watch::default()).ok();
    let _sealed = seal_thread(asked.seed);
    let shared = Rc::new(RefCell::new(Exit { output: None, driver: None }));
    let inside = Rc::clone(&shared);
    let report = simulation.run(async move {
        start(body, one_thread, Rc::clone(&inside));
        poll_fn(|cx| {
            let mut exit = inside.borrow_mut();
            if exit.output.is_some() {
                return Poll::Ready(());
            }
            exit.driver = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    });
    let output = shared.borrow_mut().output.take();
    (report, output)
}

/// Boots the program's node. As outside, a panic of a task ends that task; the body's own panic ends the program.
fn start<F>(body: impl FnOnce() -> F + 'static, one_thread: bool, shared: Rc<RefCell<Exit<F::Output>>>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let node = kernel::with(|u| u.kernel.add_node(NODE));
    let Some(node) = node else { panic!("a fresh world has room for one node") };
    let body = RefCell::new(Some(body));
    kernel::set_program(node, move || {
        let (body, shared) = (body.borrow_mut().take(), Rc::clone(&shared));
        Box::pin(async move {
            let Some(body) = body else { return };
            let output = Whole::new(async move { body().await }).await;
            let mut exit = shared.borrow_mut();
            exit.output = Some(output);
            let driver = exit.driver.take();
            drop(exit);
            driver.into_iter().for_each(Waker::wake);
        })
    });
    kernel::with(|u| {
        u.kernel.allow_panics(node);
        if one_thread {
            u.kernel.set_one_thread(node);
        }
        u.kernel.boot(node);
    });
}

pub(crate) fn account<T>(report: &Report<()>, output: Option<&thread::Result<T>>) -> Ended {
    let (how, why) = match (&report.outcome, output) {
        (Ok(()), Some(Ok(_))) => (How::Returned, String::new()),
        (Ok(()), Some(Err(payload))) => (How::Panicked, message(&**payload)),
        (Ok(()), None) => (How::Failed, "the program ended and left no output".to_owned()),
        (Err(failure), _) => (How::of(failure), explain(failure, report)),
    };
    let virtual_ns = report.ended_at.as_nanos();
    Ended { how, virtual_ns, polls: report.polls, digest: report.digest.0, why }
}

fn explain(failure: &Failure, report: &Report<()>) -> String {
    let mut why = match failure {
        Failure::Deadlock => "deadlock: nothing is left to happen, and the program has not ended".to_owned(),
        other => other.to_string(),
    };
    for waiting in report.waiting.iter().filter(|waiting| waiting.node == NODE) {
        why.push_str(&format!("\n{waiting}"));
    }
    why
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned())
}

pub(crate) fn tell(asked: &Asked, write: impl FnOnce(&std::path::Path) -> std::io::Result<()>) {
    if let Some(file) = &asked.ended
        && let Err(error) = write(file)
    {
        panic!("the account of this program cannot be written to {}: {error}", file.display());
    }
}
