//! Stormglass's promises about itself: scenarios that misbehave on purpose, and what must come of each.
//!
//! Asked for by the command line or by its own checks, this binary is a worker as any other scenario target is. Run as a
//! test it judges: it starts itself as a worker, has its scenarios misbehave there, and looks at the verdicts.

mod blames;
mod calibration;
mod campaigns;
mod captures;
mod causes;
mod clocks;
mod deadlocks;
mod endings;
mod judging;
mod leaks;
mod leases;
mod limits;
mod monitors;
mod panics;
mod product;
mod sealed;
mod triggers;
mod twice;

// ChainFire's cluster and clients, for the storms of `causes`.
#[allow(dead_code, unreachable_pub, reason = "written for ChainFire's own target, which uses all of it")]
#[path = "../chainfire/attribution.rs"]
mod attribution;
#[allow(dead_code, unreachable_pub, reason = "written for ChainFire's own target, which uses all of it")]
#[path = "../chainfire/cluster.rs"]
mod cluster;
#[allow(dead_code, unreachable_pub, reason = "written for ChainFire's own target, which uses all of it")]
#[path = "../chainfire/oracle.rs"]
mod oracle;
#[allow(dead_code, unreachable_pub, reason = "written for ChainFire's own target, which uses all of it")]
#[path = "../chainfire/workload.rs"]
mod workload;

// The lock with a lease, for the arms of `leases`.
#[path = "../lease/exclusion.rs"]
mod exclusion;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(stormglass::harness::WORKER_ARGUMENT) {
        return stormglass::harness::main();
    }
    let rooms = [
        blames::CHECKS,
        limits::CHECKS,
        monitors::CHECKS,
        endings::CHECKS,
        panics::CHECKS,
        product::CHECKS,
        deadlocks::CHECKS,
        leaks::CHECKS,
        sealed::CHECKS,
        triggers::CHECKS,
        twice::CHECKS,
        calibration::CHECKS,
        campaigns::CHECKS,
        captures::CHECKS,
        causes::CHECKS,
        clocks::CHECKS,
        leases::CHECKS,
    ];
    let trials = rooms.into_iter().flatten().map(|&(name, check)| {
        Trial::test(name, move || {
            check();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
