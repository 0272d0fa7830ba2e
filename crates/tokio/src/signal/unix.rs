//! Signals of Unix. A handler stays for the life of the program, as tokio's does: a signal that was handled once does not
//! take its default action any more.

use std::io;
use std::task::{Context, Poll};

use stormglass_kernel::try_with;

use crate::runtime::context;

pub use real_tokio::signal::unix::SignalKind;

/// Listens for one kind of signal, as `tokio::signal::unix::Signal`. Signals that come together count as one.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Signal {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Real(real_tokio::signal::unix::Signal),
    Simulated { signal: u64, seen: u64 },
}

/// Installs a handler for `kind` and listens for it.
///
/// # Errors
/// For signals that cannot be handled, such as SIGKILL.
///
/// # Panics
/// Outside a runtime, and in one without input and output, as tokio's does.
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    if context::has(|built| built.settings.io) == Some(false) {
        panic!("there is no signal driver running, must be called from the context of Tokio runtime");
    }
    if context::current().is_none() {
        return Ok(Signal { inner: Inner::Real(real_tokio::signal::unix::signal(kind)?) });
    }
    let raw = kind.as_raw_value();
    let number = u64::try_from(raw).ok().filter(|number| (1..=LAST_SIGNAL).contains(number));
    let handled = number.filter(|number| !REFUSED.contains(number));
    let seen = handled.and_then(|number| try_with(|u| u.kernel.handle_signal(number)).flatten());
    match (handled, seen) {
        (Some(signal), Some(seen)) => Ok(Signal { inner: Inner::Simulated { signal, seen } }),
        _ => Err(io::Error::other(format!("Refusing to register signal {raw}"))),
    }
}

/// SIGRTMAX of Linux.
const LAST_SIGNAL: u64 = 64;

/// Signals that tokio refuses: SIGILL, SIGFPE, SIGKILL, SIGSEGV, SIGSTOP.
const REFUSED: [u64; 5] = [4, 8, 9, 11, 19];

impl Signal {
    /// Waits for the signal. Cancel-safe.
    pub async fn recv(&mut self) -> Option<()> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`Signal::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        match &mut self.inner {
            Inner::Real(signal) => signal.poll_recv(cx),
            Inner::Simulated { signal, seen } => {
                match try_with(|u| u.kernel.poll_signal(*signal, *seen, cx.waker())).flatten() {
                    Some(count) => {
                        *seen = count;
                        Poll::Ready(Some(()))
                    }
                    None => Poll::Pending,
                }
            }
        }
    }
}
