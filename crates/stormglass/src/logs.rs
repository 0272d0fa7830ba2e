//! Logs of a replay: `tracing` events with the virtual time and the node they come from, on standard error.

use std::fmt;

use stormglass_kernel as kernel;
use stormglass_sys::seal;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

struct VirtualClock;

impl FormatTime for VirtualClock {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let stamp = kernel::try_with(|u| {
            let node = u.kernel.current_node();
            (u.kernel.now(), u.kernel.node(node).name().clone())
        });
        match stamp {
            Some((now, node)) => write!(w, "{now} {node:>8}"),
            None => w.write_str("-"),
        }
    }
}

/// Writes to the real standard error from inside a simulation.
struct Stderr;

impl std::io::Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        seal::host(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Stderr;

    fn make_writer(&self) -> Stderr {
        Stderr
    }
}

/// The subscriber of a run with logs on, by a filter in the syntax of `RUST_LOG`. Make it before the thread is sealed: what
/// it draws at its birth is no part of the run.
///
/// # Errors
/// A filter that cannot be read, in words.
pub(crate) fn subscriber(filter: &str) -> Result<Dispatch, String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(VirtualClock)
        .with_writer(Stderr)
        .with_ansi(false)
        .finish();
    Ok(Dispatch::new(subscriber))
}
