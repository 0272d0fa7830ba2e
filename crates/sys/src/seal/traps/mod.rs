//! The second layer of the seal, for determinism checks: what reaches the machine past libc's symbols.
//!
//! Interposed symbols do not see system calls that a program makes itself (rustix's `linux_raw` backend, assembly), nor
//! instructions that read the processor's clock. While a thread is [armed](arm_traps), both raise a signal there:
//!
//! - **system calls from outside libc**: Syscall User Dispatch (Linux 5.11, x86-64), or where that is missing a seccomp
//!   filter that traps by the address of the call;
//! - **`rdtsc` and `rdtscp`**: `prctl(PR_SET_TSC, PR_TSC_SIGSEGV)` (x86-64). That covers the vDSO, whose clocks are
//!   `rdtsc` and arithmetic.
//!
//! In simulated code they leak by name, as refused symbols do: the call fails with EPERM, the clock reads as the node's.
//! In [host mode](crate::seal::host), and outside a simulation, the handlers do for real what was asked, so that
//! Stormglass's own code may stay as it is; it is some microseconds slower.
//!
//! Not for every run: each trap costs a signal, and a seccomp filter never goes away again.

use std::fmt;
use std::marker::PhantomData;

#[cfg(sealed_tier)]
mod dispatch;
#[cfg(sealed_tier)]
mod filter;
#[cfg(sealed_tier)]
mod objects;
#[cfg(sealed_tier)]
mod registers;
#[cfg(sealed_tier)]
mod system_calls;
#[cfg(all(sealed_tier, target_arch = "x86_64"))]
mod tsc;

/// How system calls from outside libc are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallTrap {
    /// Syscall User Dispatch, see `Documentation/admin-guide/syscall-user-dispatch.rst` of Linux. Ends with the guard.
    UserDispatch,
    /// A seccomp filter, see `seccomp(2)`. The thread keeps it for as long as it lives, and so does what it starts; the
    /// handler lets everything pass once the guard is gone.
    Seccomp,
}

impl fmt::Display for SyscallTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SyscallTrap::UserDispatch => "syscall user dispatch",
            SyscallTrap::Seccomp => "a seccomp filter",
        })
    }
}

/// Which parts of the second layer are there: each is on, or off with the reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondLayer {
    /// System calls that libc does not make.
    pub system_calls: Result<SyscallTrap, String>,
    /// Instructions that read the processor's clock.
    pub processor_clock: Result<(), String>,
}

impl SecondLayer {
    /// What a determinism check on this machine does not see, one sentence each; empty where all is on.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let calls = self.system_calls.as_ref().err();
        let clock = self.processor_clock.as_ref().err();
        let calls = calls.map(|why| format!("determinism checks do not see system calls made without libc: {why}"));
        let clock = clock.map(|why| format!("determinism checks do not see readings of the processor's clock: {why}"));
        calls.into_iter().chain(clock).collect()
    }
}

/// This thread is armed while the guard lives. Made by [`arm_traps`].
#[must_use = "the traps are off when the guard is dropped"]
pub struct Traps {
    layer: SecondLayer,
    #[cfg(all(sealed_tier, target_arch = "x86_64"))]
    _clock: Option<tsc::Trapped>,
    #[cfg(sealed_tier)]
    _calls: Option<system_calls::Trapped>,
    not_send: PhantomData<*const ()>,
}

impl Traps {
    /// Which parts are on.
    #[must_use]
    pub fn layer(&self) -> &SecondLayer {
        &self.layer
    }
}

impl fmt::Debug for Traps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traps").field("layer", &self.layer).finish_non_exhaustive()
    }
}

/// Arms this thread: with `only` for system calls, or with the best there is.
///
/// Threads that an armed one starts with [`spawn_simulation_thread`](crate::seal::spawn_simulation_thread) are armed too.
/// Arm a thread once; a second guard of one thread has no part on.
pub fn arm_traps(only: Option<SyscallTrap>) -> Traps {
    #[cfg(sealed_tier)]
    {
        let calls = crate::seal::host(|| system_calls::Trapped::arm(only));
        let (system_calls, calls) = match calls {
            Ok(trapped) => (Ok(trapped.by()), Some(trapped)),
            Err(why) => (Err(why), None),
        };
        #[cfg(target_arch = "x86_64")]
        let (processor_clock, clock) = match crate::seal::host(tsc::Trapped::arm) {
            Ok(trapped) => (Ok(()), Some(trapped)),
            Err(why) => (Err(why), None),
        };
        #[cfg(not(target_arch = "x86_64"))]
        let processor_clock = Err(NO_CLOCK_TRAP.to_owned());
        Traps {
            layer: SecondLayer { system_calls, processor_clock },
            #[cfg(target_arch = "x86_64")]
            _clock: clock,
            _calls: calls,
            not_send: PhantomData,
        }
    }
    #[cfg(not(sealed_tier))]
    {
        let _ = only;
        Traps { layer: second_layer(), not_send: PhantomData }
    }
}

#[cfg(not(all(sealed_tier, target_arch = "x86_64")))]
const NO_CLOCK_TRAP: &str = "only x86-64 lets a thread trap them";

/// What [`arm_traps`] would find on this machine. Tries without leaving a trace.
#[must_use]
pub fn second_layer() -> SecondLayer {
    #[cfg(sealed_tier)]
    let system_calls = crate::seal::host(system_calls::available);
    #[cfg(not(sealed_tier))]
    let system_calls = Err("they are trapped on Linux with glibc alone".to_owned());
    #[cfg(all(sealed_tier, target_arch = "x86_64"))]
    let processor_clock = crate::seal::host(tsc::available);
    #[cfg(not(all(sealed_tier, target_arch = "x86_64")))]
    let processor_clock = Err(NO_CLOCK_TRAP.to_owned());
    SecondLayer { system_calls, processor_clock }
}

/// How a thread that this one starts is to be armed, if it is.
pub(super) fn to_inherit() -> Option<SyscallTrap> {
    #[cfg(sealed_tier)]
    return system_calls::armed_by();
    #[cfg(not(sealed_tier))]
    None
}
