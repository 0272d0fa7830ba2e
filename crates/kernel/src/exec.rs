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
use crate::universe::{self, Here, Shared, TaskWaker};

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

/// A task's future, or its output.
pub(crate) struct Entry {
    generation: u32,
    /// It was spawned on a thread of a node, where its handle probably is.
    away: bool,
    body: Pin<Box<dyn Body>>,
    /// The address of its waker while wakes of the polled task wait for the end of the poll; otherwise no address.
    waker: usize,
    export: Option<Export>,
}

/// What the simulation's own thread keeps outside the universe and outside the loop.
struct Home {
    /// Futures that are yet to be taken in by the loop.
    arrivals: Vec<(u32, Entry)>,
    /// Outputs of tasks that have ended, by slot.
    outputs: Vec<Option<Entry>>,
    programs: Vec<Option<Program>>,
}

thread_local! {
    static HOME: RefCell<Home> =
        const { RefCell::new(Home { arrivals: Vec::new(), outputs: Vec::new(), programs: Vec::new() }) };
}

/// Makes this thread the home of futures, or no longer. Futures and programs that are still here are handed back.
pub(crate) fn set_home(is_home: bool) {
    let room = if is_home { 8 } else { 0 };
    universe::here(|here| here.home.set(is_home));
    let home = Home {
        arrivals: Vec::with_capacity(room),
        outputs: Vec::with_capacity(2 * room),
        programs: Vec::with_capacity(room),
    };
    let old = HOME.with_borrow_mut(|h| std::mem::replace(h, home));
    drop(old);
}

/// Whether this is the own thread of a simulation, on which its futures are kept and polled.
#[inline]
#[must_use]
pub fn is_home() -> bool {
    universe::here(|here| here.home.get())
}

pub(crate) fn set_program(node: NodeId, program: Program) {
    let old = HOME.with_borrow_mut(|h| {
        if h.programs.len() <= node.index() {
            h.programs.resize_with(node.index() + 1, || None);
        }
        h.programs[node.index()].replace(program)
    });
    drop(old);
}

pub(crate) fn program(node: NodeId) -> Option<Program> {
    HOME.with_borrow(|h| h.programs.get(node.index()).cloned().flatten())
}

/// No waker is there, and nobody's poll has it while none is under way.
const NO_ADDRESS: usize = 1;

/// Leaves the future of a new task where the loop will take it in.
pub(crate) fn place(
    task: TaskRef,
    mut body: Pin<Box<dyn Body>>,
    export: Option<Export>,
    away: bool,
    shared: &Arc<Shared>,
) {
    let waker = universe::with_loop(|u| {
        let waker = TaskWaker { shared: Arc::clone(shared), task, generation: u.generation() };
        let waker = Waker::from(Arc::new(waker));
        if let Some(record) = u.kernel.tasks.get_mut(task) {
            record.waker = WakerIdentity::of(&waker);
        }
        // Where the order of wakes matters, each is seen to at once.
        let address = if u.kernel.by_draw { waker.data().addr() } else { NO_ADDRESS };
        (waker, address)
    });
    let Some((waker, address)) = waker else { return };
    body.as_mut().set_waker(waker);
    let entry = Entry { generation: task.generation, away, body, waker: address, export };
    HOME.with_borrow_mut(|h| h.arrivals.push((task.slot, entry)));
}

/// The futures of live tasks, by slot. They belong to the loop, so that a poll takes nothing from a thread-local and puts
/// nothing back.
#[derive(Default)]
pub(crate) struct Bodies(Vec<Option<Entry>>);

impl Bodies {
    /// Takes in the futures of new tasks.
    pub(crate) fn take_in(&mut self) {
        HOME.with_borrow_mut(|h| {
            for (slot, entry) in h.arrivals.drain(..) {
                let slot = slot as usize;
                if self.0.len() <= slot {
                    self.0.resize_with((slot + 1).next_power_of_two().max(16), || None);
                }
                self.0[slot] = Some(entry);
            }
        });
    }

    /// Polls a task's future. It may unwind: then [`Bodies::panicked`] is next, and `here` tells that a poll was under way.
    #[inline(always)]
    pub(crate) fn poll(&mut self, task: TaskRef, here: &Here) -> Polled {
        match self.0.get_mut(task.slot as usize) {
            Some(Some(entry)) if entry.generation == task.generation => {
                here.polled.set(entry.waker);
                let polled = entry.body.as_mut().poll();
                here.polled.set(0);
                if polled.is_pending() { Polled::Pending } else { Polled::Ended }
            }
            _ => Polled::Gone,
        }
    }

    fn get_mut(&mut self, task: TaskRef) -> Option<&mut Entry> {
        self.0.get_mut(task.slot as usize)?.as_mut().filter(|entry| entry.generation == task.generation)
    }

    /// The poll of a task has panicked: that becomes its output.
    pub(crate) fn panicked(&mut self, task: TaskRef, payload: Box<dyn Any + Send>) -> Polled {
        let message = panic_message(&*payload);
        let Some(entry) = self.get_mut(task) else { return Polled::Panicked(message) };
        match catch_unwind(AssertUnwindSafe(|| entry.body.as_mut().end(TaskError::Panicked(payload)))) {
            Ok(()) => Polled::Panicked(message),
            Err(again) => {
                Polled::Panicked(format!("{message}; and again while it was dropped: {}", panic_message(&*again)))
            }
        }
    }

    /// Drops a task's future without running more of it than `Drop`. Gives the message if that panicked.
    pub(crate) fn cancel(&mut self, task: TaskRef) -> Result<(), String> {
        self.take_in();
        let Some(entry) = self.get_mut(task) else { return Ok(()) };
        let result = catch_unwind(AssertUnwindSafe(|| entry.body.as_mut().end(TaskError::Cancelled)));
        self.retire(task);
        result.map_err(|payload| panic_message(&*payload))
    }

    /// Puts the output of a task that has ended where its handle finds it. Gives the output if it was spawned on a thread of
    /// a node: it is to be there when that thread sees that the task has ended.
    pub(crate) fn retire(&mut self, task: TaskRef) -> Option<Box<dyn Any + Send>> {
        let mut entry = self.0.get_mut(task.slot as usize)?.take_if(|entry| entry.generation == task.generation)?;
        if entry.away {
            return entry.body.as_mut().output().and_then(entry.export?);
        }
        let old = HOME.with_borrow_mut(|h| {
            let slot = task.slot as usize;
            if h.outputs.len() <= slot {
                h.outputs.resize_with((slot + 1).next_power_of_two().max(16), || None);
            }
            h.outputs[slot].replace(entry)
        });
        drop(old);
        None
    }
}

fn take(task: TaskRef) -> Option<Entry> {
    HOME.with_borrow_mut(|h| {
        h.outputs.get_mut(task.slot as usize)?.take_if(|entry| entry.generation == task.generation)
    })
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

/// Forgets a task's output.
pub(crate) fn forget(task: TaskRef) {
    drop(take(task));
}

/// Takes the output of an ended task.
pub(crate) fn take_output<T: 'static>(task: TaskRef) -> Option<Result<T, TaskError>> {
    let mut entry = take(task)?;
    let output =
        entry.body.as_mut().output().and_then(|any| any.downcast_mut::<Option<Result<T, TaskError>>>()?.take());
    drop(entry);
    output
}

/// Takes the output of an ended task for another thread.
pub(crate) fn export_output(task: TaskRef) -> Option<Box<dyn Any + Send>> {
    let mut entry = take(task)?;
    let output = entry.body.as_mut().output().and_then(entry.export?);
    drop(entry);
    output
}
