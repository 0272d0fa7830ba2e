//! Threads of a node, and the baton that lets one of them run.
//!
//! The universe belongs to whoever holds the baton: the simulation's own thread, or one thread of a node, never two. A
//! thread of a node is an OS thread that runs only while it holds the baton and gives it back whenever it blocks; to the
//! kernel it is a task whose poll is the time between. Futures never change thread.
//!
//! It blocks in [`block_on`], and, where it is sealed, in whatever waits in libc: see [`wait`](crate::blocked::wait).

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::exec::is_home;
use crate::mailbox::{Inlet, Outlet, mailbox, never};
use crate::stand_in;
use crate::universe::{self, Universe};

/// What the simulation's thread hands to a thread of a node.
pub(crate) struct Turn {
    universe: Box<Universe>,
    waker: Waker,
    /// The node is down: unwind, dropping what there is, and do nothing else.
    pub(crate) stop: bool,
}

/// What comes back.
pub(crate) enum Back<R> {
    Blocked(Box<Universe>, Below),
    Ended(Box<Universe>, thread::Result<R>),
}

/// Where a thread waits for its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Below {
    /// Among frames that unwind.
    Rust,
    /// Beneath a call of libc: it can be resumed or left, not unwound.
    Libc,
}

/// The payload of the panic that unwinds a thread whose node went down.
struct Stopped;

/// What a thread of a node knows of the simulation's thread.
struct Post {
    turns: Outlet<Turn>,
    give_back: Box<dyn Fn(Box<Universe>, Below) -> bool>,
    waker: Waker,
}

thread_local! {
    static POST: RefCell<Option<Post>> = const { RefCell::new(None) };
}

/// A node's program on a thread of its own: a future that is ready when the program has ended.
pub(crate) struct NodeThread<R> {
    start: Option<Start<R>>,
    running: Option<Running<R>>,
}

struct Start<R> {
    spawn: SpawnThread,
    program: Box<dyn FnOnce() -> R + Send>,
}

struct Running<R> {
    turns: Inlet<Turn>,
    back: Outlet<Back<R>>,
    /// `None`: it was there before the simulation, and will be there after it.
    thread: Option<thread::JoinHandle<()>>,
    waits: Below,
}

impl<R> Running<R> {
    /// Waits for the end of a thread that has given back the baton for good: what is left of it is its own return.
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts an OS thread that runs a closure; the seal has its own way to do so.
pub type SpawnThread = fn(Box<dyn FnOnce() + Send>) -> std::io::Result<thread::JoinHandle<()>>;

impl<R> Unpin for NodeThread<R> {}

impl<R> NodeThread<R> {
    /// Of a thread that runs already, and waits for its first turn.
    pub(crate) fn of_guest(turns: Inlet<Turn>, back: Outlet<Back<R>>) -> Self {
        Self { start: None, running: Some(Running { turns, back, thread: None, waits: Below::Rust }) }
    }
}

/// Runs `program` on a thread of the current node, started by `spawn`. The future is polled on the simulation's thread.
///
/// # Errors
/// As an output: the panic of the program.
pub fn run_on_thread<R: Send + 'static>(
    spawn: SpawnThread,
    program: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = R> {
    NodeThread { start: Some(Start { spawn, program: Box::new(program) }), running: None }
}

/// Runs `program` on a thread of the current node, started as this simulation starts them. Nothing runs before the first
/// poll, on the simulation's thread.
pub fn run_blocking<R: Send + 'static>(program: impl FnOnce() -> R + Send + 'static) -> impl Future<Output = R> + Send {
    let spawn: SpawnThread = |f| match universe::try_with(|u| u.spawn_thread) {
        Some(spawn) => spawn(f),
        None => plain_thread(f),
    };
    NodeThread { start: Some(Start { spawn, program: Box::new(program) }), running: None }
}

pub(crate) fn plain_thread(f: Box<dyn FnOnce() + Send>) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().spawn(f)
}

impl<R: Send + 'static> Future for NodeThread<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if let Some(Start { spawn, program }) = self.start.take() {
            self.running = Some(start(spawn, program));
        }
        let Some(running) = &mut self.running else { panic!("a program that has ended was polled again") };
        match hand_over(running, cx.waker().clone(), false) {
            None => Poll::Pending,
            Some(result) => {
                if let Some(mut running) = self.running.take() {
                    running.join();
                }
                match result {
                    Ok(value) => Poll::Ready(value),
                    Err(payload) => resume_unwind(payload),
                }
            }
        }
    }
}

impl<R> Drop for NodeThread<R> {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        if universe::is_current() {
            // The program unwinds, and runs nothing but what unwinding drops.
            while running.waits == Below::Rust && hand_over(&mut running, Waker::noop().clone(), true).is_none() {}
        }
        // There is no other turn to wait for.
        running.turns.close();
        if running.waits == Below::Rust {
            running.join();
        }
    }
}

/// Lends the universe to the thread until it blocks or ends.
fn hand_over<R>(running: &mut Running<R>, waker: Waker, stop: bool) -> Option<thread::Result<R>> {
    let universe = universe::uninstall()?;
    if let Err(lost) = running.turns.put(Turn { universe, waker, stop }) {
        universe::install(lost.universe);
        return Some(Err(Box::new("the thread of a node is gone")));
    }
    match running.back.take() {
        Some(Back::Blocked(universe, waits)) => {
            universe::install(universe);
            running.waits = waits;
            None
        }
        Some(Back::Ended(universe, result)) => {
            universe::install(universe);
            running.waits = Below::Rust;
            Some(result)
        }
        // Only an abort of the whole process loses the baton.
        None => Some(Err(Box::new("the thread of a node took the simulation with it"))),
    }
}

fn start<R: Send + 'static>(spawn: SpawnThread, program: Box<dyn FnOnce() -> R + Send>) -> Running<R> {
    let (turns, next_turn) = mailbox();
    let (give_back, back) = mailbox();
    let thread = spawn(Box::new(move || on_thread(next_turn, give_back, program)));
    match thread {
        Ok(thread) => Running { turns, back, thread: Some(thread), waits: Below::Rust },
        Err(error) => panic!("no thread for a node's program: {error}"),
    }
}

fn on_thread<R: Send + 'static>(turns: Outlet<Turn>, back: Inlet<Back<R>>, program: Box<dyn FnOnce() -> R + Send>) {
    let Some(turn) = turns.take() else { return };
    let (stop, back) = (turn.stop, Arc::new(back));
    take_up(turn, turns, Arc::clone(&back));
    let result = if stop {
        drop(program);
        Err(Box::new(Stopped) as Box<dyn std::any::Any + Send>)
    } else {
        catch_unwind(AssertUnwindSafe(program))
    };
    lay_down(&back, result);
}

/// Makes this thread a node's, with its first turn.
pub(crate) fn take_up<R: 'static>(turn: Turn, turns: Outlet<Turn>, back: Arc<Inlet<Back<R>>>) {
    universe::install(turn.universe);
    let give_back = Box::new(move |universe, below| back.put(Back::Blocked(universe, below)).is_ok());
    POST.set(Some(Post { turns, give_back, waker: turn.waker }));
}

/// Makes this thread nobody's again, and gives the baton back for good.
pub(crate) fn lay_down<R>(back: &Inlet<Back<R>>, result: thread::Result<R>) {
    POST.set(None);
    if let Some(mut universe) = universe::uninstall() {
        universe.look_behind();
        let _ = back.put(Back::Ended(universe, result));
    }
}

/// Gives the baton back and waits for the next turn; `None` when there is none to come.
fn next_turn(below: Below) -> Option<Turn> {
    POST.with_borrow(|post| {
        let post = post.as_ref()?;
        let mut universe = universe::uninstall()?;
        universe.look_behind();
        (post.give_back)(universe, below).then(|| post.turns.take()).flatten()
    })
}

fn resume(universe: Box<Universe>, waker: Waker) {
    universe::install(universe);
    POST.with_borrow_mut(|post| {
        if let Some(post) = post {
            post.waker = waker;
        }
    });
}

/// Gives the baton back and waits for the next turn. `false` when the node has gone down, or the simulation is over: then
/// there is nobody to hand the baton back to.
fn wait_for_turn() -> bool {
    let Some(Turn { universe, waker, stop }) = next_turn(Below::Rust) else { return false };
    resume(universe, waker);
    !stop
}

/// Gives the baton back where nothing can unwind, and waits for the next turn. Does not return when the node has gone down.
pub(crate) fn wait_below() {
    match next_turn(Below::Libc) {
        Some(Turn { universe, waker, .. }) => resume(universe, waker),
        None => never(),
    }
}

/// What wakes this thread of a node.
pub(crate) fn waker() -> Waker {
    POST.with_borrow(|post| post.as_ref().map_or_else(|| Waker::noop().clone(), |p| p.waker.clone()))
}

/// Whether this thread belongs to a node and may block.
#[must_use]
pub fn may_block() -> bool {
    !is_home() && POST.try_with(|post| post.try_borrow().is_ok_and(|post| post.is_some())).unwrap_or(false)
}

/// Runs `future` to its end on this thread of a node, giving the baton back whenever it is pending. In the midst of a poll that
/// [may block](crate::Blocking) another thread goes on meanwhile.
///
/// # Panics
/// On any other thread: the simulation's own must not block.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let in_poll = if may_block() { None } else { stand_in::call() };
    assert!(
        in_poll.is_some() || may_block(),
        "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) attempted to \
         block the current thread while the thread is being used to drive asynchronous tasks."
    );
    let mut future = pin!(future);
    loop {
        let waker = in_poll.clone().unwrap_or_else(waker);
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        if in_poll.is_some() {
            stand_in::give_way();
        } else if thread::panicking() {
            // What unwinds already, and waits in a `Drop`, cannot unwind once more.
            wait_below();
        } else if !wait_for_turn() {
            resume_unwind(Box::new(Stopped));
        }
    }
}

/// As [`block_on`], for code that must not unwind: called by C, say. `None` when the node has gone down meanwhile; nothing
/// that the thread does from then on has an effect.
pub fn block_on_or_stop<F: Future>(future: F) -> Option<F::Output> {
    if !may_block() {
        return None;
    }
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker())) {
            return Some(value);
        }
        if !wait_for_turn() {
            return None;
        }
    }
}
