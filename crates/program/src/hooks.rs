//! What interposed libc symbols get: the current node's clocks, entropy and name.

use std::cell::Cell;

use stormglass_kernel as kernel;
use stormglass_sys::process;
use stormglass_sys::seal::{self, Hooks};

use crate::node_locals;

/// Answers from the simulation that the calling thread holds.
#[derive(Debug)]
struct Sealed;

/// How many processors a simulated machine shows: programs that size pools by it do the same everywhere.
const CPUS: usize = 4;

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
}

/// After each poll: tells the watchdog, and gives what reached outside since the last poll, as a failure of the run.
#[must_use]
pub fn leaked() -> Option<kernel::Failure> {
    process::watchdog::poll_ends();
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
