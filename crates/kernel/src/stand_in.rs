//! Polls that block their thread: another thread stands in for the simulation's own and goes on with the loop.
//!
//! A `#[tokio::test]` may wait for a thread that it has started with a channel or a lock of std. Outside a simulation its
//! thread stands still then, with the tasks that are polled there, and every other thread goes on. So it is here: the loop, the
//! universe and all futures that may change thread go to a stand-in; those that may not stay where they are and are not polled.
//! To the stand-in the blocked poll is a task that it polls by handing over the baton, as it does with a thread of a node.
//! When a poll of the simulation's own thread comes to its end, that thread goes on with the loop; one that a stand-in was
//! blocked in gives its future back to whoever has the loop.
//!
//! Another thread, and not a loop within the blocking call: such calls end in an order of their own, and polls that are nested
//! on one stack do not. A simulation whose polls do not block has none of this but a look at each poll.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::thread::JoinHandle;

use crate::body::{Entry, Parcel};
use crate::exec::{self, Bodies, Polled, end_panicked};
use crate::ids::TaskRef;
use crate::mailbox::{Inlet, Outlet, mailbox, never};
use crate::report::Report;
use crate::run::{self, Around};
use crate::universe::{self, Here, TaskWaker, Told, Universe};

/// What is to be done where polls may block the simulation's own thread.
#[derive(Clone, Copy, Debug)]
pub struct Blocking {
    /// Calls what it is given, once, on a thread that stands in: what is around a run.
    pub around: fn(&mut dyn FnMut()),
    /// Told of the end of a run whose own thread is blocked for ever, with nobody to return to. Does not return: the process
    /// ends.
    pub stranded: fn(Report<()>),
}

/// Who takes over while the simulation's own thread is blocked, and what is on its way between threads.
pub(crate) struct Relief {
    blocking: Blocking,
    pub(crate) around: Around,
    pub(crate) told: Arc<Told>,
    pub(crate) main: TaskRef,
    stand_ins: Vec<StandIn>,
    parcels: Vec<Parcel>,
    /// Tasks that were to be polled and whose thread is blocked.
    stalled: Vec<TaskRef>,
}

struct StandIn {
    shifts: Arc<Inlet<Box<Universe>>>,
    rests: Outlet<()>,
    idle: bool,
    thread: JoinHandle<()>,
}

/// The poll of a task on a thread that is blocked, as whoever has the loop sees it.
pub(crate) struct Seat {
    turns: Inlet<Turn>,
    back: Outlet<Back>,
    /// On which stand-in, if not on the simulation's own thread.
    on: Option<usize>,
}

struct Turn {
    universe: Box<Universe>,
    /// Which stand-in has the loop.
    from: Option<usize>,
}

enum Back {
    Blocked(Box<Universe>),
    /// The poll is over.
    Over(Box<Universe>, Parcel, Polled),
    /// It is over, and its thread, the simulation's own, has the loop now.
    Relieved,
}

/// This thread's part in a poll that was blocked.
struct Blocked {
    turns: Outlet<Turn>,
    back: Inlet<Back>,
    /// Which stand-in has the loop.
    held_by: Option<usize>,
}

/// What a stand-in leaves its loop with.
enum Leave {
    Over(Inlet<Back>, Parcel, Polled),
    Relieved,
}

thread_local! {
    /// Which stand-in this thread is.
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    /// A poll that may block is under way on this thread.
    static IN_POLL: Cell<bool> = const { Cell::new(false) };
    /// It was blocked: there is something in `BLOCKED`.
    static WAITED: Cell<bool> = const { Cell::new(false) };
    static BLOCKED: RefCell<Option<Blocked>> = const { RefCell::new(None) };
    static LEAVE: RefCell<Option<Leave>> = const { RefCell::new(None) };
}

impl Relief {
    pub(crate) fn new(blocking: Blocking, around: Around, told: Arc<Told>, main: TaskRef) -> Box<Self> {
        let (stand_ins, parcels, stalled) = (Vec::new(), Vec::new(), Vec::new());
        Box::new(Self { blocking, around, told, main, stand_ins, parcels, stalled })
    }

    /// Sends all that are idle home. One that is blocked is left.
    pub(crate) fn dismiss(self) {
        for StandIn { shifts, idle, thread, .. } in self.stand_ins {
            drop(shifts);
            if idle {
                let _ = thread.join();
            }
        }
    }
}

/// Whether this thread stands in for the simulation's own.
pub(crate) fn stands_in() -> bool {
    NUMBER.get().is_some()
}

/// Whether this is the thread of a poll that may block, and has the baton: without it, it waits for just that.
#[must_use]
pub fn may_block_in_poll() -> bool {
    IN_POLL.get() && universe::is_held()
}

/// Whether the loop of this thread has ended because another one has it.
pub(crate) fn has_handed_on() -> bool {
    LEAVE.with_borrow(Option::is_some)
}

/// To be called in the midst of a poll that is about to block: sees to it that somebody can go on with the loop, and gives what
/// is to be woken for this thread to go on. `None` where it may not block.
pub(crate) fn call() -> Option<Waker> {
    if !IN_POLL.get() {
        return None;
    }
    let (task, generation, missing) = universe::try_with(|u| {
        let relief = u.relief.as_ref()?;
        let missing = !relief.stand_ins.iter().any(|one| one.idle);
        let missing = missing.then_some((relief.stand_ins.len(), relief.blocking, u.spawn_thread));
        Some((u.kernel.current.as_ref()?.task, u.generation, missing))
    })??;
    let missing = missing.filter(|_| BLOCKED.with_borrow(Option::is_none));
    if let Some((number, blocking, spawn)) = missing {
        let (shifts, next_shift) = mailbox();
        let (rest, rests) = mailbox();
        let thread = spawn(Box::new(move || stand_in(number, &next_shift, &rest, blocking))).ok()?;
        let one = StandIn { shifts: Arc::new(shifts), rests, idle: true, thread };
        universe::try_with(|u| u.relief.as_mut().map(|relief| relief.stand_ins.push(one)))??;
    }
    Some(Waker::from(Arc::new(TaskWaker { task, generation })))
}

/// A thread that stands in, whenever it is asked to.
fn stand_in(number: usize, shifts: &Outlet<Box<Universe>>, rest: &Inlet<()>, blocking: Blocking) {
    NUMBER.set(Some(number));
    (blocking.around)(&mut || {
        while let Some(universe) = shifts.take() {
            universe::install(universe);
            run::take_over(blocking.stranded);
            match LEAVE.take() {
                Some(Leave::Over(back, parcel, polled)) => {
                    let Some(mut universe) = universe::uninstall() else { return };
                    universe.look_behind();
                    let _ = back.put(Back::Over(universe, parcel, polled));
                }
                Some(Leave::Relieved) => _ = rest.put(()),
                None => return,
            }
        }
    });
}

/// Puts what may change thread where the next one finds it.
fn pack_up() {
    let (parcels, outputs) = exec::pack();
    universe::with_loop(|u| {
        if let Some(relief) = &mut u.relief {
            relief.parcels.extend(parcels);
        }
        u.exported.extend(outputs.into_iter().map(|(task, output)| (task, Some(output))));
    });
}

/// Gives the loop away in the midst of a poll that has been [called](call) for, until somebody wakes its task. Does not
/// return when nobody will.
pub(crate) fn give_way() {
    pack_up();
    let turn = BLOCKED.with_borrow_mut(|blocked| match blocked {
        Some(Blocked { turns, back, .. }) => {
            let mut universe = universe::uninstall()?;
            universe.look_behind();
            back.put(Back::Blocked(universe)).is_ok().then(|| turns.take()).flatten()
        }
        None => {
            let mut universe = universe::uninstall()?;
            universe.look_behind();
            let task = universe.kernel.current.as_ref()?.task;
            let relief = universe.relief.as_mut()?;
            let (turns, next_turn) = mailbox();
            let (give_back, back) = mailbox();
            let seat = Seat { turns, back, on: NUMBER.get() };
            relief.parcels.push(Parcel::away(task, seat));
            let one = relief.stand_ins.iter_mut().find(|one| one.idle)?;
            one.idle = false;
            let shifts = Arc::clone(&one.shifts);
            let Blocked { turns, .. } = blocked.insert(Blocked { turns: next_turn, back: give_back, held_by: None });
            shifts.put(universe).is_ok().then(|| turns.take()).flatten()
        }
    });
    WAITED.set(true);
    let Some(Turn { universe, from }) = turn else { never() };
    universe::install(universe);
    BLOCKED.with_borrow_mut(|blocked| {
        if let Some(blocked) = blocked {
            blocked.held_by = from;
        }
    });
}

impl Bodies {
    /// Takes in what a thread that is blocked has left, at the start of a shift.
    pub(crate) fn take_over(&mut self) {
        let parcels = universe::with_loop(|u| u.relief.as_mut().map(|relief| std::mem::take(&mut relief.parcels)));
        self.unpack(parcels.flatten().unwrap_or_default());
    }

    /// Whether a task cannot be cancelled here: its poll is under way on a thread that is blocked, or it belongs to one.
    pub(crate) fn is_elsewhere(&mut self, task: TaskRef) -> bool {
        let stands_in = stands_in();
        self.look(task).map_or(stands_in, |entry| entry.body.is_away() || (stands_in && entry.bound))
    }

    /// Polls a task's future, in a poll that may block.
    pub(crate) fn poll_apart(&mut self, task: TaskRef, here: &Here) -> Polled {
        let number = NUMBER.get();
        let Some(mut entry) = self.take(task) else {
            if number.is_none() {
                return Polled::Gone;
            }
            stall(task);
            return Polled::Pending;
        };
        if entry.body.is_away() {
            let seat = entry.pack(task.slot()).ok().and_then(Parcel::into_seat);
            return seat.map_or(Polled::Gone, |seat| self.poll_away(task, seat));
        }
        if entry.bound && number.is_some() {
            self.put(task.slot(), entry);
            stall(task);
            return Polled::Pending;
        }
        here.polled.set(entry.waker);
        exec::lend(self);
        IN_POLL.set(true);
        let polled = catch_unwind(AssertUnwindSafe(|| entry.body.poll()));
        IN_POLL.set(false);
        exec::take_back(self);
        here.polled.set(0);
        let polled = match polled {
            Ok(poll) if poll.is_pending() => Polled::Pending,
            Ok(_) => Polled::Ended,
            Err(payload) => end_panicked(&mut entry, payload),
        };
        if !WAITED.get() {
            self.put(task.slot(), entry);
            return polled;
        }
        self.poll_ended(task, entry, polled, here)
    }

    /// A poll that was blocked has come to its end on this thread.
    #[cold]
    fn poll_ended(&mut self, task: TaskRef, entry: Entry, polled: Polled, here: &Here) -> Polled {
        WAITED.set(false);
        let Some(Blocked { back, held_by, .. }) = BLOCKED.take() else { return Polled::Gone };
        // What woke the task while its poll was blocked cannot be told from what ended the wait: it is polled once more.
        here.woken.set(matches!(polled, Polled::Pending));
        if !stands_in() {
            self.put(task.slot(), entry);
            relieve(&back, held_by);
            self.take_over();
            return polled;
        }
        exec::lend(self);
        pack_up();
        exec::take_back(self);
        here.woken.set(false);
        match entry.pack(task.slot()) {
            Ok(parcel) => LEAVE.set(Some(Leave::Over(back, parcel, polled))),
            Err(_) => unreachable!("what came to another thread can leave it"),
        }
        Polled::Handed
    }

    /// Lets a blocked poll go on where it is.
    fn poll_away(&mut self, task: TaskRef, seat: Seat) -> Polled {
        exec::lend(self);
        pack_up();
        exec::take_back(self);
        let Some(universe) = universe::uninstall() else { return Polled::Gone };
        if let Err(lost) = seat.turns.put(Turn { universe, from: NUMBER.get() }) {
            universe::install(lost.universe);
            return Polled::Gone;
        }
        match seat.back.take() {
            Some(Back::Blocked(universe)) => {
                universe::install(universe);
                self.take_over();
                let (slot, entry) = Parcel::away(task, seat).unpack();
                self.put(slot, entry);
                Polled::Pending
            }
            Some(Back::Over(universe, parcel, polled)) => {
                universe::install(universe);
                self.take_over();
                let (slot, entry) = parcel.unpack();
                self.put(slot, entry);
                universe::with_loop(|u| {
                    let stand_ins = u.relief.as_mut().map(|relief| &mut relief.stand_ins);
                    if let Some(one) = stand_ins.and_then(|all| all.get_mut(seat.on?)) {
                        one.idle = true;
                    }
                });
                universe::here(|here| here.woken.set(matches!(polled, Polled::Pending)));
                polled
            }
            Some(Back::Relieved) => {
                LEAVE.set(Some(Leave::Relieved));
                Polled::Handed
            }
            // Only an abort of the whole process loses the baton.
            None => Polled::Gone,
        }
    }
}

/// A task was to be polled and its thread is blocked: it will be when that goes on.
fn stall(task: TaskRef) {
    universe::with_loop(|u| {
        if let Some(relief) = &mut u.relief
            && !relief.stalled.contains(&task)
        {
            relief.stalled.push(task);
        }
    });
}

/// The simulation's own thread has the loop again. What was to be polled there meanwhile is due.
fn relieve(back: &Inlet<Back>, held_by: Option<usize>) {
    let Some(mut universe) = universe::uninstall() else { return };
    let _ = back.put(Back::Relieved);
    let stand_ins = universe.relief.as_mut().map(|relief| &mut relief.stand_ins);
    if let Some(one) = stand_ins.and_then(|all| all.get_mut(held_by?)) {
        // It has put down what it had of the loop: nothing of it happens beside the simulation.
        let _ = one.rests.take();
        one.idle = true;
    }
    let stalled = universe.relief.as_mut().map(|relief| std::mem::take(&mut relief.stalled));
    stalled.into_iter().flatten().for_each(|task| universe.kernel.make_ready(task));
    universe::install(universe);
}

impl fmt::Debug for Relief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relief").field("stand_ins", &self.stand_ins.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("on", &self.on).finish_non_exhaustive()
    }
}
