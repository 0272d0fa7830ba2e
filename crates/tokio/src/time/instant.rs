//! An instant of the clock that a node's timers follow: its monotonic clock, until the program pauses it.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use stormglass_kernel::try_with;

/// As `tokio::time::Instant`: in a simulation, what the current node's clock shows, paused or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    std: std::time::Instant,
}

/// The `std` instant at which a simulated clock would have shown zero. Where `std`'s clock is itself the node's (the seal is
/// on) this is the clock's own zero, and conversions to and from `std` agree with `std::time::Instant::now`.
fn zero() -> Option<std::time::Instant> {
    match try_with(|u| u.std_zero())? {
        Some(zero) => Some(zero),
        None => find_zero(),
    }
}

#[cold]
pub(super) fn find_zero() -> Option<std::time::Instant> {
    let std_now = std::time::Instant::now();
    try_with(|u| {
        let shown = u.kernel.peek_monotonic_ns(u.kernel.current_node());
        let zero = std_now.checked_sub(Duration::from_nanos(shown))?;
        Some(u.set_std_zero(zero))
    })
    .flatten()
}

impl Instant {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        let shown = try_with(|u| (u.std_zero(), u.kernel.read_timer_clock_ns()));
        let shown = shown.and_then(|(zero, ns)| {
            let zero = zero.or_else(find_zero)?;
            Some(Self { std: zero + Duration::from_nanos(ns) })
        });
        shown.unwrap_or_else(|| Self { std: real_tokio::time::Instant::now().into_std() })
    }

    /// From `std`'s instant.
    #[must_use]
    pub fn from_std(std: std::time::Instant) -> Self {
        Self { std }
    }

    /// To `std`'s instant.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.std
    }

    /// This instant in nanoseconds of the current node's timer clock; `None` outside a simulation.
    pub(crate) fn as_node_ns(self) -> Option<u64> {
        Some(self.since_ns(zero()?))
    }

    /// This instant in nanoseconds of a clock that shows zero at `zero`.
    #[inline]
    pub(crate) fn since_ns(self, zero: std::time::Instant) -> u64 {
        stormglass_kernel::saturating_nanos(self.std.saturating_duration_since(zero))
    }

    /// An instant so far away that nobody waits for it: about 30 years.
    pub(crate) fn far_future() -> Self {
        Self::now() + Duration::from_secs(86_400 * 365 * 30)
    }

    /// Time from `earlier` to `self`, zero if `earlier` is the later one.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// Time from `earlier` to `self`, `None` if `earlier` is the later one.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.std.checked_duration_since(earlier.std)
    }

    /// Time from `earlier` to `self`, zero if `earlier` is the later one.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// Time since this instant.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// `self + duration`, if that can be told.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.std.checked_add(duration).map(Self::from_std)
    }

    /// `self - duration`, if that can be told.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.std.checked_sub(duration).map(Self::from_std)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Self {
        Self { std }
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.std
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self { std: self.std + rhs }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        self.duration_since(rhs)
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self { std: self.std - rhs }
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, rhs: Duration) {
        *self = *self - rhs;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
