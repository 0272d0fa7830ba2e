//! System calls from outside libc: arming a thread for them, and the SIGSYS handler that judges them.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

use libc::{sigaction, siginfo_t};
use syscalls::Sysno;

use super::registers::Registers;
use super::{SyscallTrap, dispatch, filter, objects};
use crate::seal::symbols::syscall as libc_syscall;
use crate::seal::{current, leak};

// `asm-generic/siginfo.h`.
const SYS_SECCOMP: c_int = 1;
const SYS_USER_DISPATCH: c_int = 2;

thread_local! {
    static ARMED_BY: Cell<Option<SyscallTrap>> = const { Cell::new(None) };
}

/// Code that may make system calls: libc's own, which the first layer has judged, and the loader's.
struct Trusted {
    libc: Range<usize>,
    loader: Option<Range<usize>>,
}

static TRUSTED: OnceLock<Option<Trusted>> = OnceLock::new();
static BEFORE: OnceLock<sigaction> = OnceLock::new();

fn trusted() -> Result<&'static Trusted, String> {
    let found = TRUSTED.get_or_init(|| {
        let libc = objects::code_at(libc_syscall::real_address()?)?;
        Some(Trusted { libc, loader: objects::code_of(b"/ld-linux-") })
    });
    found.as_ref().ok_or_else(|| "libc's code was not found in memory".to_owned())
}

pub(super) fn armed_by() -> Option<SyscallTrap> {
    ARMED_BY.get()
}

/// Which trap this machine has, with nothing left behind.
pub(super) fn available() -> Result<SyscallTrap, String> {
    let libc = &trusted()?.libc;
    if ARMED_BY.get().is_none() && dispatch::on(libc).map(|()| dispatch::off()).is_ok() {
        return Ok(SyscallTrap::UserDispatch);
    }
    filter::available().map(|()| SyscallTrap::Seccomp).map_err(|error| format!("seccomp(2): {error}"))
}

/// This thread's system calls are watched while this lives.
pub(super) struct Trapped(SyscallTrap);

impl Trapped {
    pub(super) fn arm(only: Option<SyscallTrap>) -> Result<Trapped, String> {
        if ARMED_BY.get().is_some() {
            return Err("this thread is armed already".to_owned());
        }
        let libc = &trusted()?.libc;
        install_handler()?;
        let mut whys = Vec::new();
        for trap in [SyscallTrap::UserDispatch, SyscallTrap::Seccomp] {
            if only.is_some_and(|only| only != trap) {
                continue;
            }
            let armed = match trap {
                SyscallTrap::UserDispatch => dispatch::on(libc),
                SyscallTrap::Seccomp => filter::install(libc),
            };
            match armed {
                Ok(()) => {
                    ARMED_BY.set(Some(trap));
                    return Ok(Trapped(trap));
                }
                Err(error) => whys.push(format!("{trap}: {error}")),
            }
        }
        Err(whys.join("; "))
    }

    pub(super) fn by(&self) -> SyscallTrap {
        self.0
    }
}

impl Drop for Trapped {
    fn drop(&mut self) {
        ARMED_BY.set(None);
        if self.0 == SyscallTrap::UserDispatch {
            dispatch::off();
        }
    }
}

/// Puts the handler in place, once per process.
fn install_handler() -> Result<(), String> {
    if BEFORE.get().is_some() {
        return Ok(());
    }
    // SAFETY: all zeros is a sigaction with an empty mask.
    let mut action: sigaction = unsafe { zeroed() };
    action.sa_sigaction = on_sigsys as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    let mut before = MaybeUninit::uninit();
    // SAFETY: pointers to locals. The handler is entered only where a trap is, never inside libc.
    if unsafe { sigaction(libc::SIGSYS, &raw const action, before.as_mut_ptr()) } != 0 {
        return Err(format!("no handler for SIGSYS: {}", io::Error::last_os_error()));
    }
    // SAFETY: the call succeeded and so has written it.
    let _ = BEFORE.set(unsafe { before.assume_init() });
    Ok(())
}

/// Runs where the system call was made. That is in no code of libc, so that the handler may allocate and take locks as
/// the caller itself could.
extern "C" fn on_sigsys(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid record.
    let code = unsafe { (*info).si_code };
    if code != SYS_SECCOMP && code != SYS_USER_DISPATCH {
        // Somebody sent the signal: as though this handler were not there, which is the end of the process by default.
        // SAFETY: the former action, or the default one, put back.
        unsafe {
            match BEFORE.get() {
                Some(before) => sigaction(signal, before, ptr::null_mut()),
                None => libc::signal(signal, libc::SIG_DFL) as c_int,
            };
            libc::raise(signal);
        }
        return;
    }
    // SAFETY: the context of this very handler.
    let mut registers = unsafe { Registers::of(context) };
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    dispatch::free(|| {
        let (number, arguments) = registers.system_call();
        let from = registers.instruction();
        let answer = if is_leak(number, arguments, from) {
            let name = u32::try_from(number).ok().and_then(|n| Sysno::new(n as usize)).map_or("syscall", |n| n.name());
            leak::record(name, || format!("system call {number}, made without libc"));
            -c_long::from(libc::EPERM)
        } else {
            // SAFETY: the caller's own system call, made where it is free.
            unsafe { perform(number, arguments) }
        };
        registers.answer(answer);
    });
    crate::seal::interpose::set_errno(errno);
}

/// Makes a system call; the answer is the kernel's own, with errors as negative numbers.
///
/// # Safety
///
/// As for the system call itself.
unsafe fn perform(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    // SAFETY: as the caller promises.
    let answer = unsafe { libc_syscall::real::syscall(number, a, b, c, d, e, f) };
    if answer == -1 { -c_long::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOSYS)) } else { answer }
}

fn is_leak(number: c_long, arguments: [c_long; 6], from: usize) -> bool {
    let loader = || TRUSTED.get().and_then(Option::as_ref).and_then(|trusted| trusted.loader.as_ref());
    current::simulation().is_some() && !is_harmless(number, arguments) && !loader().is_some_and(|l| l.contains(&from))
}

/// Calls that neither learn anything of the machine nor change anything but the process's own memory and end; and
/// output, which nobody simulated reads back.
fn is_harmless(number: c_long, arguments: [c_long; 6]) -> bool {
    match number {
        libc::SYS_mmap
        | libc::SYS_munmap
        | libc::SYS_mremap
        | libc::SYS_mprotect
        | libc::SYS_madvise
        | libc::SYS_brk
        | libc::SYS_membarrier
        | libc::SYS_rt_sigprocmask
        | libc::SYS_sigaltstack
        | libc::SYS_sched_yield
        | libc::SYS_exit
        | libc::SYS_exit_group => true,
        libc::SYS_write | libc::SYS_writev => {
            matches!(arguments[0], 1 | 2)
        }
        _ => false,
    }
}
