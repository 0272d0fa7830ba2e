//! Faults of disks and clocks, as the simulated machines know them.

use stormglass_disk::Injection;
use stormglass_faults::{ClockFault, DiskFault};
use stormglass_kernel::{Clock, Clocks, VirtualTime, WALL_CLOCK_START_NS, saturating_nanos};

/// One million: always.
const ALWAYS: u32 = 1_000_000;

/// What is wrong with a device, and how often of a million it strikes.
pub(crate) fn injection(fault: DiskFault) -> (Injection, u32) {
    match fault {
        DiskFault::ReadErrors(probability) => (Injection::FailingReads, probability.ppm()),
        DiskFault::WriteErrors(probability) => (Injection::FailingWrites, probability.ppm()),
        DiskFault::SyncErrors(probability) => (Injection::FailingSync, probability.ppm()),
        DiskFault::LyingSync => (Injection::LyingSync, ALWAYS),
        DiskFault::Space(bytes) => (Injection::Space { bytes }, ALWAYS),
        DiskFault::ReadOnly => (Injection::ReadOnly, ALWAYS),
        DiskFault::Slow(factor) => (Injection::Slow { thousandths: u64::from(factor) * 1_000 }, ALWAYS),
        DiskFault::Stall(extra) => (Injection::Stall { extra_ns: saturating_nanos(extra) }, ALWAYS),
        DiskFault::BitRot(probability) => (Injection::BitRot { per_million: probability.ppm() }, ALWAYS),
        DiskFault::MisdirectedWrites(probability) => (Injection::MisdirectedWrites, probability.ppm()),
        DiskFault::MisdirectedReads(probability) => (Injection::MisdirectedReads, probability.ppm()),
        // What is not known yet is the bluntest of them.
        _ => (Injection::Full, ALWAYS),
    }
}

/// Makes a node's clocks go wrong.
pub(crate) fn mislead(clocks: &mut Clocks<'_>, now: VirtualTime, fault: ClockFault) {
    match fault {
        ClockFault::Step(by) => clocks.wall.step(now, by.nanos()),
        ClockFault::Slew(by) => clocks.wall.slew(now, by.nanos()),
        ClockFault::Strobe { by, period } => clocks.wall.strobe(now, by.nanos(), saturating_nanos(period)),
        ClockFault::Drift { ppm } => {
            let ppb = i64::from(ppm) * 1_000;
            clocks.wall.set_drift(now, ppb);
            clocks.monotonic.set_drift(now, ppb);
        }
        _ => {}
    }
}

/// Sets a node's clocks right: the wall clock to the true time, the monotonic one to its true rate.
pub(crate) fn set_right(clocks: &mut Clocks<'_>, now: VirtualTime) {
    *clocks.wall = Clock::starting_at(WALL_CLOCK_START_NS);
    clocks.monotonic.run_evenly(now);
    clocks.monotonic.set_drift(now, 0);
}
