//! `tokio::signal` for simulated nodes: a node's program gets the signals that its simulation sends it.

#[cfg(unix)]
pub mod unix;

use std::io;

/// Waits for Ctrl-C: for SIGINT. From the first call on it no longer ends the program.
///
/// # Errors
/// As tokio's, outside a simulation.
pub async fn ctrl_c() -> io::Result<()> {
    if !stormglass_kernel::is_current() {
        return real_tokio::signal::ctrl_c().await;
    }
    #[cfg(unix)]
    unix::signal(unix::SignalKind::interrupt())?.recv().await;
    #[cfg(not(unix))]
    std::future::pending::<()>().await;
    Ok(())
}
