//! Leaks: attempts of simulated code to reach the real machine, kept per thread until the kernel asks.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::fmt;

use super::call_site::{self, CallSite};
use super::current::host;

/// How many leaks of one thread keep their call site, from the first one on; later ones are only counted.
pub const LEAKS_KEPT: usize = 16;

/// One attempt of simulated code to reach the real machine, refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The libc symbol, such as `open64`.
    pub symbol: &'static str,
    /// What was asked of it, such as a path or an address; may be empty.
    pub detail: String,
    /// The innermost frame outside `std`, `core`, `alloc` and this crate; `None` where symbols are stripped.
    pub call_site: Option<CallSite>,
    /// The whole backtrace as `std` prints it.
    pub backtrace: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.symbol)?;
        if !self.detail.is_empty() {
            write!(f, "({})", self.detail)?;
        }
        match &self.call_site {
            Some(site) => write!(f, " called in {site}"),
            None => f.write_str(" called from an unknown place (the binary has no symbols)"),
        }
    }
}

/// A leak as recorded inside the interposer: the frames are addresses still, and resolved when somebody asks.
struct Recorded {
    symbol: &'static str,
    detail: String,
    frames: Backtrace,
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static RESOLVING: Cell<bool> = const { Cell::new(false) };
    static RECORDED: RefCell<Vec<Recorded>> = const { RefCell::new(Vec::new()) };
}

/// Records a leak of this thread. Never unwinds and never waits for a lock of this crate; allocates, as a leak is rare.
#[cfg_attr(
    not(sealed_tier),
    expect(dead_code, reason = "only interposed symbols leak, and there are none on this platform")
)]
#[cold]
pub(crate) fn record(symbol: &'static str, detail: impl FnOnce() -> String) {
    let before = COUNT.get();
    COUNT.set(before + 1);
    if before >= LEAKS_KEPT as u64 {
        return;
    }
    host(|| {
        let recorded = Recorded { symbol, detail: detail(), frames: Backtrace::force_capture() };
        // Both fail only while the thread is being torn down or is already recording: the leak stays counted.
        let _ = RECORDED.try_with(|list| {
            if let Ok(mut list) = list.try_borrow_mut() {
                list.push(recorded);
            }
        });
    });
}

/// How many leaks this thread has made since the last [`take_leaks`]. One thread-local read: ask after every poll.
#[inline]
pub fn leak_count() -> u64 {
    COUNT.get()
}

/// Takes the leaks of this thread in the order they happened, at most [`LEAKS_KEPT`], and sets [`leak_count`] to zero.
///
/// Resolving the call sites reads the program's debug information (in host mode; the first time up to a second);
/// without leaks it costs one thread-local read. Leaks belong to the thread that made them: a thread that hands the
/// simulation on takes its own first.
pub fn take_leaks() -> Vec<Leak> {
    if COUNT.replace(0) == 0 {
        return Vec::new();
    }
    let recorded = RECORDED.try_with(RefCell::take).unwrap_or_default();
    host(|| recorded.into_iter().map(resolve).collect())
}

/// Drops this thread's leaks unresolved.
///
/// Also makes sure that there is a place for them for as long as the thread is in its simulation, the destructors of its
/// thread-locals included: what is made first is dropped last.
pub(super) fn forget() {
    COUNT.set(0);
    let _ = RECORDED.try_with(RefCell::take);
}

/// The symbol of this thread's first leak, unresolved.
#[cfg(sealed_tier)]
pub(super) fn first_symbol() -> Option<&'static str> {
    RECORDED.try_with(|list| list.borrow().first().map(|leak| leak.symbol)).ok().flatten()
}

/// Whether this thread is turning a leak's frames into text. `std` then leaves the working folder out of paths below it;
/// as evidence must not depend on the folder that a run was started in, it is told that there is none.
#[cfg(sealed_tier)]
pub(super) fn is_resolving() -> bool {
    RESOLVING.get()
}

/// A backtrace as text that does not depend on the working folder.
pub(super) fn text_of(frames: &Backtrace) -> String {
    RESOLVING.set(true);
    let text = frames.to_string();
    RESOLVING.set(false);
    text
}

fn resolve(recorded: Recorded) -> Leak {
    let backtrace = text_of(&recorded.frames);
    Leak {
        symbol: recorded.symbol,
        detail: recorded.detail,
        call_site: call_site::innermost_foreign(&backtrace),
        backtrace,
    }
}
