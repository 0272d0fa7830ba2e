//! `UnixSocket`: a Unix socket that is bound before it connects, listens or sends.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use real_tokio::net as real;
use stormglass_net::unix as sim;

use super::addr::{claim, find, of_path};
use super::datagram::{self, UnixDatagram};
use super::listener::{self, UnixListener};
use super::stream::{self, UnixStream};

/// A Unix socket that does nothing yet.
pub struct UnixSocket(Inner);

enum Inner {
    Real(real::UnixSocket),
    Sim(Simulated),
}

/// Of a simulated socket there is only what it will be given.
#[derive(Debug)]
struct Simulated {
    datagram: bool,
    bound: Mutex<Option<(sim::Name, sim::Address)>>,
}

impl Simulated {
    /// A socket that is not made yet has a number all the same.
    fn descriptor(&self) -> i32 {
        stormglass_net::DESCRIPTORS
    }

    fn into_bound(self) -> Option<(sim::Name, sim::Address)> {
        self.bound.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn other_type(what: &str) -> io::Error {
    // The texts are tokio's own.
    io::Error::other(what)
}

impl UnixSocket {
    fn new(datagram: bool, real: fn() -> io::Result<real::UnixSocket>) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Ok(Self(Inner::Sim(Simulated { datagram, bound: Mutex::new(None) })));
        }
        Ok(Self(Inner::Real(real()?)))
    }

    /// A socket for datagrams.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_datagram() -> io::Result<Self> {
        Self::new(true, real::UnixSocket::new_datagram)
    }

    /// A socket for streams.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_stream() -> io::Result<Self> {
        Self::new(false, real::UnixSocket::new_stream)
    }

    /// Binds it to a path.
    ///
    /// # Errors
    /// `AddrInUse` when something has the name, `InvalidInput` when it is bound already.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.bind(path),
            Inner::Sim(socket) => {
                let mut bound = socket.bound.lock().unwrap_or_else(PoisonError::into_inner);
                if bound.is_some() {
                    return Err(io::Error::from_raw_os_error(22));
                }
                let address = of_path(path.as_ref())?;
                let name = claim(&address)?;
                if sim::Listener::is_bound(&name)? {
                    return Err(io::Error::from_raw_os_error(98));
                }
                *bound = Some((name, address));
                Ok(())
            }
        }
    }

    /// Makes it listen; `backlog` connections may wait to be accepted.
    ///
    /// # Errors
    /// For a datagram socket; `InvalidInput` when it is not bound.
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        match self.0 {
            Inner::Real(socket) => Ok(UnixListener(listener::Inner::Real(socket.listen(backlog)?))),
            Inner::Sim(socket) if socket.datagram => Err(other_type("listen cannot be called on a datagram socket")),
            Inner::Sim(socket) => {
                let (name, shown) = socket.into_bound().ok_or_else(|| io::Error::from_raw_os_error(22))?;
                Ok(UnixListener(listener::Inner::Sim(sim::Listener::bind(name, shown, backlog)?)))
            }
        }
    }

    /// Connects it.
    ///
    /// # Errors
    /// For a datagram socket; as [`UnixStream::connect`].
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        match self.0 {
            Inner::Real(socket) => Ok(UnixStream(stream::Inner::Real(socket.connect(path).await?))),
            Inner::Sim(socket) if socket.datagram => Err(other_type("connect cannot be called on a datagram socket")),
            Inner::Sim(socket) => {
                let address = of_path(path.as_ref())?;
                let stream = sim::Stream::connect(&find(&address)?, &address, socket.into_bound())?;
                Ok(UnixStream(stream::Inner::Sim(stream)))
            }
        }
    }

    /// Makes it a datagram socket, bound if it was.
    ///
    /// # Errors
    /// For a stream socket.
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        match self.0 {
            Inner::Real(socket) => Ok(UnixDatagram(datagram::Inner::Real(socket.datagram()?))),
            Inner::Sim(socket) if !socket.datagram => Err(other_type("datagram cannot be called on a stream socket")),
            Inner::Sim(socket) => Ok(UnixDatagram(datagram::Inner::Sim(sim::Datagram::new(socket.into_bound())?))),
        }
    }
}

descriptor!(UnixSocket);
into_descriptor!(UnixSocket);

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(socket) => socket.fmt(f),
            Inner::Sim(socket) => socket.fmt(f),
        }
    }
}
