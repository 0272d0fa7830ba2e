//! What the seal asks of the simulated world. The kernel implements [`Hooks`]; this crate only calls it.

use std::net::IpAddr;
use std::sync::Arc;

use super::files::Files;
use super::program_threads::{Admission, ProgramThread};

/// What became of a blocking sleep on a simulated thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// No world is current: sleep for real.
    Real,
    /// The world has accounted for it (say, by keeping the node's processor busy); the call returns as though it had
    /// slept.
    Slept,
    /// The world will not have it. A leak is recorded and the call returns at once *as though it had slept*: `std`
    /// asserts that a sleep fails with nothing but `EINTR`, and the assertion would bury the leak's name.
    Refused,
}

/// A wait of `futex(2)` on a simulated thread. The word holds the value that the caller expects, so there is something to
/// wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutexWait {
    /// Address of the futex word.
    pub address: usize,
    /// The bit set of the `_BITSET` operations; every bit for the others.
    pub bits: u32,
    /// For how long at most, in nanoseconds of the node's clock.
    pub timeout_ns: Option<u64>,
}

/// What a node's resolver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// These addresses, in this order.
    Found(Vec<IpAddr>),
    /// `EAI_NONAME`: there is no such name.
    Unknown,
    /// `EAI_AGAIN`: nobody answers.
    Again,
}

/// The simulated world, as interposed libc symbols see it.
///
/// Every method is called on the thread that made the libc call, in host mode (so the implementation may use the real
/// machine). It must not panic: a panic in an interposer aborts the process. It should not allocate: some allocators
/// read the clock or draw entropy. `None`, `false` or [`Sleep::Real`] means *no world is current on this thread, use
/// the real one*. Symbols with no method here (sockets, files, threads, processes) are refused on any simulated thread.
pub trait Hooks: Sync {
    /// The node's monotonic clock, in nanoseconds since an arbitrary origin.
    fn monotonic_ns(&self) -> Option<u64>;

    /// The node's wall clock, in nanoseconds since the Unix epoch.
    fn wall_ns(&self) -> Option<u64>;

    /// Fills `buf` with the node's entropy; `false` leaves it to the real source.
    fn fill_random(&self, buf: &mut [u8]) -> bool;

    /// Writes the node's host name, without a NUL, into the front of `buf` (255 bytes); returns its length.
    fn hostname(&self, buf: &mut [u8]) -> Option<usize>;

    /// How many processors the node has.
    fn cpus(&self) -> Option<usize>;

    /// The process id, and the id of its only thread, that the node sees. By default the real ones.
    fn process_id(&self) -> Option<u32> {
        None
    }

    /// What the node's resolver says of a name, or of an address in numbers. Refused unless the world says otherwise.
    fn resolve(&self, name: &str) -> Option<Lookup> {
        let _ = name;
        None
    }

    /// The number of the thread that asks. By default that of its process: it is the only one.
    fn thread_id(&self) -> Option<u32> {
        self.process_id()
    }

    /// The program wants a thread of its own. Refused by default.
    fn new_thread(&self, thread: &Arc<ProgramThread>) -> Admission {
        let _ = thread;
        Admission::Refused
    }

    /// Waits for the end of another thread of the program, whose [address](ProgramThread::address) is given; `Some(false)`
    /// when its time is over. `None`, the default, where this thread must not wait.
    fn thread_wait(&self, address: usize, timeout_ns: Option<u64>) -> Option<bool> {
        let _ = (address, timeout_ns);
        None
    }

    /// Lets others have the processor for a moment. `false`, the default, leaves that to the machine.
    fn yield_now(&self) -> bool {
        false
    }

    /// Whether this thread must not wait for others of its program: it holds the whole simulation, and nobody else runs.
    fn must_not_wait(&self) -> bool {
        false
    }

    /// Whether this thread polls a task, and may wait for others of its program all the same. Not by default.
    fn may_wait_in_poll(&self) -> bool {
        false
    }

    /// A blocking sleep of `ns` nanoseconds. Refused unless the world says otherwise.
    fn blocking_sleep(&self, ns: u64) -> Sleep {
        let _ = ns;
        Sleep::Refused
    }

    /// The files of the node's machine; `None`, the default, where it has none: then files are refused.
    fn files(&self) -> Option<&'static dyn Files> {
        None
    }

    /// Whether an allocation of so many bytes is to be made: yes by default. Asked only while somebody
    /// [meters](super::meter_memory), before each allocation of libc's, `realloc` among them.
    fn allocates(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }

    /// Waits on a futex: `Some(true)` when woken, `Some(false)` when its time is over; `None`, the default, makes the real
    /// call. A real wait is right for locks shared with host threads; on a process's only thread it never returns.
    fn futex_wait(&self, wait: &FutexWait) -> Option<bool> {
        let _ = wait;
        None
    }

    /// Wakes at most `count` of the simulation's threads that wait on the futex at `address` with one of `bits`, and says
    /// how many that were. None by default; those of the machine are woken beside.
    fn futex_wake(&self, address: usize, count: u32, bits: u32) -> u32 {
        let _ = (address, count, bits);
        0
    }
}
