//! `tokio::time` on the node's monotonic clock: exact timers that are gone when dropped.

mod clock;
pub mod error;
mod instant;
mod interval;
mod sleep;
mod timeout;

pub(crate) use clock::{pause_for, resume_for};

pub use std::time::Duration;

pub use clock::{advance, pause, resume};
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};
