//! A run with logs, each line with its virtual time.

use std::fmt;

use madsim::time::TimeHandle;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

struct VirtualTime;

impl FormatTime for VirtualTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        match TimeHandle::try_current() {
            Some(time) => write!(w, "{:.9}", time.elapsed().as_secs_f64()),
            None => w.write_str("outside"),
        }
    }
}

/// A subscriber that writes what `filter` lets through to standard error.
pub(crate) fn subscriber(filter: &str) -> Result<Dispatch, String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_timer(VirtualTime).with_writer(std::io::stderr);
    Ok(Dispatch::new(lines.with_ansi(false).finish()))
}
