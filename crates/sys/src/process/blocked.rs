//! The end of a process in which a task's poll waits for a thread of its own program: the simulation stands still while it
//! polls, so nobody is left to wake it. To be told with the place, as by the watchdog, and not to hang.

use std::backtrace::Backtrace;
use std::io::Write;

use crate::seal::{host_mode, innermost_foreign};

/// What a process exits with that ends so.
pub(super) const EXIT_POLL_BLOCKED: i32 = 114;

/// The line that is written first.
const MARKER: &str = "\nstormglass: a poll blocks, and the simulation with it: it waits for a lock, a channel or a thread of its own program; \
     blocking code belongs on a thread (spawn_blocking, std::thread)\n";

/// Begins the line that names the call site.
pub(super) const CALL_SITE: &str = "stormglass: it blocks in ";

/// Says where this thread is, and ends the process.
#[cfg_attr(not(sealed_tier), expect(dead_code, reason = "only interposed symbols see it"))]
pub(crate) fn end() -> ! {
    // Never left again: no simulated code runs from here on.
    std::mem::forget(host_mode());
    let backtrace = Backtrace::force_capture().to_string();
    let mut text = MARKER.to_owned();
    if let Some(site) = innermost_foreign(&backtrace) {
        text.push_str(&format!("{CALL_SITE}{site}\n"));
    }
    text.push_str(&backtrace);
    // Text that is lost is lost: the exit code tells as much as there is to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
    // SAFETY: `_exit` may be called anywhere.
    unsafe { libc::_exit(EXIT_POLL_BLOCKED) }
}
