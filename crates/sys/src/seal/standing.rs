//! Where polls stand that block their thread, to be told if it is for ever.

use std::backtrace::Backtrace;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::call_site::{CallSite, innermost_foreign};
use super::current::host;
use super::leak::text_of;

/// In the order in which they came there; the frames are addresses, and resolved when somebody asks.
static BLOCKED: Mutex<Blocked> = Mutex::new(Blocked { numbers: 0, places: Vec::new() });

struct Blocked {
    numbers: u64,
    places: Vec<(u64, Backtrace)>,
}

fn blocked() -> MutexGuard<'static, Blocked> {
    BLOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the world to let this thread wait. In the midst of a poll, and for as long as nobody wakes it, the place is noted.
#[cfg(sealed_tier)]
pub(super) fn ask_to_wait<R>(
    is_bounded: bool,
    wait: impl FnOnce(&'static dyn super::hooks::Hooks) -> Option<R>,
) -> Option<R> {
    use super::interpose::ask;
    if is_bounded || ask(|hooks| Some(hooks.may_wait_in_poll())) != Some(true) {
        return ask(wait);
    }
    let number = host(|| {
        let frames = Backtrace::force_capture();
        let mut blocked = blocked();
        blocked.numbers += 1;
        let number = blocked.numbers;
        blocked.places.push((number, frames));
        number
    });
    let waited = ask(wait);
    host(|| blocked().places.retain(|(other, _)| *other != number));
    waited
}

/// Where the polls that are blocked now called what they wait in; `None` for one in code without symbols.
///
/// Resolving the call sites reads the program's debug information, in host mode.
#[must_use]
pub fn blocked_polls() -> Vec<Option<CallSite>> {
    host(|| blocked().places.iter().map(|(_, frames)| innermost_foreign(&text_of(frames))).collect())
}
