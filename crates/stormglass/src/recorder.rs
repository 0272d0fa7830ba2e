//! Records client operations with the driver's perfect clock, and in the trace.

use stormglass_check::OpId;
use stormglass_harness::RunClock;
use stormglass_kernel::{self as kernel, Kind};

/// The clock of the simulation that runs on this thread.
#[derive(Debug)]
pub struct SimulatedClock;

impl RunClock for SimulatedClock {
    fn now_ns() -> u64 {
        kernel::with(|u| u.kernel.now().as_nanos())
    }

    fn stamp(operation: OpId, phase: u64) -> u64 {
        kernel::with(|u| {
            u.kernel.trace(Kind::OPERATION, u64::from(operation.0), phase);
            u.kernel.now().as_nanos()
        })
    }
}

/// A history under construction, shared by the clients of a run.
pub type Recorder<O, R> = stormglass_harness::Recorder<O, R, SimulatedClock>;
