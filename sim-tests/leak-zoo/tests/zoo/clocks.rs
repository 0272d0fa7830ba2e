//! Clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::animal::{Nature, animals};

animals! {
    system_time: Nature::Stable, constant, {
        [SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), UNIX_EPOCH.elapsed().unwrap_or_default()]
    };
    instant: Nature::Stable, constant, {
        let start = Instant::now();
        tokio::time::sleep(Duration::from_millis(2)).await;
        [start.elapsed(), start.elapsed()]
    };
    chrono_utc_now: Nature::Stable, constant, {
        [chrono::Utc::now().to_rfc3339(), chrono::Utc::now().timestamp_micros().to_string()]
    };
    // It keeps the time zone in a thread-local and now and then looks whether it is still right, which costs readings of
    // the clock: nodes that shared it would see each other's. It looks for the zone's file on the node's disk, which takes its time.
    chrono_local_now: Nature::Stable, varies, {
        let now = chrono::Local::now();
        [now.to_rfc3339(), now.offset().to_string()]
    };
}
