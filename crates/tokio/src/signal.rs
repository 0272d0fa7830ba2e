//! `tokio::signal` for simulated nodes: SIGTERM reaches a node's handlers; the other signals never come.

use std::io;

/// Waits for Ctrl-C. In a simulation nobody presses it.
///
/// # Errors
/// As tokio's, outside a simulation.
pub async fn ctrl_c() -> io::Result<()> {
    if stormglass_kernel::is_current() { std::future::pending().await } else { real_tokio::signal::ctrl_c().await }
}

/// Signals of Unix.
pub mod unix {
    use std::io;
    use std::task::{Context, Poll};

    pub use real_tokio::signal::unix::SignalKind;
    use stormglass_kernel::{SIGTERM, Wait, try_with};

    /// As `tokio::signal::unix::Signal`.
    #[derive(Debug)]
    pub struct Signal {
        inner: Inner,
    }

    #[derive(Debug)]
    enum Inner {
        Real(real_tokio::signal::unix::Signal),
        Termination { seen: u64 },
        Never,
    }

    /// Installs a handler for `kind`.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    pub fn signal(kind: SignalKind) -> io::Result<Signal> {
        let inner = match try_with(|u| u.kernel.handle_termination_if(kind.as_raw_value() as u64 == SIGTERM)) {
            None => Inner::Real(real_tokio::signal::unix::signal(kind)?),
            Some(Some(seen)) => Inner::Termination { seen },
            Some(None) => Inner::Never,
        };
        Ok(Signal { inner })
    }

    impl Signal {
        /// Waits for the signal. Signals that come together count as one. Cancel-safe.
        pub async fn recv(&mut self) -> Option<()> {
            std::future::poll_fn(|cx| self.poll_recv(cx)).await
        }

        /// As [`Signal::recv`].
        pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
            match &mut self.inner {
                Inner::Real(signal) => signal.poll_recv(cx),
                Inner::Termination { seen } => {
                    let count = try_with(|u| {
                        u.kernel.note_wait(Wait::Signal);
                        u.kernel.poll_termination(*seen, cx.waker())
                    });
                    match count.flatten() {
                        Some(count) => {
                            *seen = count;
                            Poll::Ready(Some(()))
                        }
                        None => Poll::Pending,
                    }
                }
                Inner::Never => Poll::Pending,
            }
        }
    }
}
