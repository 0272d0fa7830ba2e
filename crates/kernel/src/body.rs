//! A task's future, or its output: how it is kept, and in which form it can change thread.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::LocalFuture;
use crate::exec::TaskError;
use crate::ids::TaskRef;
use crate::stand_in::Seat;

pub(crate) trait Body {
    /// Sets the task's own waker, with which it is polled.
    fn set_waker(self: Pin<&mut Self>, waker: Waker);
    fn poll(self: Pin<&mut Self>) -> Poll<()>;
    /// Drops the future and leaves an error as its output.
    fn end(self: Pin<&mut Self>, error: TaskError);
    /// An `Option<Result<T, TaskError>>`, once the task has ended.
    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any>;
    /// Whether it has ended, and dropping its output runs nobody's code.
    fn is_inert(&self) -> bool;
    /// In a form that can change thread, if it can.
    fn pack(self: Pin<Box<Self>>) -> Load;
    /// Whether its poll is under way on another thread.
    fn is_away(&self) -> bool {
        false
    }
}

/// A task's future as it changes thread.
pub(crate) enum Load {
    Future(Pin<Box<dyn Body + Send>>),
    /// Its poll is under way on a thread that is blocked.
    Away(Seat),
    /// It cannot.
    Stays(Pin<Box<dyn Body>>),
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
    pub(crate) bound: bool,
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
    pub(crate) struct Whole<F: Future> {
        waker: Waker,
        #[pin]
        stage: Stage<F>,
    }
}

impl<F: Future> Whole<F> {
    fn new(future: F, waker: Waker) -> Self {
        Self { waker, stage: Stage::Running { future } }
    }
}

impl<F> Body for Whole<F>
where
    F: Future + 'static,
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

    fn is_inert(&self) -> bool {
        match &self.stage {
            Stage::Running { .. } | Stage::Ended { output: Some(Err(TaskError::Panicked(_))) } => false,
            Stage::Ended { output: Some(Ok(_)) } => !std::mem::needs_drop::<F::Output>(),
            Stage::Ended { output: None | Some(Err(TaskError::Cancelled)) } => true,
        }
    }

    fn pack(self: Pin<Box<Self>>) -> Load {
        Load::Stays(self)
    }
}

pin_project! {
    /// One that may change thread.
    struct Free<F: Future> {
        #[pin]
        whole: Whole<F>,
    }
}

impl<F> Body for Free<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn set_waker(self: Pin<&mut Self>, waker: Waker) {
        self.project().whole.set_waker(waker);
    }

    fn poll(self: Pin<&mut Self>) -> Poll<()> {
        self.project().whole.poll()
    }

    fn end(self: Pin<&mut Self>, error: TaskError) {
        self.project().whole.end(error);
    }

    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any> {
        self.project().whole.output()
    }

    fn is_inert(&self) -> bool {
        self.whole.is_inert()
    }

    fn pack(self: Pin<Box<Self>>) -> Load {
        Load::Future(self)
    }
}

/// In place of a future whose poll is under way on a thread that is blocked.
struct Away(Seat);

impl Body for Away {
    fn set_waker(self: Pin<&mut Self>, _waker: Waker) {}

    fn poll(self: Pin<&mut Self>) -> Poll<()> {
        Poll::Pending
    }

    fn end(self: Pin<&mut Self>, _error: TaskError) {}

    fn output(self: Pin<&mut Self>) -> Option<&mut dyn Any> {
        None
    }

    fn is_inert(&self) -> bool {
        true
    }

    fn pack(self: Pin<Box<Self>>) -> Load {
        Load::Away(Pin::into_inner(self).0)
    }

    fn is_away(&self) -> bool {
        true
    }
}

/// How the output of `F` changes thread.
pub(crate) fn export_of<F>() -> Export
where
    F: Future,
    F::Output: Send + 'static,
{
    export::<F::Output>
}

pub(crate) fn send_body<F>(future: F, bound: bool) -> SendBody
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let whole = Whole::new(future, Waker::noop().clone());
    SendBody { body: Box::pin(Free { whole }), export: export::<F::Output>, bound }
}

/// How a task's future is kept.
pub(crate) enum Kept {
    Boxed(Pin<Box<dyn Body>>),
    /// The main task of a node: a program boxes its future itself.
    Main(Whole<LocalFuture>),
}

impl Kept {
    pub(crate) fn free<F>(future: F, waker: Waker) -> Self
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self::Boxed(Box::pin(Free { whole: Whole::new(future, waker) }))
    }

    pub(crate) fn local<F>(future: F, waker: Waker) -> Self
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Self::Boxed(Box::pin(Whole::new(future, waker)))
    }

    pub(crate) fn main(future: LocalFuture, waker: Waker) -> Self {
        Self::Main(Whole::new(future, waker))
    }

    #[inline(always)]
    pub(crate) fn poll(&mut self) -> Poll<()> {
        match self {
            Self::Boxed(body) => body.as_mut().poll(),
            Self::Main(whole) => Pin::new(whole).poll(),
        }
    }

    pub(crate) fn body(&mut self) -> Pin<&mut dyn Body> {
        match self {
            Self::Boxed(body) => body.as_mut(),
            Self::Main(whole) => {
                let whole: Pin<&mut Whole<LocalFuture>> = Pin::new(whole);
                whole
            }
        }
    }

    /// Whether its poll is under way on another thread.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Boxed(body) => body.is_away(),
            Self::Main(_) => false,
        }
    }
}

/// A task's future, or its output, with what the loop knows of it.
pub(crate) struct Entry {
    pub(crate) generation: u32,
    /// It was spawned on a thread of a node, where its handle probably is.
    pub(crate) away: bool,
    /// It is polled on the simulation's own thread and on no other.
    pub(crate) bound: bool,
    pub(crate) body: Kept,
    /// The address of its waker while wakes of the polled task wait for the end of the poll; otherwise no address.
    pub(crate) waker: usize,
    pub(crate) export: Option<Export>,
}

/// One that changes thread.
pub(crate) struct Parcel {
    task: TaskRef,
    away: bool,
    bound: bool,
    body: Packed,
    waker: usize,
    export: Option<Export>,
}

enum Packed {
    Future(Pin<Box<dyn Body + Send>>),
    Away(Seat),
}

impl Entry {
    /// The output, in a form that can change thread, once the task has ended.
    pub(crate) fn exported(&mut self) -> Option<Box<dyn Any + Send>> {
        self.body.body().output().and_then(self.export?)
    }

    /// In a form that can change thread, or as it is if it cannot.
    pub(crate) fn pack(self, slot: u32) -> Result<Parcel, Self> {
        let Self { generation, away, bound, body, waker, export } = self;
        let as_it_is = |body| Err(Self { generation, away, bound, body, waker, export });
        let body = match body {
            Kept::Boxed(body) => match body.pack() {
                Load::Future(body) => Packed::Future(body),
                Load::Away(seat) => Packed::Away(seat),
                Load::Stays(body) => return as_it_is(Kept::Boxed(body)),
            },
            Kept::Main(_) => return as_it_is(body),
        };
        Ok(Parcel { task: TaskRef::new(slot, generation), away, bound, body, waker, export })
    }
}

impl Parcel {
    /// In place of a task whose poll is under way on a thread that is blocked.
    pub(crate) fn away(task: TaskRef, seat: Seat) -> Self {
        Self { task, away: false, bound: false, body: Packed::Away(seat), waker: crate::exec::NO_ADDRESS, export: None }
    }

    /// Its slot, and as the loop has it.
    pub(crate) fn unpack(self) -> (u32, Entry) {
        let Self { task, away, bound, body, waker, export } = self;
        let body = Kept::Boxed(match body {
            Packed::Future(body) => body,
            Packed::Away(seat) => Box::pin(Away(seat)),
        });
        (task.slot(), Entry { generation: task.generation(), away, bound, body, waker, export })
    }

    /// What lets the blocked poll of a task go on.
    pub(crate) fn into_seat(self) -> Option<Seat> {
        match self.body {
            Packed::Away(seat) => Some(seat),
            Packed::Future(_) => None,
        }
    }
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("task", &self.task).finish_non_exhaustive()
    }
}
