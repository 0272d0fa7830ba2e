//! What interposed libc symbols get: the current node's clocks, entropy and name.

use stormglass_kernel as kernel;
use stormglass_sys::process;
use stormglass_sys::seal::{self, Hooks};

/// Answers from the simulation that the calling thread holds.
#[derive(Debug)]
pub(crate) struct Sealed;

/// How many processors a simulated machine shows: programs that size pools by it do the same everywhere.
const CPUS: usize = 4;

impl Hooks for Sealed {
    fn monotonic_ns(&self) -> Option<u64> {
        kernel::try_with(|u| u.kernel.read_monotonic_ns())
    }

    fn wall_ns(&self) -> Option<u64> {
        kernel::try_with(|u| u.kernel.read_wall_ns())
    }

    fn fill_random(&self, buf: &mut [u8]) -> bool {
        kernel::try_with(|u| u.kernel.fill_entropy(buf)).is_some() || {
            // Stormglass itself, while it holds the world: a fixed answer, never the machine's.
            let held = kernel::is_held();
            if held {
                buf.fill(0x53);
            }
            held
        }
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

    fn process_id(&self) -> Option<u32> {
        kernel::try_with(|u| {
            let node = u.kernel.current_node();
            // Plausible, and never the same for two boots of a run.
            1_000 + node.index() as u32 * 1_000 + u.kernel.node(node).incarnation().number()
        })
    }
}

/// After each poll: tells the watchdog, and gives what reached outside since the last poll, as a failure of the run.
pub(crate) fn leaked() -> Option<kernel::Failure> {
    process::watchdog::poll_ends();
    if seal::leak_count() == 0 {
        return None;
    }
    let leaks = seal::take_leaks();
    let what = leaks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Some(kernel::Failure::Refused { what })
}
