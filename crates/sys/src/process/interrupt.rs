//! Ctrl-C and SIGTERM: the first asks, the second ends the process.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// What a process that was interrupted exits with.
pub const EXIT_INTERRUPTED: i32 = 130;

/// The first signal, zero until there is one.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// From now on the first SIGINT or SIGTERM only makes [`interrupted`] answer, so that the process can finish what it
/// writes; the second ends it at once with exit code 130. Forked cases have the default dispositions again.
///
/// # Errors
///
/// The system refuses the handler.
pub fn install_interrupt_flag() -> io::Result<()> {
    #[cfg(unix)]
    return install();
    #[cfg(not(unix))]
    return Err(io::Error::new(io::ErrorKind::Unsupported, "interrupts can be handled on Unix only"));
}

#[cfg(unix)]
fn install() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all zeros is a sigaction without flags and with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // Without SA_RESTART: a wait is to notice.
        // SAFETY: the handler is async-signal-safe: it uses an atomic and `_exit`.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The number of the signal that asked this process to end, if one has.
#[inline]
pub fn interrupted() -> Option<i32> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

#[cfg(unix)]
extern "C" fn on_signal(signal: libc::c_int) {
    if SIGNAL.swap(signal, Ordering::Relaxed) != 0 {
        // SAFETY: `_exit` may be called anywhere, a signal handler included.
        unsafe { libc::_exit(EXIT_INTERRUPTED) };
    }
}

/// Whether SIGINT and SIGTERM do what they do by default in this process.
#[cfg(target_os = "linux")]
pub(super) fn is_default() -> bool {
    [libc::SIGINT, libc::SIGTERM].into_iter().all(|signal| {
        // SAFETY: all zeros is a sigaction, to be written over.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: only asks, into a local.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
        asked == 0 && action.sa_sigaction == libc::SIG_DFL
    })
}

/// In a forked case: signals do again what they do by default, so that the parent can tell a kill from outside.
#[cfg(target_os = "linux")]
pub(super) fn reset_in_child() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the default disposition needs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    SIGNAL.store(0, Ordering::Relaxed);
}
