//! Faults of the parts of one machine: its disk and its clocks.

use std::fmt;
use std::time::Duration;

use crate::text::write::Shown;
use crate::{Kind, Probability};

/// What is wrong with a node's disk. The errors are the kernel's: `EIO`, `ENOSPC`, `EROFS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskFault {
    /// Reads fail, each with this probability.
    ReadErrors(Probability),
    /// Writes fail, each with this probability.
    WriteErrors(Probability),
    /// Syncs fail, each with this probability, and what they should have written is never written (Linux since 4.13).
    SyncErrors(Probability),
    /// Syncs say yes and do nothing.
    LyingSync,
    /// No room is left.
    Full,
    /// So many more bytes fit, and then it is full.
    Space(u64),
    /// The file system is read-only.
    ReadOnly,
    /// Everything takes so many times as long; at least 2.
    Slow(u32),
    /// Everything takes so much longer.
    Stall(Duration),
    /// So many of the sectors that are read have rotted, for good.
    BitRot(Probability),
    /// Writes go to another place, each with this probability.
    MisdirectedWrites(Probability),
    /// Reads come from another place, each with this probability, and do so whenever they are repeated.
    MisdirectedReads(Probability),
}

impl DiskFault {
    /// Whether it takes from a disk what was durable there, or says that something is that is not.
    #[must_use]
    pub fn damages(&self) -> bool {
        matches!(self, Self::LyingSync | Self::BitRot(_) | Self::MisdirectedWrites(_) | Self::MisdirectedReads(_))
    }
}

/// What is wrong with a node's clocks. When the fault ends, the wall clock is set right again and the monotonic clock runs
/// at its rate again; it keeps what it gained, since it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockFault {
    /// The wall clock jumps.
    Step(Offset),
    /// Both clocks run fast or slow by so many millionths: of a wrong crystal up to some hundred.
    Drift {
        /// More than zero is fast; at most half.
        ppm: i32,
    },
    /// The wall clock is moved without a jump, at 0.5 ms in a second, as NTP does.
    Slew(Offset),
    /// The wall clock jumps to and fro.
    Strobe {
        /// By how much.
        by: Offset,
        /// After how long each time.
        period: Duration,
    },
}

/// How far a clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offset {
    /// By so much.
    pub by: Duration,
    /// Behind, not ahead.
    pub behind: bool,
}

impl Offset {
    /// In nanoseconds, less than zero for behind; cut to what fits.
    #[must_use]
    pub fn nanos(self) -> i64 {
        let ns = i64::try_from(self.by.as_nanos()).unwrap_or(i64::MAX);
        if self.behind { -ns } else { ns }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.behind { "-" } else { "" }, Shown(&self.by))
    }
}

impl DiskFault {
    /// The kind of this fault.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            DiskFault::ReadErrors(_) => Kind::DiskReadErrors,
            DiskFault::WriteErrors(_) => Kind::DiskWriteErrors,
            DiskFault::SyncErrors(_) => Kind::DiskSyncErrors,
            DiskFault::LyingSync => Kind::LyingSync,
            DiskFault::Full => Kind::DiskFull,
            DiskFault::Space(_) => Kind::DiskSpace,
            DiskFault::ReadOnly => Kind::DiskReadOnly,
            DiskFault::Slow(_) => Kind::DiskSlow,
            DiskFault::Stall(_) => Kind::DiskStall,
            DiskFault::BitRot(_) => Kind::BitRot,
            DiskFault::MisdirectedWrites(_) => Kind::MisdirectedWrites,
            DiskFault::MisdirectedReads(_) => Kind::MisdirectedReads,
        }
    }

    /// A parameter with which it would do nothing: its name, its value, and what would do something.
    pub(crate) fn does_nothing(self) -> Option<(&'static str, String, &'static str)> {
        match self {
            DiskFault::ReadErrors(p)
            | DiskFault::WriteErrors(p)
            | DiskFault::SyncErrors(p)
            | DiskFault::BitRot(p)
            | DiskFault::MisdirectedWrites(p)
            | DiskFault::MisdirectedReads(p)
                if p == Probability::ZERO =>
            {
                Some(("probability", p.to_string(), "it must be more than 0%"))
            }
            DiskFault::Slow(factor) if factor < 2 => Some(("factor", factor.to_string(), "it must be at least 2")),
            DiskFault::Stall(extra) if extra.is_zero() => Some(("extra", "0s".into(), "it must be more than zero")),
            _ => None,
        }
    }
}

impl fmt::Display for DiskFault {
    /// Its parameters, as a plan's text holds them; nothing where it has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskFault::ReadErrors(p)
            | DiskFault::WriteErrors(p)
            | DiskFault::SyncErrors(p)
            | DiskFault::BitRot(p)
            | DiskFault::MisdirectedWrites(p)
            | DiskFault::MisdirectedReads(p) => write!(f, " probability={p}"),
            DiskFault::LyingSync | DiskFault::Full | DiskFault::ReadOnly => Ok(()),
            DiskFault::Space(bytes) => write!(f, " bytes={bytes}"),
            DiskFault::Slow(factor) => write!(f, " factor={factor}"),
            DiskFault::Stall(extra) => write!(f, " extra={}", Shown(extra)),
        }
    }
}

impl ClockFault {
    /// The fastest and slowest drift: half.
    pub const PPM_MAX: i32 = 500_000;

    /// The kind of this fault.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            ClockFault::Step(_) => Kind::ClockStep,
            ClockFault::Drift { .. } => Kind::ClockDrift,
            ClockFault::Slew(_) => Kind::ClockSlew,
            ClockFault::Strobe { .. } => Kind::ClockStrobe,
        }
    }

    pub(crate) fn does_nothing(self) -> Option<(&'static str, String, &'static str)> {
        match self {
            ClockFault::Step(by) | ClockFault::Slew(by) | ClockFault::Strobe { by, .. } if by.by.is_zero() => {
                Some(("by", "0s".into(), "it must be more than zero, or less"))
            }
            ClockFault::Strobe { period, .. } if period.is_zero() => {
                Some(("period", "0s".into(), "it must be more than zero"))
            }
            ClockFault::Drift { ppm } if ppm == 0 || ppm.unsigned_abs() > Self::PPM_MAX.unsigned_abs() => {
                Some(("ppm", ppm.to_string(), "it must not be 0, and at most 500000 either way"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ClockFault {
    /// Its parameters, as a plan's text holds them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockFault::Step(by) | ClockFault::Slew(by) => write!(f, " by={by}"),
            ClockFault::Drift { ppm } => write!(f, " ppm={ppm}"),
            ClockFault::Strobe { by, period } => write!(f, " by={by} period={}", Shown(period)),
        }
    }
}
