//! Futures: where they are kept, polled, cancelled and joined. They stay on the simulation's own thread, outside the
//! universe, so that nothing of the user's runs while the universe is borrowed.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::LocalFuture;
use crate::body::{Entry, Export, Kept, Parcel, SendBody};
use crate::ids::{NodeId, TaskRef};
use crate::parked::WakerIdentity;
use crate::programs::{Program, Programs};
use crate::spare::ENTRIES_KEPT;
use crate::universe::{self, Here, TaskWaker, Universe};

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

/// What the simulation's own thread keeps outside the universe and outside the loop.
struct Home {
    /// Futures that are yet to be taken in by the loop.
    arrivals: Vec<(u32, Entry)>,
    /// Outputs of tasks that have ended, by slot.
    outputs: Vec<Option<Entry>>,
    programs: Programs,
    /// Emptied, for the loop of the next simulation.
    bodies: Bodies,
}

impl Home {
    const EMPTY: Self =
        Self { arrivals: Vec::new(), outputs: Vec::new(), programs: Programs(Vec::new()), bodies: Bodies(Vec::new()) };
}

thread_local! {
    static HOME: RefCell<Home> = const { RefCell::new(Home::EMPTY) };
}

/// Takes what is here away, drops it while nothing is borrowed, and keeps its memory for the next simulation, unless it is
/// much.
fn empty_home(bodies: Bodies) {
    let Home { mut arrivals, mut outputs, mut programs, bodies: _ } =
        HOME.with_borrow_mut(|h| std::mem::replace(h, Home::EMPTY));
    arrivals.clear();
    outputs.iter_mut().for_each(|place| *place = None);
    programs.0.clear();
    if outputs.capacity().max(bodies.0.capacity()).max(arrivals.capacity()) <= ENTRIES_KEPT {
        HOME.with_borrow_mut(|h| *h = Home { arrivals, outputs, programs, bodies });
    }
}

/// Memory for the programs of a simulation's nodes.
pub(crate) fn room_for_programs() -> Programs {
    if is_home() { Programs::default() } else { HOME.with_borrow_mut(|h| std::mem::take(&mut h.programs)) }
}

/// Makes this thread the home of futures. Gives what the loop keeps them in.
pub(crate) fn move_in(programs: Programs) -> Bodies {
    let bodies = HOME.with_borrow_mut(|h| std::mem::take(&mut h.bodies));
    // A run that somebody unwound from has left its things behind.
    let stale = HOME.with_borrow_mut(|h| !(h.arrivals.is_empty() && h.outputs.iter().all(Option::is_none)));
    if stale {
        empty_home(Bodies::default());
    }
    HOME.with_borrow_mut(|h| h.programs = programs);
    universe::here(|here| here.home.set(true));
    bodies
}

/// This thread is no longer the home of futures. Those and the programs that are still here are dropped.
pub(crate) fn move_out(bodies: Bodies) {
    universe::here(|here| here.home.set(false));
    empty_home(bodies);
}

/// Whether this is the own thread of a simulation, on which its futures are kept and polled.
#[inline]
#[must_use]
pub fn is_home() -> bool {
    universe::here(|here| here.home.get())
}

pub(crate) fn set_program(node: NodeId, program: Program) {
    let old = HOME.with_borrow_mut(|h| h.programs.set(node, program));
    drop(old);
}

pub(crate) fn program(node: NodeId) -> Option<Program> {
    HOME.with_borrow(|h| h.programs.0.get(node.index())?.clone())
}

/// No waker is there, and nobody's poll has it while none is under way.
pub(crate) const NO_ADDRESS: usize = 1;

/// A task's own waker, and the address by which a poll knows it.
pub(crate) fn waker_of(universe: &mut Universe, task: TaskRef) -> (Waker, usize) {
    let waker = Waker::from(Arc::new(TaskWaker { task, generation: universe.generation() }));
    if let Some(record) = universe.kernel.tasks.get_mut(task) {
        record.waker = WakerIdentity::of(&waker);
    }
    // Where the order of wakes matters, each is seen to at once.
    let address = if universe.kernel.by_draw { waker.data().addr() } else { NO_ADDRESS };
    (waker, address)
}

/// Leaves the future of a new task where the loop will take it in.
pub(crate) fn place(task: TaskRef, body: Kept, waker: usize, export: Option<Export>, bound: bool) {
    let entry = Entry { generation: task.generation(), away: false, bound, body, waker, export };
    HOME.with_borrow_mut(|h| h.arrivals.push((task.slot(), entry)));
}

/// The same with a future that a thread of a node has spawned.
pub(crate) fn place_from_elsewhere(task: TaskRef, SendBody { mut body, export, bound }: SendBody) {
    let Some((waker, address)) = universe::with_loop(|u| waker_of(u, task)) else { return };
    body.as_mut().set_waker(waker);
    let body = Kept::Boxed(body);
    let entry = Entry { generation: task.generation(), away: true, bound, body, waker: address, export: Some(export) };
    HOME.with_borrow_mut(|h| h.arrivals.push((task.slot(), entry)));
}

/// The futures of live tasks, by slot. They belong to the loop, so that a poll takes nothing from a thread-local and puts
/// nothing back.
#[derive(Default)]
pub(crate) struct Bodies(Vec<Option<Entry>>);

impl Bodies {
    /// Drops them all. Their places stay.
    pub(crate) fn clear(&mut self) {
        self.0.iter_mut().for_each(|place| *place = None);
    }

    /// Takes in the futures of new tasks.
    pub(crate) fn take_in(&mut self) {
        HOME.with_borrow_mut(|h| {
            for (slot, entry) in h.arrivals.drain(..) {
                *self.place_of(slot) = Some(entry);
            }
        });
    }

    /// Takes in the main task of a node.
    pub(crate) fn put_main(&mut self, task: TaskRef, future: LocalFuture, (waker, address): (Waker, usize)) {
        let body = Kept::main(future, waker);
        let entry =
            Entry { generation: task.generation(), away: false, bound: true, body, waker: address, export: None };
        *self.place_of(task.slot()) = Some(entry);
    }

    #[inline]
    fn place_of(&mut self, slot: u32) -> &mut Option<Entry> {
        let slot = slot as usize;
        if self.0.len() <= slot {
            self.0.resize_with((slot + 1).next_power_of_two().max(16), || None);
        }
        &mut self.0[slot]
    }

    /// Polls a task's future. It may unwind: then [`Bodies::panicked`] is next, and `here` tells that a poll was under way.
    #[inline(always)]
    pub(crate) fn poll(&mut self, task: TaskRef, here: &Here) -> Outcome {
        match self.0.get_mut(task.slot() as usize) {
            Some(Some(entry)) if entry.generation == task.generation() => {
                here.polled.set(entry.waker);
                let polled = entry.body.poll();
                here.polled.set(0);
                if polled.is_pending() { Outcome::Pending } else { Outcome::Ended }
            }
            _ => self.poll_arrived(task, here),
        }
    }

    /// The first poll of a task that came after the last were taken in.
    #[cold]
    fn poll_arrived(&mut self, task: TaskRef, here: &Here) -> Outcome {
        self.take_in();
        if self.get_mut(task).is_some() { self.poll(task, here) } else { Outcome::Gone }
    }

    fn get_mut(&mut self, task: TaskRef) -> Option<&mut Entry> {
        self.0.get_mut(task.slot() as usize)?.as_mut().filter(|entry| entry.generation == task.generation())
    }

    /// The poll of a task has panicked: that becomes its output.
    pub(crate) fn panicked(&mut self, task: TaskRef, payload: Box<dyn Any + Send>) -> Polled {
        match self.get_mut(task) {
            Some(entry) => end_panicked(entry, payload),
            None => Polled::Panicked(panic_message(&*payload)),
        }
    }

    /// Drops a task's future without running more of it than `Drop`. Gives the message if that panicked.
    pub(crate) fn cancel(&mut self, task: TaskRef) -> Result<(), String> {
        self.take_in();
        let Some(entry) = self.get_mut(task) else { return Ok(()) };
        let result = catch_unwind(AssertUnwindSafe(|| entry.body.body().end(TaskError::Cancelled)));
        self.retire(task);
        result.map_err(|payload| panic_message(&*payload))
    }

    /// Puts the output of a task that has ended where its handle finds it, or drops it if there is no handle and nobody's code
    /// in it. Gives the output if it was spawned on a thread of a node: it is to be there when that thread sees that the task
    /// has ended.
    pub(crate) fn retire(&mut self, task: TaskRef) -> Option<Box<dyn Any + Send>> {
        let mut entry = self.0.get_mut(task.slot() as usize)?.take_if(|entry| entry.generation == task.generation())?;
        if entry.away {
            return entry.exported();
        }
        let has_handle = |u: &mut Universe| u.kernel.tasks.get(task).is_some_and(|t| t.handle_alive);
        if entry.body.body().is_inert() && universe::with_loop(has_handle) == Some(false) {
            return None;
        }
        let old = HOME.with_borrow_mut(|h| {
            let slot = task.slot() as usize;
            if h.outputs.len() <= slot {
                h.outputs.resize_with((slot + 1).next_power_of_two().max(16), || None);
            }
            h.outputs[slot].replace(entry)
        });
        drop(old);
        None
    }
}

/// The poll of a task has panicked: that becomes its output.
pub(crate) fn end_panicked(entry: &mut Entry, payload: Box<dyn Any + Send>) -> Polled {
    let message = panic_message(&*payload);
    match catch_unwind(AssertUnwindSafe(|| entry.body.body().end(TaskError::Panicked(payload)))) {
        Ok(()) => Polled::Panicked(message),
        Err(again) => {
            Polled::Panicked(format!("{message}; and again while it was dropped: {}", panic_message(&*again)))
        }
    }
}

/// Whether the output of a task that has ended is still here.
pub(crate) fn has_output(task: TaskRef) -> bool {
    HOME.with_borrow(|h| {
        let entry = h.outputs.get(task.slot() as usize).and_then(Option::as_ref);
        entry.is_some_and(|entry| entry.generation == task.generation())
    })
}

fn take(task: TaskRef) -> Option<Entry> {
    HOME.with_borrow_mut(|h| {
        h.outputs.get_mut(task.slot() as usize)?.take_if(|entry| entry.generation == task.generation())
    })
}

/// While a poll is under way that may block its thread, the loop's futures are here.
pub(crate) fn lend(bodies: &mut Bodies) {
    HOME.with_borrow_mut(|h| h.bodies = std::mem::take(bodies));
}

/// Takes back what was [lent](lend).
pub(crate) fn take_back(bodies: &mut Bodies) {
    *bodies = HOME.with_borrow_mut(|h| std::mem::take(&mut h.bodies));
}

/// Outputs of tasks that have ended, on their way to whoever asks for them.
pub(crate) type Outputs = Vec<(TaskRef, Box<dyn Any + Send>)>;

/// What this thread's home has that can change thread: futures, and outputs that somebody may ask for elsewhere. The loop's
/// futures are [lent](lend).
pub(crate) fn pack() -> (Vec<Parcel>, Outputs) {
    HOME.with_borrow_mut(|h| {
        let mut parcels = Vec::new();
        let mut stay = Vec::new();
        for (slot, entry) in h.arrivals.drain(..) {
            match entry.pack(slot) {
                Ok(parcel) => parcels.push(parcel),
                Err(entry) => stay.push((slot, entry)),
            }
        }
        h.arrivals = stay;
        for (slot, place) in h.bodies.0.iter_mut().enumerate() {
            match place.take().map(|entry| entry.pack(slot as u32)) {
                Some(Ok(parcel)) => parcels.push(parcel),
                Some(Err(entry)) => *place = Some(entry),
                None => {}
            }
        }
        let mut outputs = Vec::new();
        for (slot, place) in h.outputs.iter_mut().enumerate() {
            let Some(mut entry) = place.take_if(|entry| entry.export.is_some()) else { continue };
            let task = TaskRef::new(slot as u32, entry.generation);
            outputs.extend(entry.exported().map(|output| (task, output)));
        }
        (parcels, outputs)
    })
}

impl Bodies {
    /// Takes in what another thread has packed.
    pub(crate) fn unpack(&mut self, parcels: Vec<Parcel>) {
        for (slot, entry) in parcels.into_iter().map(Parcel::unpack) {
            *self.place_of(slot) = Some(entry);
        }
    }

    /// Takes the future of a task out, for its poll.
    #[inline]
    pub(crate) fn take(&mut self, task: TaskRef) -> Option<Entry> {
        let taken = self.take_known(task);
        if taken.is_some() {
            return taken;
        }
        self.take_in();
        self.take_known(task)
    }

    #[inline]
    fn take_known(&mut self, task: TaskRef) -> Option<Entry> {
        self.0.get_mut(task.slot() as usize)?.take_if(|entry| entry.generation == task.generation())
    }

    /// Puts it back.
    pub(crate) fn put(&mut self, slot: u32, entry: Entry) {
        *self.place_of(slot) = Some(entry);
    }

    /// The task's future, if it is here.
    pub(crate) fn look(&mut self, task: TaskRef) -> Option<&Entry> {
        self.take_in();
        self.get_mut(task).map(|entry| &*entry)
    }
}

/// How a poll ended that did not unwind: in a register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pending,
    Ended,
    /// There is no such future: it was taken down while it ran.
    Gone,
}

/// How a poll ended that may block its thread, or how a task came to its end.
#[derive(Debug)]
pub(crate) enum Polled {
    Pending,
    Ended,
    Panicked(String),
    /// This thread has the loop no more.
    Handed,
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
    let output = entry.body.body().output().and_then(|any| any.downcast_mut::<Option<Result<T, TaskError>>>()?.take());
    drop(entry);
    output
}

/// Takes the output of an ended task for another thread.
pub(crate) fn export_output(task: TaskRef) -> Option<Box<dyn Any + Send>> {
    let mut entry = take(task)?;
    let output = entry.exported();
    drop(entry);
    output
}
