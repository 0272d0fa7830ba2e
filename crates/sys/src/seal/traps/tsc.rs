//! Readings of the processor's time stamp counter: `rdtsc` faults on an armed thread, and the SIGSEGV handler answers it.

use std::cell::Cell;
use std::ffi::{c_int, c_ulong, c_void};
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{sigaction, siginfo_t, stack_t};

use super::registers::Registers;
use crate::seal::{current, leak};

const RDTSC: [u8; 2] = [0x0f, 0x31];
pub(super) const RDTSCP: [u8; 3] = [0x0f, 0x01, 0xf9];

// `linux/prctl.h`.
const PR_GET_TSC: c_int = 25;
const PR_SET_TSC: c_int = 26;
const ENABLE: c_ulong = 1;
const SIGSEGV: c_ulong = 2;
/// The kernel's own fault, without an address: what a forbidden instruction raises.
const SI_KERNEL: c_int = 0x80;

/// Room for a backtrace on the stack of the handler: the one that `std` gives a thread is too small.
const STACK_BYTES: usize = 512 << 10;

/// Where the stacks of handlers lie: far from all else, so that they move nothing that is mapped later. Programs see where
/// their memory is, and a run with traps is compared with one without.
static PLACE: AtomicUsize = AtomicUsize::new(0x0f00_0000_0000);

fn next_place() -> *mut c_void {
    ptr::without_provenance_mut(PLACE.fetch_add(2 * STACK_BYTES, Ordering::Relaxed))
}

thread_local! {
    static TRAPPED: Cell<bool> = const { Cell::new(false) };
}

static BEFORE: OnceLock<sigaction> = OnceLock::new();

fn set(how: c_ulong) -> io::Result<()> {
    let zero: c_ulong = 0;
    // SAFETY: numbers.
    if unsafe { libc::prctl(PR_SET_TSC, how, zero, zero, zero) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether the kernel lets a thread trap it.
pub(super) fn available() -> Result<(), String> {
    let mut how: c_int = 0;
    let zero: c_ulong = 0;
    // SAFETY: a pointer to a local.
    let answer = unsafe { libc::prctl(PR_GET_TSC, (&raw mut how) as c_ulong, zero, zero, zero) };
    if answer == 0 { Ok(()) } else { Err(format!("prctl(PR_GET_TSC): {}", io::Error::last_os_error())) }
}

/// This thread's readings are trapped while this lives.
pub(super) struct Trapped {
    stack: *mut c_void,
    stack_before: stack_t,
}

impl Trapped {
    pub(super) fn arm() -> Result<Trapped, String> {
        if TRAPPED.get() {
            return Err("this thread is armed already".to_owned());
        }
        install_handler()?;
        let say = |what: &str| format!("{what}: {}", io::Error::last_os_error());
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping; where the place is taken, wherever the kernel likes.
        let stack = unsafe { libc::mmap(next_place(), STACK_BYTES, access, kind, -1, 0) };
        if stack == libc::MAP_FAILED {
            return Err(say("no stack for the handler"));
        }
        let own = stack_t { ss_sp: stack, ss_flags: 0, ss_size: STACK_BYTES };
        let mut before = MaybeUninit::uninit();
        // SAFETY: the mapping lives until the former stack is put back.
        let mut armed = unsafe { libc::sigaltstack(&raw const own, before.as_mut_ptr()) } == 0;
        // Words take memory from the heap, which an armed thread is to find as any other one does.
        let mut why = None;
        if !armed {
            why = Some(say("sigaltstack"));
        }
        let trapped = Trapped {
            stack,
            // SAFETY: written where the call succeeded; all zeros is a stack of no size at address zero.
            stack_before: unsafe { if armed { before.assume_init() } else { zeroed() } },
        };
        if armed && let Err(error) = set(SIGSEGV) {
            armed = false;
            why = Some(format!("prctl(PR_SET_TSC): {error}"));
        }
        if !armed {
            return Err(why.unwrap_or_default());
        }
        TRAPPED.set(true);
        Ok(trapped)
    }
}

impl Drop for Trapped {
    fn drop(&mut self) {
        TRAPPED.set(false);
        let _ = set(ENABLE);
        // SAFETY: the former stack is put back, after which nobody uses the mapping.
        unsafe {
            libc::sigaltstack(&raw const self.stack_before, ptr::null_mut());
            libc::munmap(self.stack, STACK_BYTES);
        }
    }
}

/// Puts the handler in front of the one there is (`std`'s, which tells stack overflows), once per process.
fn install_handler() -> Result<(), String> {
    if BEFORE.get().is_some() {
        return Ok(());
    }
    // SAFETY: all zeros is a sigaction with an empty mask.
    let mut action: sigaction = unsafe { zeroed() };
    action.sa_sigaction = on_sigsegv as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let mut before = MaybeUninit::uninit();
    // SAFETY: a pointer to a local.
    if unsafe { sigaction(libc::SIGSEGV, ptr::null(), before.as_mut_ptr()) } != 0 {
        return Err(format!("no handler for SIGSEGV: {}", io::Error::last_os_error()));
    }
    // Kept before ours is there, which needs it.
    // SAFETY: the call succeeded and so has written it.
    let _ = BEFORE.set(unsafe { before.assume_init() });
    // SAFETY: a pointer to a local. What is no trap the handler passes on.
    if unsafe { sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) } != 0 {
        return Err(format!("no handler for SIGSEGV: {}", io::Error::last_os_error()));
    }
    Ok(())
}

extern "C" fn on_sigsegv(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the context of this very handler.
    let mut registers = unsafe { Registers::of(context) };
    // SAFETY: the kernel passes a valid record.
    let may_be = unsafe { (*info).si_code } == SI_KERNEL;
    // SAFETY: the thread has just run the instruction there, so its first bytes can be read.
    match may_be.then(|| unsafe { length_of(registers.instruction()) }).flatten() {
        Some(length) => {
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            // A second fault in here would end the process, so the counter is free meanwhile.
            let _ = set(ENABLE);
            registers.counter(reading(length), length);
            // A thread that an armed one started has inherited this from it, though nobody armed it: it stays free.
            if TRAPPED.get() {
                let _ = set(SIGSEGV);
            }
            crate::seal::interpose::set_errno(errno);
        }
        None => pass_on(signal, info, context),
    }
}

/// The length of the instruction at `address`, if it reads the counter.
///
/// # Safety
///
/// An instruction was run there.
unsafe fn length_of(address: usize) -> Option<usize> {
    let at = address as *const u8;
    // SAFETY: as the caller promises; each byte is read only where those before it belong to such an instruction.
    unsafe {
        if at.read() != RDTSC[0] {
            return None;
        }
        match at.add(1).read() {
            second if second == RDTSC[1] => Some(RDTSC.len()),
            second if second == RDTSCP[1] && at.add(2).read() == RDTSCP[2] => Some(RDTSCP.len()),
            _ => None,
        }
    }
}

fn reading(length: usize) -> u64 {
    match current::simulation() {
        Some(hooks) => {
            let name = if length == RDTSC.len() { "rdtsc" } else { "rdtscp" };
            leak::record(name, || "an instruction that reads the processor's clock".to_owned());
            // The run has failed; what it reads until it ends is at least the same every time.
            current::host(|| hooks.monotonic_ns()).unwrap_or(0)
        }
        // SAFETY: every x86-64 has the instruction.
        None => unsafe { std::arch::x86_64::_rdtsc() },
    }
}

/// What would have happened without this handler.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(before) = BEFORE.get() else { return };
    let handler = before.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // The instruction faults again and is then judged by the default.
        // SAFETY: a number and the default action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    } else if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the handler was installed with three arguments.
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: the handler was installed with one argument.
        let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}
