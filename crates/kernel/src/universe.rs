//! The simulation that this thread holds: the kernel and the worlds beside it, found through a thread-local.
//!
//! Whoever holds the universe holds the *baton*: the simulation's own thread, or one thread of a node, never two.
//! Nothing of the user's (poll, drop, waker, closure) runs while it is borrowed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Wake, Waker};

use crate::ids::TaskRef;
use crate::kernel::{Chores, Kernel};
use crate::limits::Failure;
use crate::node::Down;
use crate::run::{Boot, Step};
use crate::subsystem::{Effect, Subsystem, Typed, WorldEvent, WorldId};
use crate::{
    ids::NodeId,
    kernel::{Call, Errand, OUTBOX, RARE},
};

/// The kernel and the worlds of one simulation.
#[derive(Debug)]
pub struct Universe {
    /// Nodes, tasks, time, decisions and trace.
    pub kernel: Kernel,
    pub(crate) generation: u32,
    pub(crate) worlds: Worlds,
    /// While it does not run.
    pub(crate) told: Option<Arc<Told>>,
    /// Starts the threads of nodes.
    pub(crate) spawn_thread: crate::baton::SpawnThread,
    /// Asked on a thread of a node, before it gives the baton back, for what it reached outside the simulation.
    pub(crate) on_hand_back: Option<fn() -> Option<Failure>>,
    /// Threads of nodes that wait in blocking calls.
    pub(crate) waiters: crate::blocked::Waiters,
    /// What std's clock shows, or would show, where the node clocks show zero.
    pub(crate) std_zero: Option<std::time::Instant>,
    /// Futures that threads of nodes spawned, on their way to the simulation's own thread.
    pub(crate) incoming: Vec<(TaskRef, crate::body::SendBody)>,
    /// Outputs that threads of nodes wait for, and those that are on their way to them (`None`: there is none).
    pub(crate) wanted: Vec<(TaskRef, Waker)>,
    pub(crate) exported: std::collections::BTreeMap<TaskRef, Option<Box<dyn Any + Send>>>,
    /// Emptied, for the loop.
    pub(crate) idle_chores: Chores,
    /// Who takes over while the simulation's own thread is blocked, where it may be.
    pub(crate) relief: Option<Box<crate::stand_in::Relief>>,
}

#[derive(Default)]
pub(crate) struct Worlds([Option<Box<dyn Subsystem>>; WorldId::COUNT]);

impl std::fmt::Debug for Worlds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().flatten().map(|w| w.name())).finish()
    }
}

/// The name of a world, and its counters.
pub(crate) type CountersOfWorld = (&'static str, Vec<(&'static str, u64)>);

/// Where a simulation is told of wakes on threads outside it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The number of the simulation that runs; zero while none does.
    generation: AtomicU32,
    /// The number of the last simulation of which a waker was used on a thread that does not hold it.
    woken: AtomicU32,
}

/// Of every universe of this process.
static TOLD: Mutex<Vec<Weak<Told>>> = Mutex::new(Vec::new());

impl Told {
    /// One that wakers find.
    pub(crate) fn listed() -> Arc<Self> {
        let told = Arc::default();
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&told));
        told
    }

    /// From now on the simulation hears of its wakes.
    pub(crate) fn begin(&self, generation: u32) {
        self.generation.store(generation, Ordering::Release);
    }

    /// Whether a waker of the simulation that runs was used on a thread that does not hold it.
    #[inline]
    pub(crate) fn has_woken(&self, generation: u32) -> bool {
        self.woken.load(Ordering::Relaxed) == generation
    }

    /// From now on nobody does.
    pub(crate) fn end(&self) {
        self.generation.store(0, Ordering::Release);
    }

    /// Tells the simulation with this number, unless it is over.
    #[cold]
    fn tell(generation: u32) {
        // Dropped after the lock is free again: the last to hold one takes it off the list.
        let all: Vec<Arc<Self>> =
            TOLD.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
        let running = all.iter().find(|told| told.generation.load(Ordering::Acquire) == generation);
        if let Some(told) = running {
            // It may be over by now, and a later one hear of it instead: whose number is greater, and that one looks at its own.
            told.woken.fetch_max(generation, Ordering::Release);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let mut all = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        if all.is_empty() {
            // The memory is its thread's, and the next simulation may be another one's.
            *all = Vec::new();
        }
    }
}

/// What this thread has of a simulation.
pub(crate) struct Here {
    pub(crate) universe: RefCell<Option<Box<Universe>>>,
    /// The address of the waker of the task that is polled: waking it takes no more than a look. Compared, and nothing else.
    pub(crate) polled: Cell<usize>,
    /// The polled task has been woken.
    pub(crate) woken: Cell<bool>,
    /// Futures are kept on this thread: it is the simulation's own.
    pub(crate) home: Cell<bool>,
}

thread_local! {
    /// Never dropped with its thread: whoever installs a universe takes it out again, and a thread-local without a destructor
    /// is reached without asking whether it is still there.
    static HERE: ManuallyDrop<Here> = const {
        ManuallyDrop::new(Here { universe: RefCell::new(None), polled: Cell::new(0), woken: Cell::new(false), home: Cell::new(false) })
    };
    static DEFERRED: RefCell<Vec<TaskRef>> = const { RefCell::new(Vec::new()) };
    /// Whether there may be some.
    static ANY_DEFERRED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with what this thread has of a simulation.
pub(crate) fn here<R>(f: impl FnOnce(&Here) -> R) -> R {
    HERE.with(|here| f(here))
}

/// Tells simulations of one process apart, so that a stale handle is known as such. It is compared and never ordered,
/// shown or drawn from.
static GENERATION: AtomicU32 = AtomicU32::new(1);

/// A number that no other simulation of this process has.
pub(crate) fn next_generation() -> u32 {
    GENERATION.fetch_add(1, Ordering::Relaxed)
}

impl Universe {
    /// Adds a world. One of its type must not be there yet; the earlier one is handed back if it is.
    pub fn insert<W: Typed>(&mut self, world: W) -> Option<Box<dyn Subsystem>> {
        self.worlds.0[W::ID.0 as usize].replace(Box::new(world))
    }

    /// A world and the kernel, when this simulation has the world.
    #[inline]
    pub fn get<W: Typed>(&mut self) -> Option<(&mut W, &mut Kernel)> {
        let world = self.worlds.0[W::ID.0 as usize].as_deref_mut()?;
        let world = (world as &mut dyn Any).downcast_mut()?;
        Some((world, &mut self.kernel))
    }

    /// Sets how threads of nodes are started; a plain thread of std unless set. A sealed simulation has sealed threads.
    pub fn set_thread_spawner(&mut self, spawn: crate::baton::SpawnThread) {
        self.spawn_thread = spawn;
    }

    /// Sets what is asked on a thread of a node, before it gives the baton back, for what it reached outside the simulation.
    pub fn set_on_hand_back(&mut self, ask: fn() -> Option<Failure>) {
        self.on_hand_back = Some(ask);
    }

    /// What this thread of a node reached outside the simulation fails the run.
    pub(crate) fn look_behind(&mut self) {
        if let Some(failure) = self.on_hand_back.and_then(|ask| ask()) {
            self.kernel.fail(failure);
        }
    }

    /// The instant of std at which a node's clock shows zero, once somebody has found it out: one for all threads.
    #[must_use]
    pub fn std_zero(&self) -> Option<std::time::Instant> {
        self.std_zero
    }

    /// Notes [`Universe::std_zero`]. The first one counts.
    pub fn set_std_zero(&mut self, zero: std::time::Instant) -> std::time::Instant {
        *self.std_zero.get_or_insert(zero)
    }

    /// Which simulation of this process it is.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Counters of every world, as `world.counter`.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64)> {
        crate::report::Counters::of(self.own_counters()).into_iter().collect()
    }

    /// The same, by world.
    pub(crate) fn own_counters(&self) -> impl Iterator<Item = CountersOfWorld> {
        self.worlds.0.iter().flatten().map(|w| (w.name(), w.counters()))
    }

    pub(crate) fn dispatch(&mut self, node: NodeId, event: WorldEvent) {
        if let Some(world) = self.worlds.0.get_mut(event.world.0 as usize).and_then(Option::as_deref_mut) {
            self.kernel.actor = node;
            world.on_event(&mut self.kernel, node, event);
        }
    }

    /// Lets effects take place: at `kernel.now`, on behalf of `node`.
    pub(crate) fn flush(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::World(event) => self.dispatch(node, event),
                Effect::Call(call) => self.kernel.chores_mut().calls.push(Call(node, Errand::Run(call))),
            }
        }
    }

    /// Lets what is in the outbox take place now. What comes into it meanwhile waits for its own turn.
    #[inline]
    pub(crate) fn flush_outbox(&mut self, node: NodeId) {
        let mut outbox = std::mem::take(&mut self.kernel.outbox);
        self.flush(node, &mut outbox);
        if self.kernel.outbox.is_empty() {
            self.kernel.outbox = outbox;
            self.kernel.attention &= !OUTBOX;
        }
    }

    /// Tells the worlds of boots and ends.
    pub(crate) fn tell_transitions(&mut self) {
        let mut told = 0;
        while let Some(&(node, how)) = self.kernel.transitions.get(told) {
            told += 1;
            self.kernel.actor = node;
            for world in self.worlds.0.iter_mut().flatten() {
                match how {
                    Some(how) => world.on_down(&mut self.kernel, node, how),
                    None => world.on_boot(&mut self.kernel, node),
                }
            }
        }
        self.kernel.transitions.clear();
    }

    pub(crate) fn describe(&self, what: &'static str, id: u64) -> String {
        // The prefix of a resource's name is its world: `tcp read` is described by the network.
        let worlds = self.worlds.0.iter().flatten();
        worlds.map(|w| w.describe(what, id)).find(|d| !d.is_empty()).unwrap_or_else(|| format!("{what} {id}"))
    }
}

pub(crate) fn install(universe: Box<Universe>) -> Option<Box<Universe>> {
    HERE.with(|here| here.universe.borrow_mut().replace(universe))
}

pub(crate) fn uninstall() -> Option<Box<Universe>> {
    HERE.with(|here| here.universe.borrow_mut().take())
}

/// Whether this thread holds a simulation and may use it now.
#[must_use]
#[inline]
pub fn is_current() -> bool {
    HERE.with(|here| here.universe.try_borrow().is_ok_and(|u| u.is_some()))
}

/// Whether this thread holds a simulation at all, even while Stormglass itself works on it.
#[must_use]
pub fn is_held() -> bool {
    HERE.with(|here| here.universe.try_borrow().map_or(true, |u| u.is_some()))
}

/// Runs `f` on the simulation of this thread, then wakes and drops the wakers that it left behind. `None` when this
/// thread holds no simulation.
#[inline]
pub fn try_with<R>(f: impl FnOnce(&mut Universe) -> R) -> Option<R> {
    let (result, left_behind) = HERE.with(|here| {
        let mut universe = here.universe.try_borrow_mut().ok()?;
        let universe = universe.as_deref_mut()?;
        let result = f(universe);
        Some((result, universe.kernel.attention & RARE != 0 && universe.kernel.chores.has_wakers()))
    })?;
    if left_behind {
        wake_and_discard();
    }
    Some(result)
}

#[cold]
fn wake_and_discard() {
    let taken =
        with_loop(|u| (std::mem::take(&mut u.kernel.chores.wakes), std::mem::take(&mut u.kernel.chores.discards)));
    if let Some((wakes, discards)) = taken {
        wakes.into_iter().for_each(Waker::wake);
        drop(discards);
    }
}

/// Runs `f` on the simulation of this thread.
///
/// # Panics
/// When this thread holds none: the caller is code that only makes sense inside a simulation.
#[inline]
#[track_caller]
pub fn with<R>(f: impl FnOnce(&mut Universe) -> R) -> R {
    match try_with(f) {
        Some(result) => result,
        None => panic!("no simulation is current on this thread; call this from a task of a simulated node"),
    }
}

/// As [`with`], for the loop itself: leaves wakers among the chores.
#[inline]
pub(crate) fn with_loop<R>(f: impl FnOnce(&mut Universe) -> R) -> Option<R> {
    HERE.with(|here| here.universe.borrow_mut().as_deref_mut().map(f))
}

impl Here {
    /// On whose behalf code is about to run.
    pub(crate) fn boot(&self) -> Option<Boot> {
        let universe = self.universe.borrow();
        let current = universe.as_deref()?.kernel.current.as_ref()?;
        Some((current.node, current.incarnation))
    }

    /// As [`with_loop`], for a step of the loop: there is nothing more to do without a simulation.
    #[inline(always)]
    pub(crate) fn step(&self, f: impl FnOnce(&mut Universe) -> Step) -> Step {
        match self.universe.borrow_mut().as_deref_mut() {
            Some(universe) => f(universe),
            None => Step::STOP,
        }
    }
}

/// Whether tasks were woken while the universe was borrowed.
#[inline]
pub(crate) fn has_deferred() -> bool {
    ANY_DEFERRED.get()
}

/// Tasks that were woken while the universe was borrowed.
pub(crate) fn take_deferred() -> Vec<TaskRef> {
    if ANY_DEFERRED.replace(false) { DEFERRED.take() } else { Vec::new() }
}

/// Wakes one task of one simulation.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    pub(crate) task: TaskRef,
    /// Of the simulation.
    pub(crate) generation: u32,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        HERE.with(|here| {
            if here.polled.get() == Arc::as_ptr(self).addr() {
                // It gives way: its next poll is seen to at the end of this one.
                here.woken.set(true);
            } else {
                self.wake_from(here);
            }
        });
    }
}

impl TaskWaker {
    #[inline(never)]
    fn wake_from(&self, here: &Here) {
        let woken = match here.universe.try_borrow_mut() {
            Ok(mut universe) => match universe.as_deref_mut() {
                Some(universe) if universe.generation == self.generation => {
                    universe.kernel.make_ready(self.task);
                    true
                }
                _ => false,
            },
            Err(_) => {
                DEFERRED.with_borrow_mut(|deferred| deferred.push(self.task));
                ANY_DEFERRED.set(true);
                true
            }
        };
        if !woken {
            Told::tell(self.generation);
        }
    }
}

/// How `how` a node went down, in a word.
#[must_use]
pub fn down_name(how: Down) -> &'static str {
    match how {
        Down::Exit => "exit",
        Down::Kill => "kill",
        Down::PowerLoss => "power loss",
    }
}
