//! `UnixDatagram`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::task::{Context, Poll};

use real_tokio::io::{Interest, Ready};
use real_tokio::net as real;
use stormglass_net::unix as sim;
use stormglass_net::unsupported;

use super::SocketAddr;
use super::addr::{claim, find, of_path, shown};
use crate::net::udp::ready_of;
use crate::net::within_budget;

/// A Unix datagram socket.
pub struct UnixDatagram(pub(super) Inner);

/// The world that it belongs to.
pub(super) enum Inner {
    /// The real one.
    Real(real::UnixDatagram),
    /// A simulated one.
    Sim(sim::Datagram),
}

fn target(path: &Path) -> io::Result<sim::Name> {
    find(&of_path(path)?)
}

impl UnixDatagram {
    /// Binds to a path. The file stays when the socket is dropped.
    ///
    /// # Errors
    /// `AddrInUse` when something has the name; those of the file system.
    pub fn bind<P>(path: P) -> io::Result<Self>
    where
        P: AsRef<Path>,
    {
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::UnixDatagram::bind(path)?)));
        }
        let address = of_path(path.as_ref())?;
        Ok(Self(Inner::Sim(sim::Datagram::new(Some((claim(&address)?, address)))?)))
    }

    /// Two sockets without names, connected to each other.
    ///
    /// # Errors
    /// Those of the system.
    pub fn pair() -> io::Result<(Self, Self)> {
        if stormglass_kernel::is_current() {
            let (a, b) = sim::Datagram::pair()?;
            return Ok((Self(Inner::Sim(a)), Self(Inner::Sim(b))));
        }
        let (a, b) = real::UnixDatagram::pair()?;
        Ok((Self(Inner::Real(a)), Self(Inner::Real(b))))
    }

    /// A socket without a name.
    ///
    /// # Errors
    /// Those of the system.
    pub fn unbound() -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Ok(Self(Inner::Sim(sim::Datagram::new(None)?)));
        }
        Ok(Self(Inner::Real(real::UnixDatagram::unbound()?)))
    }

    /// Makes one of std's sockets into one of tokio's.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    #[track_caller]
    pub fn from_std(datagram: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Err(unsupported("UnixDatagram::from_std"));
        }
        Ok(Self(Inner::Real(real::UnixDatagram::from_std(datagram)?)))
    }

    /// Makes it into one of std's sockets.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        match self.0 {
            Inner::Real(socket) => socket.into_std(),
            Inner::Sim(_) => Err(unsupported("UnixDatagram::into_std")),
        }
    }

    /// Sends to and receives from the socket at `path` only.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`; `PermissionDenied` when that one is connected to another.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.connect(path),
            Inner::Sim(socket) => {
                let address = of_path(path.as_ref())?;
                socket.connect(&find(&address)?, &address)
            }
        }
    }

    // ---- readiness ----------------------------------------------------------------------------------------------

    /// Waits for any of the states of `interest`. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.0 {
            Inner::Real(socket) => socket.ready(interest).await,
            Inner::Sim(socket) => {
                let (read, write) = (interest.is_readable(), interest.is_writable());
                let ready = poll_fn(|cx| within_budget(cx, |cx| socket.poll_ready(cx, read, write))).await?;
                Ok(ready_of(ready, interest))
            }
        }
    }

    /// Waits until a datagram may be sent. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Waits until a datagram is there. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls whether a datagram may be sent.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_send_ready(cx),
            Inner::Sim(socket) => within_budget(cx, |cx| socket.poll_ready(cx, false, true)).map_ok(drop),
        }
    }

    /// Polls whether a datagram is there.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_recv_ready(cx),
            Inner::Sim(socket) => within_budget(cx, |cx| socket.poll_ready(cx, true, false)).map_ok(drop),
        }
    }

    // ---- sending ------------------------------------------------------------------------------------------------

    /// Sends a datagram to the connected peer. Cancel safe.
    ///
    /// # Errors
    /// `NotConnected`, `ConnectionRefused`; those of the socket.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.send(buf).await,
            Inner::Sim(_) => poll_fn(|cx| self.poll_send(cx, buf)).await,
        }
    }

    /// Polls to send a datagram to the connected peer.
    ///
    /// # Errors
    /// As [`UnixDatagram::send`].
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_send(cx, buf),
            Inner::Sim(socket) => within_budget(cx, |cx| socket.poll_send(cx, buf, None)),
        }
    }

    /// Sends a datagram to the connected peer, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_send(buf),
            Inner::Sim(socket) => socket.try_send(buf, None),
        }
    }

    /// Sends a datagram to the socket at `target`. Cancel safe.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`; those of the socket.
    pub async fn send_to<P>(&self, buf: &[u8], target: P) -> io::Result<usize>
    where
        P: AsRef<Path>,
    {
        match &self.0 {
            Inner::Real(socket) => socket.send_to(buf, target).await,
            Inner::Sim(_) => {
                let target = target.as_ref();
                poll_fn(|cx| self.poll_send_to(cx, buf, target)).await
            }
        }
    }

    /// Polls to send a datagram to the socket at `target`.
    ///
    /// # Errors
    /// As [`UnixDatagram::send_to`].
    pub fn poll_send_to<P>(&self, cx: &mut Context<'_>, buf: &[u8], target: P) -> Poll<io::Result<usize>>
    where
        P: AsRef<Path>,
    {
        match &self.0 {
            Inner::Real(socket) => socket.poll_send_to(cx, buf, target),
            Inner::Sim(socket) => {
                let name = self::target(target.as_ref())?;
                within_budget(cx, |cx| socket.poll_send(cx, buf, Some(&name)))
            }
        }
    }

    /// Sends a datagram to the socket at `target`, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_send_to<P>(&self, buf: &[u8], target: P) -> io::Result<usize>
    where
        P: AsRef<Path>,
    {
        match &self.0 {
            Inner::Real(socket) => socket.try_send_to(buf, target),
            Inner::Sim(socket) => socket.try_send(buf, Some(&self::target(target.as_ref())?)),
        }
    }

    // ---- the caller's own I/O, addresses --------------------------------------------------------------------------

    /// Does I/O of the caller's own, if the socket is ready for `interest`.
    ///
    /// # Errors
    /// `WouldBlock` when it is not ready, or when `f` says so.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Inner::Real(socket) => socket.try_io(interest, f),
            Inner::Sim(socket) => {
                if ready_of(socket.readiness()?, interest).is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                f().inspect_err(|error| {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        // A socket that is gone says so at the next call.
                        let _ = socket.clear_readiness(interest.is_readable());
                    }
                })
            }
        }
    }

    /// Does I/O of the caller's own each time the socket is ready for `interest`, until it does not block.
    ///
    /// # Errors
    /// Those of `f` but `WouldBlock`.
    pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        if let Inner::Real(socket) = &self.0 {
            return socket.async_io(interest, f).await;
        }
        loop {
            self.ready(interest).await?;
            match self.try_io(interest, &mut f) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(socket) => socket.local_addr(),
            Inner::Sim(socket) => socket.local_addr().map(shown),
        }
    }

    /// The peer that it is connected to.
    ///
    /// # Errors
    /// `NotConnected` when there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(socket) => socket.peer_addr(),
            Inner::Sim(socket) => socket.peer_addr().map(shown),
        }
    }

    /// The error that is waiting to be told, if any.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Inner::Real(socket) => socket.take_error(),
            Inner::Sim(socket) => socket.local_addr().map(|_| None),
        }
    }

    /// Ends one or both directions.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.shutdown(how),
            Inner::Sim(socket) => socket.shutdown(how),
        }
    }
}

impl TryFrom<std::os::unix::net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    fn try_from(socket: std::os::unix::net::UnixDatagram) -> Result<Self, Self::Error> {
        Self::from_std(socket)
    }
}

descriptor!(UnixDatagram);

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(socket) => socket.fmt(f),
            Inner::Sim(socket) => socket.fmt(f),
        }
    }
}
