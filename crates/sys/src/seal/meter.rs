//! Whether anybody limits the memory of simulated processes: then each allocation of a simulated thread is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many simulations of this process do.
static METERED: AtomicUsize = AtomicUsize::new(0);

/// While it lives, [`Hooks::allocates`](super::Hooks::allocates) is asked before each allocation on simulated threads. Made by
/// [`meter_memory`].
#[derive(Debug)]
#[non_exhaustive]
pub struct MemoryMeter;

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        METERED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Begins to meter what simulated threads allocate. `None` where the allocator cannot be interposed. An allocator that
/// a program brings along is asked for nothing, unless it calls libc's.
#[must_use]
pub fn meter_memory() -> Option<MemoryMeter> {
    can_meter_memory().then(|| {
        METERED.fetch_add(1, Ordering::Relaxed);
        MemoryMeter
    })
}

/// Whether [`meter_memory`] works on this platform.
#[must_use]
pub const fn can_meter_memory() -> bool {
    cfg!(sealed_tier)
}

/// Whether anybody meters. Of another thread's beginning to meter a thread may hear late; of its own never.
#[cfg(sealed_tier)]
#[inline(always)]
pub(super) fn is_metered() -> bool {
    METERED.load(Ordering::Relaxed) != 0
}
