//! Threads of a node, and the baton that lets one of them run.
//!
//! The universe belongs to whoever holds the baton: the simulation's own thread, or one thread of a node, never two. A
//! thread of a node is an OS thread that runs only while it holds the baton and gives it back whenever it blocks; to the
//! kernel it is a task whose poll is the time between. Futures never change thread.
//!
//! Today one thing blocks: [`block_on`] at the top of a program. The same hand-over serves whatever is to block later.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::exec::is_home;
use crate::universe::{self, Universe};

/// What the simulation's thread hands to a thread of a node.
struct Turn {
    universe: Box<Universe>,
    waker: Waker,
    /// The node is down: unwind, dropping what there is, and do nothing else.
    stop: bool,
}

/// What comes back.
enum Back<R> {
    Blocked(Box<Universe>),
    Ended(Box<Universe>, thread::Result<R>),
}

/// The payload of the panic that unwinds a thread whose node went down.
struct Stopped;

/// What a thread of a node knows of the simulation's thread.
struct Post {
    turns: Receiver<Turn>,
    give_back: Box<dyn Fn(Box<Universe>) -> bool>,
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
    turns: Sender<Turn>,
    back: Receiver<Back<R>>,
    thread: thread::JoinHandle<()>,
}

/// Starts an OS thread that runs a closure; the seal has its own way to do so.
pub type SpawnThread = fn(Box<dyn FnOnce() + Send>) -> std::io::Result<thread::JoinHandle<()>>;

impl<R> Unpin for NodeThread<R> {}

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
        let Some(running) = &self.running else { panic!("a program that has ended was polled again") };
        match hand_over(running, cx.waker().clone(), false) {
            None => Poll::Pending,
            Some(result) => {
                if let Some(running) = self.running.take() {
                    // It has given back the baton for good; what is left of it is its own return.
                    let _ = running.thread.join();
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
        let Some(running) = self.running.take() else { return };
        if universe::is_current() {
            // The program unwinds, and runs nothing but what unwinding drops.
            while hand_over(&running, Waker::noop().clone(), true).is_none() {}
        }
        drop(running.turns);
        let _ = running.thread.join();
    }
}

/// Lends the universe to the thread until it blocks or ends.
fn hand_over<R>(running: &Running<R>, waker: Waker, stop: bool) -> Option<thread::Result<R>> {
    let universe = universe::uninstall()?;
    if let Err(lost) = running.turns.send(Turn { universe, waker, stop }) {
        universe::install(lost.0.universe);
        return Some(Err(Box::new("the thread of a node is gone")));
    }
    match running.back.recv() {
        Ok(Back::Blocked(universe)) => {
            universe::install(universe);
            None
        }
        Ok(Back::Ended(universe, result)) => {
            universe::install(universe);
            Some(result)
        }
        // Only an abort of the whole process loses the baton.
        Err(_) => Some(Err(Box::new("the thread of a node took the simulation with it"))),
    }
}

fn start<R: Send + 'static>(spawn: SpawnThread, program: Box<dyn FnOnce() -> R + Send>) -> Running<R> {
    let (turns, next_turn) = channel();
    let (give_back, back) = channel();
    let thread = spawn(Box::new(move || on_thread(next_turn, give_back, program)));
    match thread {
        Ok(thread) => Running { turns, back, thread },
        Err(error) => panic!("no thread for a node's program: {error}"),
    }
}

fn on_thread<R: Send + 'static>(turns: Receiver<Turn>, back: Sender<Back<R>>, program: Box<dyn FnOnce() -> R + Send>) {
    let Ok(Turn { universe, waker, stop }) = turns.recv() else { return };
    universe::install(universe);
    let blocked = back.clone();
    let give_back = Box::new(move |universe| blocked.send(Back::Blocked(universe)).is_ok());
    POST.set(Some(Post { turns, give_back, waker }));
    let result = if stop {
        drop(program);
        Err(Box::new(Stopped) as Box<dyn std::any::Any + Send>)
    } else {
        catch_unwind(AssertUnwindSafe(program))
    };
    POST.set(None);
    if let Some(universe) = universe::uninstall() {
        let _ = back.send(Back::Ended(universe, result));
    }
}

/// Gives the baton back and waits for the next turn. `false` when the node has gone down.
fn next_turn() -> bool {
    let turn = POST.with_borrow(|post| {
        let post = post.as_ref()?;
        let universe = universe::uninstall()?;
        (post.give_back)(universe).then(|| post.turns.recv().ok()).flatten()
    });
    // The simulation is over: there is nobody to hand the baton back to.
    let Some(Turn { universe, waker, stop }) = turn else { return false };
    universe::install(universe);
    POST.with_borrow_mut(|post| {
        if let Some(post) = post {
            post.waker = waker;
        }
    });
    !stop
}

/// Whether this thread belongs to a node and may block.
#[must_use]
pub fn may_block() -> bool {
    !is_home() && POST.with_borrow(Option::is_some)
}

/// Runs `future` to its end on this thread of a node, giving the baton back whenever it is pending.
///
/// # Panics
/// On a thread that is not a node's own: the simulation's thread must not block.
pub fn block_on<F: Future>(future: F) -> F::Output {
    assert!(
        may_block(),
        "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) attempted to \
         block the current thread while the thread is being used to drive asynchronous tasks."
    );
    match drive(future) {
        Some(value) => value,
        None => resume_unwind(Box::new(Stopped)),
    }
}

/// As [`block_on`], for code that must not unwind: called by C, say. `None` when the node has gone down meanwhile; nothing
/// that the thread does from then on has an effect.
pub fn block_on_or_stop<F: Future>(future: F) -> Option<F::Output> {
    if may_block() { drive(future) } else { None }
}

fn drive<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    loop {
        let waker = POST.with_borrow(|post| post.as_ref().map_or_else(|| Waker::noop().clone(), |p| p.waker.clone()));
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        if !next_turn() {
            return None;
        }
    }
}
