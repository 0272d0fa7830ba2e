//! Whether this thread is inside a simulation: two thread-local cells without a destructor, so that they can be read
//! before `main`, while a thread is being torn down, and in a signal handler.

use std::cell::Cell;
use std::marker::PhantomData;

use super::hooks::Hooks;
use super::leak;

thread_local! {
    static HOOKS: Cell<Option<&'static dyn Hooks>> = const { Cell::new(None) };
    static HOST_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// The hooks of this thread's simulation, unless there is none or the thread is in host mode.
#[inline]
#[cfg_attr(
    not(sealed_tier),
    expect(dead_code, reason = "only interposed symbols ask, and there are none on this platform")
)]
pub(crate) fn simulation() -> Option<&'static dyn Hooks> {
    match HOOKS.get() {
        Some(hooks) if HOST_DEPTH.get() == 0 => Some(hooks),
        _ => None,
    }
}

/// Whether libc calls of this thread now go to a simulation: it has [entered](enter) one and is not in [host
/// mode](host).
#[inline]
pub fn is_simulated() -> bool {
    HOOKS.get().is_some() && HOST_DEPTH.get() == 0
}

/// Puts this thread inside a simulation until the guard is dropped. Leaks left from an earlier simulation of this
/// thread are forgotten, unless it is still inside one.
///
/// Nests: dropping the guard restores what was before.
#[must_use = "the thread leaves the simulation when the guard is dropped"]
pub fn enter(hooks: &'static dyn Hooks) -> Entered {
    #[cfg(sealed_tier)]
    super::symbols::table::keep_linked();
    let hooks_before = HOOKS.replace(Some(hooks));
    let depth_before = HOST_DEPTH.replace(0);
    if hooks_before.is_none() {
        leak::forget();
    }
    Entered { hooks_before, depth_before, not_send: PhantomData }
}

/// This thread is inside a simulation while the guard lives. Made by [`enter`].
pub struct Entered {
    hooks_before: Option<&'static dyn Hooks>,
    depth_before: u32,
    not_send: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        HOOKS.set(self.hooks_before);
        HOST_DEPTH.set(self.depth_before);
    }
}

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entered").field("nested", &self.hooks_before.is_some()).finish_non_exhaustive()
    }
}

/// Runs `f` with the real libc on this thread. For Stormglass's own input and output, never for simulated code. Nests.
#[inline]
pub fn host<R>(f: impl FnOnce() -> R) -> R {
    let _mode = host_mode();
    f()
}

/// Host mode as a guard, where a closure does not fit; see [`host`].
#[inline]
#[must_use = "host mode ends when the guard is dropped"]
pub fn host_mode() -> HostMode {
    HOST_DEPTH.set(HOST_DEPTH.get() + 1);
    HostMode { not_send: PhantomData }
}

/// This thread uses the real libc while the guard lives. Made by [`host_mode`].
#[derive(Debug)]
pub struct HostMode {
    not_send: PhantomData<*const ()>,
}

impl Drop for HostMode {
    #[inline]
    fn drop(&mut self) {
        HOST_DEPTH.set(HOST_DEPTH.get().saturating_sub(1));
    }
}
