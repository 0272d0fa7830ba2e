//! `tokio::net`: sockets of the simulated network while a simulation is current, real ones otherwise.
//!
//! A socket belongs to the world in which it was made, for good. The types have tokio's methods with tokio's meaning;
//! only what needs a file descriptor is refused in a simulation, with `Unsupported` and its name.

#[macro_use]
mod descriptor;
#[macro_use]
mod traffic;

mod addr;
mod lookup;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::ToSocketAddrs;
pub use lookup::lookup_host;
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{datagram::UnixDatagram, listener::UnixListener, socket::UnixSocket, stream::UnixStream};

use std::io;
use std::task::{Context, Poll, ready};

use crate::task::coop::poll_proceed;

/// Runs one operation of a simulated socket within the budget of the current poll.
#[inline]
fn within_budget<T>(cx: &mut Context<'_>, operation: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let coop = ready!(poll_proceed(cx));
    let outcome = operation(cx);
    if outcome.is_ready() {
        coop.made_progress();
    }
    outcome
}

/// The error of a name or list without an address: tokio's own text.
fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
}
