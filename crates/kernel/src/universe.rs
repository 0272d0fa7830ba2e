//! The simulation that this thread holds: the kernel and the worlds beside it, found through a thread-local.
//!
//! Whoever holds the universe holds the *baton*: the simulation's own thread, or one thread of a node, never two.
//! Nothing of the user's (poll, drop, waker, closure) runs while it is borrowed.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Wake;

use crate::ids::TaskRef;
use crate::kernel::Kernel;
use crate::node::Down;
use crate::run::Step;
use crate::subsystem::{Effect, Subsystem, Typed, WorldEvent, WorldId};
use crate::{
    ids::NodeId,
    kernel::{Call, Errand},
};

/// The kernel and the worlds of one simulation.
#[derive(Debug)]
pub struct Universe {
    /// Nodes, tasks, time, decisions and trace.
    pub kernel: Kernel,
    worlds: Worlds,
    pub(crate) shared: Arc<Shared>,
    /// Starts the threads of nodes.
    pub(crate) spawn_thread: crate::baton::SpawnThread,
    /// What std's clock shows, or would show, where the node clocks show zero.
    pub(crate) std_zero: Option<std::time::Instant>,
    /// Futures that threads of nodes spawned, on their way to the simulation's own thread.
    pub(crate) incoming: Vec<(TaskRef, crate::exec::SendBody)>,
    /// Outputs that threads of nodes wait for, and those that are on their way to them (`None`: there is none).
    pub(crate) wanted: Vec<(TaskRef, std::task::Waker)>,
    pub(crate) exported: std::collections::BTreeMap<TaskRef, Option<Box<dyn Any + Send>>>,
}

#[derive(Default)]
struct Worlds([Option<Box<dyn Subsystem>>; WorldId::COUNT]);

impl std::fmt::Debug for Worlds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().flatten().map(|w| w.name())).finish()
    }
}

/// What wakers hold of their simulation.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) generation: u32,
    pub(crate) foreign_wake: AtomicBool,
    pub(crate) ended: AtomicBool,
}

thread_local! {
    static CURRENT: RefCell<Option<Box<Universe>>> = const { RefCell::new(None) };
    static DEFERRED: RefCell<Vec<TaskRef>> = const { RefCell::new(Vec::new()) };
}

/// Tells simulations of one process apart, so that a stale handle is known as such. It is compared and never ordered,
/// shown or drawn from.
static GENERATION: AtomicU32 = AtomicU32::new(1);

impl Universe {
    pub(crate) fn new(kernel: impl FnOnce() -> Kernel) -> Self {
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let shared = Shared { generation, foreign_wake: AtomicBool::new(false), ended: AtomicBool::new(false) };
        Self {
            kernel: kernel(),
            worlds: Worlds::default(),
            shared: Arc::new(shared),
            spawn_thread: crate::baton::plain_thread,
            std_zero: None,
            incoming: Vec::new(),
            wanted: Vec::new(),
            exported: std::collections::BTreeMap::new(),
        }
    }

    /// The kernel alone, once nothing runs any more.
    pub(crate) fn into_kernel(self: Box<Self>) -> Kernel {
        let Self { kernel, .. } = *self;
        kernel
    }

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
        self.shared.generation
    }

    /// Counters of every world, as `world.counter`.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64)> {
        crate::report::Counters::of(self.own_counters()).into_iter().collect()
    }

    /// The same, by world.
    pub(crate) fn own_counters(&self) -> Vec<(&'static str, Vec<(&'static str, u64)>)> {
        self.worlds.0.iter().flatten().map(|w| (w.name(), w.counters())).collect()
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
                Effect::Call(call) => self.kernel.chores.calls.push(Call(node, Errand::Run(call))),
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
        }
    }

    /// Tells the worlds of boots and ends.
    pub(crate) fn tell_transitions(&mut self) {
        let mut told = Vec::new();
        while !self.kernel.transitions.is_empty() {
            std::mem::swap(&mut self.kernel.transitions, &mut told);
            for (node, how) in told.drain(..) {
                self.kernel.actor = node;
                for world in self.worlds.0.iter_mut().flatten() {
                    match how {
                        Some(how) => world.on_down(&mut self.kernel, node, how),
                        None => world.on_boot(&mut self.kernel, node),
                    }
                }
            }
        }
        // The memory stays for the next ones.
        if self.kernel.transitions.capacity() == 0 {
            self.kernel.transitions = told;
        }
    }

    pub(crate) fn describe(&self, what: &'static str, id: u64) -> String {
        // The prefix of a resource's name is its world: `tcp read` is described by the network.
        let worlds = self.worlds.0.iter().flatten();
        worlds.map(|w| w.describe(what, id)).find(|d| !d.is_empty()).unwrap_or_else(|| format!("{what} {id}"))
    }
}

pub(crate) fn install(universe: Box<Universe>) -> Option<Box<Universe>> {
    CURRENT.with_borrow_mut(|c| c.replace(universe))
}

pub(crate) fn uninstall() -> Option<Box<Universe>> {
    CURRENT.with_borrow_mut(Option::take)
}

/// Whether this thread holds a simulation and may use it now.
#[must_use]
#[inline]
pub fn is_current() -> bool {
    CURRENT.try_with(|c| c.try_borrow().is_ok_and(|c| c.is_some())).unwrap_or(false)
}

/// Whether this thread holds a simulation at all, even while Stormglass itself works on it.
#[must_use]
pub fn is_held() -> bool {
    CURRENT.try_with(|c| c.try_borrow().map_or(true, |c| c.is_some())).unwrap_or(false)
}

/// Runs `f` on the simulation of this thread, then wakes and drops the wakers that it left behind. `None` when this
/// thread holds no simulation.
#[inline]
pub fn try_with<R>(f: impl FnOnce(&mut Universe) -> R) -> Option<R> {
    let (result, left_behind) = CURRENT
        .try_with(|current| {
            let mut current = current.try_borrow_mut().ok()?;
            let universe = current.as_deref_mut()?;
            let result = f(universe);
            let chores = &universe.kernel.chores;
            Some((result, chores.wakes.len() | chores.discards.len() != 0))
        })
        .ok()??;
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
        wakes.into_iter().for_each(std::task::Waker::wake);
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
    CURRENT.with_borrow_mut(|current| current.as_deref_mut().map(f))
}

/// As [`with_loop`], for a step of the loop: there is nothing more to do without a simulation.
#[inline]
pub(crate) fn with_step(f: impl FnOnce(&mut Universe) -> Step) -> Step {
    CURRENT.with_borrow_mut(|current| match current.as_deref_mut() {
        Some(universe) => f(universe),
        None => Step::STOP,
    })
}

/// Tasks that were woken while the universe was borrowed.
pub(crate) fn take_deferred() -> Vec<TaskRef> {
    DEFERRED.take()
}

/// Wakes one task of one simulation.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) task: TaskRef,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let woken = CURRENT.try_with(|current| match current.try_borrow_mut() {
            Ok(mut current) => match current.as_deref_mut() {
                Some(universe) if universe.shared.generation == self.shared.generation => {
                    universe.kernel.make_ready(self.task);
                    true
                }
                _ => false,
            },
            Err(_) => {
                DEFERRED.with_borrow_mut(|deferred| deferred.push(self.task));
                true
            }
        });
        if !woken.unwrap_or(false) && !self.shared.ended.load(Ordering::Acquire) {
            self.shared.foreign_wake.store(true, Ordering::Release);
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
