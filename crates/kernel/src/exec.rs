//! Futures: where they are kept, polled, cancelled and joined. They stay on the simulation's own thread, outside the
//! universe, so that nothing of the user's runs while the universe is borrowed.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::ids::{NodeId, TaskRef};
use crate::parked::WakerIdentity;
use crate::universe::{self, Shared, TaskWaker};

/// Why a task gave no output.
pub enum TaskError {
    /// It was aborted, or its node went down.
    Cancelled,
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send + 'static>),
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "Cancelled",
            Self::Panicked(_) => "Panicked",
        })
    }
}

pub(crate) trait Body {
    /// Sets the task's own waker, with which it is polled.
    fn set_waker(self: Pin<&mut Self>, waker: Waker);
    fn poll(self: Pin<&mut Self>) -> Poll<()>;
    /// Drops the future and leaves an error as its output.
    fn end(self: Pin<&mut Self>, error: TaskError);
    /// An `Option<Result<T, TaskError>>`, once the task has ended.
    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any>;
}

/// Takes a task's output in a form that can change thread.
pub(crate) type Export = fn(&mut dyn Any) -> Option<Box<dyn Any + Send>>;

fn export<T: Send + 'static>(output: &mut dyn Any) -> Option<Box<dyn Any + Send>> {
    let output = output.downcast_mut::<Option<Result<T, TaskError>>>()?.take()?;
    Some(Box::new(output))
}

/// A task's future on its way from a thread of a node to the simulation's own thread.
pub(crate) struct SendBody {
    pub(crate) body: Pin<Box<dyn Body + Send>>,
    pub(crate) export: Export,
}

impl fmt::Debug for SendBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendBody")
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Ended { output: Option<Result<F::Output, TaskError>> },
    }
}

pin_project! {
    /// A task's future, or its output, beside its own waker: one allocation, and one pointer to move.
    struct Whole<F: Future> {
        waker: Waker,
        #[pin]
        stage: Stage<F>,
    }
}

impl<F: Future> Whole<F> {
    fn new(future: F) -> Self {
        Self { waker: Waker::noop().clone(), stage: Stage::Running { future } }
    }
}

impl<F> Body for Whole<F>
where
    F: Future,
    F::Output: 'static,
{
    fn set_waker(self: Pin<&mut Self>, waker: Waker) {
        *self.project().waker = waker;
    }

    fn poll(self: Pin<&mut Self>) -> Poll<()> {
        let mut this = self.project();
        let output = match this.stage.as_mut().project() {
            StageProjection::Running { future } => match future.poll(&mut Context::from_waker(this.waker)) {
                Poll::Ready(output) => output,
                Poll::Pending => return Poll::Pending,
            },
            StageProjection::Ended { .. } => return Poll::Ready(()),
        };
        this.stage.set(Stage::Ended { output: Some(Ok(output)) });
        Poll::Ready(())
    }

    fn end(self: Pin<&mut Self>, error: TaskError) {
        let mut stage = self.project().stage;
        if matches!(*stage, Stage::Running { .. }) {
            stage.set(Stage::Ended { output: Some(Err(error)) });
        }
    }

    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any> {
        match self.project().stage.project() {
            StageProjection::Ended { output } => Some(output),
            StageProjection::Running { .. } => None,
        }
    }
}

pub(crate) fn body<F>(future: F) -> Pin<Box<dyn Body>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Box::pin(Whole::new(future))
}

/// How the output of `F` changes thread.
pub(crate) fn export_of<F>() -> Export
where
    F: Future,
    F::Output: Send + 'static,
{
    export::<F::Output>
}

pub(crate) fn send_body<F>(future: F) -> SendBody
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    SendBody { body: Box::pin(Whole::new(future)), export: export::<F::Output> }
}

/// A node's program: makes the future of its main task at each boot.
pub(crate) type Program = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>>>;

struct Entry {
    generation: u32,
    body: Option<Pin<Box<dyn Body>>>,
    export: Option<Export>,
    /// It was spawned on a thread of a node, where its handle probably is.
    away: bool,
}

struct Bodies {
    home: bool,
    entries: Vec<Entry>,
    programs: Vec<Option<Program>>,
}

thread_local! {
    static BODIES: RefCell<Bodies> = const { RefCell::new(Bodies { home: false, entries: Vec::new(), programs: Vec::new() }) };
}

/// Makes this thread the home of futures, or no longer. Futures and programs that are still here are handed back.
pub(crate) fn set_home(home: bool) {
    let room = if home { 16 } else { 0 };
    let bodies = Bodies { home, entries: Vec::with_capacity(room), programs: Vec::with_capacity(room / 2) };
    let old = BODIES.with_borrow_mut(|b| std::mem::replace(b, bodies));
    drop(old);
}

/// Whether futures are kept on this thread.
pub(crate) fn is_home() -> bool {
    BODIES.try_with(|b| b.try_borrow().is_ok_and(|b| b.home)).unwrap_or(false)
}

pub(crate) fn set_program(node: NodeId, program: Program) {
    let old = BODIES.with_borrow_mut(|b| {
        if b.programs.len() <= node.index() {
            b.programs.resize_with(node.index() + 1, || None);
        }
        b.programs[node.index()].replace(program)
    });
    drop(old);
}

pub(crate) fn program(node: NodeId) -> Option<Program> {
    BODIES.with_borrow(|b| b.programs.get(node.index()).cloned().flatten())
}

pub(crate) fn place(
    task: TaskRef,
    mut body: Pin<Box<dyn Body>>,
    export: Option<Export>,
    away: bool,
    shared: &Arc<Shared>,
) {
    let waker = Waker::from(Arc::new(TaskWaker { shared: Arc::clone(shared), task }));
    let identity = WakerIdentity::of(&waker);
    body.as_mut().set_waker(waker);
    universe::with_loop(|u| {
        if let Some(record) = u.kernel.tasks.get_mut(task) {
            record.waker = identity;
        }
    });
    let old = BODIES.with_borrow_mut(|b| {
        let slot = task.slot as usize;
        while b.entries.len() <= slot {
            b.entries.push(Entry { generation: 0, body: None, export: None, away: false });
        }
        let entry = Entry { generation: task.generation, body: Some(body), export, away };
        std::mem::replace(&mut b.entries[slot], entry)
    });
    drop(old);
}

#[inline]
fn take(task: TaskRef) -> Option<Pin<Box<dyn Body>>> {
    BODIES.with_borrow_mut(|b| {
        let entry = b.entries.get_mut(task.slot as usize).filter(|e| e.generation == task.generation)?;
        entry.body.take()
    })
}

#[inline]
fn put_back(task: TaskRef, body: Pin<Box<dyn Body>>) {
    let leftover = BODIES.with_borrow_mut(|b| match b.entries.get_mut(task.slot as usize) {
        Some(entry) if entry.generation == task.generation => entry.body.replace(body),
        _ => Some(body),
    });
    drop(leftover);
}

/// How a poll ended.
pub(crate) enum Polled {
    Pending,
    Ended,
    Panicked(String),
    /// There is no such future: it was taken down while it ran.
    Gone,
}

pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a payload that is no text".to_owned())
}

/// Polls a task's future. Panics are caught and become its output.
pub(crate) fn poll(task: TaskRef) -> Polled {
    let Some(mut body) = take(task) else { return Polled::Gone };
    let result = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll()));
    let polled = match result {
        Ok(Poll::Pending) => Polled::Pending,
        Ok(Poll::Ready(())) => Polled::Ended,
        Err(payload) => {
            let message = panic_message(&*payload);
            let ended = catch_unwind(AssertUnwindSafe(|| body.as_mut().end(TaskError::Panicked(payload))));
            match ended {
                Ok(()) => Polled::Panicked(message),
                Err(again) => {
                    Polled::Panicked(format!("{message}; and again while it was dropped: {}", panic_message(&*again)))
                }
            }
        }
    };
    put_back(task, body);
    polled
}

/// Drops a task's future without running more of it than `Drop`. Gives the message if that panicked.
pub(crate) fn cancel(task: TaskRef) -> Result<(), String> {
    let Some(mut body) = take(task) else { return Ok(()) };
    let result = catch_unwind(AssertUnwindSafe(|| body.as_mut().end(TaskError::Cancelled)));
    put_back(task, body);
    result.map_err(|payload| panic_message(&*payload))
}

/// Forgets a task's future and output.
pub(crate) fn forget(task: TaskRef) {
    drop(take(task));
}

/// Takes the output of an ended task.
pub(crate) fn take_output<T: 'static>(task: TaskRef) -> Option<Result<T, TaskError>> {
    let mut body = take(task)?;
    let output = body.as_mut().output().and_then(|any| any.downcast_mut::<Option<Result<T, TaskError>>>()?.take());
    drop(body);
    output
}

/// Takes the output of a task that has ended and was spawned on a thread of a node: it is to be there when that thread
/// sees that the task has ended.
pub(crate) fn export_if_away(task: TaskRef) -> Option<Box<dyn Any + Send>> {
    let away = BODIES.with_borrow(|b| b.entries.get(task.slot as usize).is_some_and(|e| e.away));
    if away { export_output(task) } else { None }
}

/// Takes the output of an ended task for another thread.
pub(crate) fn export_output(task: TaskRef) -> Option<Box<dyn Any + Send>> {
    let export = BODIES.with_borrow(|b| b.entries.get(task.slot as usize)?.export)?;
    let mut body = take(task)?;
    let output = body.as_mut().output().and_then(export);
    drop(body);
    output
}
