//! `UnixListener`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::task::{Context, Poll, ready};

use real_tokio::net as real;
use stormglass_net::unix as sim;
use stormglass_net::unsupported;

use super::SocketAddr;
use super::addr::{claim, of_addr, of_path, shown};
use super::stream::{self, UnixStream};
use crate::net::within_budget;

/// Connections that may wait to be accepted: mio asks for the most, and `net.core.somaxconn` is 4096.
const BACKLOG: u32 = 4096;

/// A Unix socket that listens for connections.
pub struct UnixListener(pub(super) Inner);

/// The world that it belongs to.
pub(super) enum Inner {
    /// The real one.
    Real(real::UnixListener),
    /// A simulated one.
    Sim(sim::Listener),
}

impl UnixListener {
    /// Binds to a path and listens. The file stays when the listener is dropped. A path that begins with a zero byte is an
    /// abstract name, which does not.
    ///
    /// # Errors
    /// `AddrInUse` when something has the name; those of the file system.
    #[track_caller]
    pub fn bind<P>(path: P) -> io::Result<Self>
    where
        P: AsRef<Path>,
    {
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::UnixListener::bind(path)?)));
        }
        Self::bind_to(of_path(path.as_ref())?)
    }

    /// Binds to an address and listens.
    ///
    /// # Errors
    /// As [`UnixListener::bind`].
    #[track_caller]
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::UnixListener::bind_addr(socket_addr)?)));
        }
        Self::bind_to(of_addr(socket_addr))
    }

    fn bind_to(address: sim::Address) -> io::Result<Self> {
        Ok(Self(Inner::Sim(sim::Listener::bind(claim(&address)?, address, BACKLOG)?)))
    }

    /// Makes one of std's listeners into one of tokio's.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Err(unsupported("UnixListener::from_std"));
        }
        Ok(Self(Inner::Real(real::UnixListener::from_std(listener)?)))
    }

    /// Makes it into one of std's listeners.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        match self.0 {
            Inner::Real(listener) => listener.into_std(),
            Inner::Sim(_) => Err(unsupported("UnixListener::into_std")),
        }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(listener) => listener.local_addr(),
            Inner::Sim(listener) => listener.local_addr().map(shown),
        }
    }

    /// The error that is waiting to be told, if any.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Inner::Real(listener) => listener.take_error(),
            Inner::Sim(listener) => listener.local_addr().map(|_| None),
        }
    }

    /// Takes the next connection. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Polls for the next connection.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        match &self.0 {
            Inner::Real(listener) => {
                let (stream, from) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(Ok((UnixStream(stream::Inner::Real(stream)), from)))
            }
            Inner::Sim(listener) => {
                let (stream, from) = ready!(within_budget(cx, |cx| listener.poll_accept(cx)))?;
                Poll::Ready(Ok((UnixStream(stream::Inner::Sim(stream)), shown(from))))
            }
        }
    }
}

impl TryFrom<std::os::unix::net::UnixListener> for UnixListener {
    type Error = io::Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

descriptor!(UnixListener);

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(listener) => listener.fmt(f),
            Inner::Sim(listener) => listener.fmt(f),
        }
    }
}
