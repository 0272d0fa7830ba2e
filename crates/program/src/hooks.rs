//! What interposed libc symbols get: the current node's clocks, entropy and name.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use stormglass_kernel as kernel;
use stormglass_net::{LookupError, Net};
use stormglass_sys::process;
use stormglass_sys::seal::{self, Admission, FutexWait, Hooks, Lookup, ProgramThread, Sleep};

use crate::{node_locals, threads};

/// Answers from the simulation that the calling thread holds.
#[derive(Debug)]
struct Sealed;

/// How many processors a simulated machine shows: programs that size pools by it do the same everywhere.
const CPUS: usize = 4;

/// For how long a thread that yields its processor lets others run: it must not be the next one again where threads run by
/// fixed priorities.
const YIELD: Duration = Duration::from_micros(1);

/// As much as the simulation gives its own thread: a debug build of a deep future wants a lot.
const NODE_STACK_BYTES: usize = 16 << 20;

thread_local! {
    /// The seed of this thread's run, and how many words were drawn from it outside the simulation.
    static THREAD: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Seals this thread for the run of `seed`.
///
/// The keys of `std`'s hash maps are drawn here, once per thread, so that they belong to the seed and not to whichever
/// task happens to make the first map.
pub fn seal_thread(seed: u64) -> seal::Entered {
    THREAD.set((seed, 0));
    let sealed = seal::enter(&Sealed);
    let _keys = std::hash::RandomState::new();
    node_locals::begin(seed);
    sealed
}

/// Seals a thread that was there before its simulation, as [`seal_thread`] does the simulation's own. What libraries keep
/// in its thread-locals becomes that of the node whose thread it is now.
pub(crate) fn seal_guest(seed: u64) -> seal::Entered {
    let sealed = seal_thread(seed);
    let boot = kernel::try_with(|u| {
        let node = u.kernel.current_node();
        (node, u.kernel.node(node).incarnation())
    });
    if let Some((node, incarnation)) = boot {
        node_locals::switch(node, incarnation);
    }
    sealed
}

impl Hooks for Sealed {
    fn monotonic_ns(&self) -> Option<u64> {
        kernel::try_with(|u| u.kernel.read_monotonic_ns())
    }

    fn wall_ns(&self) -> Option<u64> {
        kernel::try_with(|u| u.kernel.read_wall_ns())
    }

    fn fill_random(&self, buf: &mut [u8]) -> bool {
        if kernel::try_with(|u| u.kernel.fill_entropy(buf)).is_none() {
            // Before and after the run, or Stormglass itself while it holds the world: from the seed, never the machine's.
            let (seed, drawn) = THREAD.get();
            for (i, chunk) in buf.chunks_mut(8).enumerate() {
                let bits = kernel::mix(seed, drawn + i as u64);
                chunk.copy_from_slice(&bits.to_le_bytes()[..chunk.len()]);
            }
            THREAD.set((seed, drawn + buf.len().div_ceil(8) as u64));
        }
        true
    }

    fn hostname(&self, buf: &mut [u8]) -> Option<usize> {
        kernel::try_with(|u| {
            let node = u.kernel.current_node();
            let name = u.kernel.node(node).name().as_bytes();
            let length = name.len().min(buf.len());
            buf[..length].copy_from_slice(&name[..length]);
            length
        })
    }

    fn cpus(&self) -> Option<usize> {
        kernel::is_held().then_some(CPUS)
    }

    fn files(&self) -> Option<&'static dyn seal::Files> {
        crate::files::here()
    }

    fn process_id(&self) -> Option<u32> {
        kernel::try_with(|u| {
            let node = u.kernel.current_node();
            // Plausible, and never the same for two boots of a run.
            1_000 + node.index() as u32 * 1_000 + u.kernel.node(node).incarnation().number()
        })
    }

    fn resolve(&self, name: &str) -> Option<Lookup> {
        kernel::try_with(|u| {
            let (net, kernel) = u.get::<Net>()?;
            Some(match net.lookup(kernel, name) {
                Ok(addresses) => Lookup::Found(addresses),
                Err(LookupError::Unknown) => Lookup::Unknown,
                Err(LookupError::Again) => Lookup::Again,
            })
        })?
    }

    fn thread_id(&self) -> Option<u32> {
        self.process_id().map(|process| process + threads::number())
    }

    fn new_thread(&self, thread: &Arc<ProgramThread>) -> Admission {
        threads::admit(Seal::of_this_thread(), thread)
    }

    fn thread_wait(&self, address: usize, timeout_ns: Option<u64>) -> Option<bool> {
        let timeout = timeout_ns.map(Duration::from_nanos);
        kernel::wait_for_thread(address, timeout).map(|waited| waited == kernel::Waited::Woken)
    }

    fn yield_now(&self) -> bool {
        kernel::nap(YIELD)
    }

    fn must_not_wait(&self) -> bool {
        kernel::is_home() && kernel::is_held()
    }

    fn may_wait_in_poll(&self) -> bool {
        kernel::may_block_in_poll()
    }

    fn blocking_sleep(&self, ns: u64) -> Sleep {
        if kernel::nap(Duration::from_nanos(ns)) { Sleep::Slept } else { Sleep::Refused }
    }

    fn allocates(&self, bytes: usize) -> bool {
        // What the simulation itself allocates while it is at work is nobody's.
        kernel::try_with(|u| u.kernel.allocates(bytes as u64)).unwrap_or(true)
    }

    fn futex_wait(&self, wait: &FutexWait) -> Option<bool> {
        let timeout = wait.timeout_ns.map(Duration::from_nanos);
        kernel::wait_on(wait.address, wait.bits, timeout).map(|waited| waited == kernel::Waited::Woken)
    }

    fn futex_wake(&self, address: usize, count: u32, bits: u32) -> u32 {
        kernel::wake_waiters(address, count as usize, bits) as u32
    }
}

/// Starts a thread of a node, sealed as the simulation's own is: its program draws on the node and reaches nothing else.
/// What libraries keep in thread-locals begins anew there, as on any thread, from the entropy of the task that it is.
///
/// # Errors
/// What the system says when it cannot start a thread.
pub fn spawn_node_thread(program: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    let seal = Seal::of_this_thread();
    let mut word = [0; 8];
    kernel::try_with(|u| u.kernel.fill_entropy(&mut word));
    seal::spawn_simulation_thread(NODE_STACK_BYTES, move || {
        // It would seed itself from the clock and the number of the thread, and reads both even before it is given a seed:
        // that is still outside.
        fastrand::seed(u64::from_le_bytes(word));
        let _sealed = seal.enter();
        program();
    })
}

/// What seals a new thread of the current node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    seed: u64,
}

impl Seal {
    pub(crate) fn of_this_thread() -> Self {
        let (seed, _) = THREAD.get();
        Self { seed }
    }

    /// On the new thread.
    pub(crate) fn enter(self) -> seal::Entered {
        THREAD.set((self.seed, 0));
        seal::enter(&Sealed)
    }
}

/// What a thread of a node reached outside, as a failure of the run: to be asked there before it gives the baton back.
#[must_use]
pub fn leaked_by_thread() -> Option<kernel::Failure> {
    if seal::leak_count() == 0 {
        return None;
    }
    let leaks = seal::take_leaks();
    // A loop that leaks says so once.
    let mut what: Vec<String> = leaks.iter().map(ToString::to_string).collect();
    what.dedup();
    let what = what.join("; ");
    Some(kernel::Failure::Refused { what })
}

/// After each poll: tells the watchdog, and gives what reached outside since the last poll, as a failure of the run.
#[must_use]
pub fn leaked() -> Option<kernel::Failure> {
    process::watchdog::poll_ends();
    leaked_by_thread()
}
