//! The end of a run whose own thread is blocked for ever: the test that it belongs to cannot be returned to.

use std::process::exit;

use stormglass_kernel::Report;
use stormglass_sys::seal;

use crate::asked::Asked;
use crate::guest::FAILED;
use crate::simulate::{account, tell};

/// Tells how the run ended and where its polls are blocked, and ends the process.
pub(crate) fn stranded(report: Report<()>) {
    seal::host(|| {
        if let Some(asked) = Asked::of_process() {
            let mut ended = account::<()>(&report, None);
            for place in seal::blocked_polls() {
                let place = place.map_or_else(String::new, |place| format!(", in {place}"));
                ended.why.push_str(&format!("\na poll blocks its thread{place}"));
            }
            tell(&asked, |file| ended.tell(file));
            eprintln!("stormglass: seed {}: {}", asked.seed, ended.why);
        }
        exit(FAILED)
    })
}
