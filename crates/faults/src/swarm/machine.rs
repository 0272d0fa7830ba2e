//! Draws faults of disks and clocks: how strong they are.

use std::time::Duration;

use super::profile::millis;
use crate::{ClockFault, DiskFault, Kind, Offset, Probability, Stream};

/// How strong a fault of a machine's part is, drawn before its kind has a say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Magnitude {
    probability_ppm: u32,
    bytes: u64,
    extra: Duration,
    offset: Duration,
    period: Duration,
    ppm: u32,
    behind: bool,
}

impl Magnitude {
    /// Draws one: errors with 0.1–100 %, rot of 0.01–10 %, 4 KiB to 1 MiB of room, stalls of 10 ms to 5 s, clocks off by 1 ms
    /// to 10 s or by 10 to 200,000 millionths, all with uniform magnitude.
    pub(super) fn draw(stream: &mut Stream) -> Magnitude {
        Magnitude {
            probability_ppm: stream.log_range(1_000..=1_000_000) as u32,
            bytes: stream.log_range(4_096..=1 << 20),
            extra: stream.log_duration(millis(10, 5_000)),
            offset: stream.log_duration(millis(1, 10_000)),
            period: stream.log_duration(millis(1, 1_000)),
            ppm: stream.log_range(10..=200_000) as u32,
            behind: stream.below(2) == 0,
        }
    }

    fn probability(&self, part: u32) -> Probability {
        Probability::from_ppm((self.probability_ppm / part).max(1)).unwrap_or(Probability::ONE)
    }

    pub(super) fn disk(&self, kind: Kind, factor: u32) -> DiskFault {
        match kind {
            Kind::DiskReadErrors => DiskFault::ReadErrors(self.probability(1)),
            Kind::DiskWriteErrors => DiskFault::WriteErrors(self.probability(1)),
            Kind::DiskSyncErrors => DiskFault::SyncErrors(self.probability(1)),
            Kind::LyingSync => DiskFault::LyingSync,
            Kind::DiskSpace => DiskFault::Space(self.bytes),
            Kind::DiskReadOnly => DiskFault::ReadOnly,
            Kind::DiskSlow => DiskFault::Slow(factor.max(2)),
            Kind::DiskStall => DiskFault::Stall(self.extra),
            Kind::BitRot => DiskFault::BitRot(self.probability(10)),
            Kind::MisdirectedWrites => DiskFault::MisdirectedWrites(self.probability(10)),
            Kind::MisdirectedReads => DiskFault::MisdirectedReads(self.probability(10)),
            _ => DiskFault::Full,
        }
    }

    pub(super) fn clock(&self, kind: Kind) -> ClockFault {
        let by = Offset { by: self.offset, behind: self.behind };
        let ppm = i32::try_from(self.ppm).unwrap_or(ClockFault::PPM_MAX);
        match kind {
            Kind::ClockStep => ClockFault::Step(by),
            Kind::ClockSlew => ClockFault::Slew(by),
            Kind::ClockStrobe => ClockFault::Strobe { by, period: self.period },
            _ => ClockFault::Drift { ppm: if self.behind { -ppm } else { ppm } },
        }
    }
}
