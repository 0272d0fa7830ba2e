//! `TcpListener`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use real_tokio::net as real;
use stormglass_net::tcp as sim;
use stormglass_net::unsupported;

use super::stream::{self, TcpStream};
use crate::net::addr::{ToSocketAddrs, resolve};
use crate::net::{no_address, within_budget};

/// Connections that may wait to be accepted: the number that tokio asks for.
const BACKLOG: u32 = 1024;

/// A TCP socket that listens for connections.
pub struct TcpListener(pub(super) Inner);

/// The world that it belongs to.
pub(super) enum Inner {
    /// The real one.
    Real(real::TcpListener),
    /// A simulated one.
    Sim(sim::Listener),
}

impl TcpListener {
    /// Binds to the first of the addresses that can be bound, and listens. Port 0 asks for a free one.
    ///
    /// # Errors
    /// Those of the last address: `AddrInUse`, `AddrNotAvailable`.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let addresses = resolve(addr).await?;
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::TcpListener::bind(&addresses[..]).await?)));
        }
        let mut last = None;
        for address in addresses {
            match sim::Listener::bind(address, BACKLOG) {
                Ok(listener) => return Ok(Self(Inner::Sim(listener))),
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// Takes the next connection, with the address it comes from.
    ///
    /// Cancel safe: if this is given up, no connection is lost.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Polls for the next connection.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &self.0 {
            Inner::Real(listener) => {
                let (stream, from) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(Ok((TcpStream(stream::Inner::Real(stream)), from)))
            }
            Inner::Sim(listener) => {
                let (stream, from) = ready!(within_budget(cx, |cx| listener.poll_accept(cx)))?;
                Poll::Ready(Ok((TcpStream(stream::Inner::Sim(stream)), from)))
            }
        }
    }

    /// Makes one of std's listeners into one of tokio's.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Err(unsupported("TcpListener::from_std"));
        }
        Ok(Self(Inner::Real(real::TcpListener::from_std(listener)?)))
    }

    /// Makes it into one of std's listeners.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        match self.0 {
            Inner::Real(listener) => listener.into_std(),
            Inner::Sim(_) => Err(unsupported("TcpListener::into_std")),
        }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(listener) => listener.local_addr(),
            Inner::Sim(listener) => listener.local_addr(),
        }
    }

    /// Time to live of its packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn ttl(&self) -> io::Result<u32> {
        match &self.0 {
            Inner::Real(listener) => listener.ttl(),
            Inner::Sim(listener) => listener.ttl(),
        }
    }

    /// Sets the time to live of its packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(listener) => listener.set_ttl(ttl),
            Inner::Sim(listener) => listener.set_ttl(ttl),
        }
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> Result<Self, Self::Error> {
        Self::from_std(listener)
    }
}

descriptor!(TcpListener);

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(listener) => listener.fmt(f),
            Inner::Sim(listener) => listener.fmt(f),
        }
    }
}
