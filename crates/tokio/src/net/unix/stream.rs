//! `UnixStream`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use real_tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use real_tokio::net as real;
use stormglass_net::unix as sim;
use stormglass_net::unsupported;

use super::addr::{find, of_addr, of_path, shown};
use super::split::{ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use super::{SocketAddr, UCred};
use crate::net::tcp::stream::ready_of;
use crate::net::within_budget;

/// A Unix stream.
pub struct UnixStream(pub(super) Inner);

/// The world that it belongs to.
pub(super) enum Inner {
    /// The real one.
    Real(real::UnixStream),
    /// A simulated one.
    Sim(sim::Stream),
}

impl UnixStream {
    /// Connects to the socket at `path`; a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`; `WouldBlock` when the backlog is full.
    pub async fn connect<P>(path: P) -> io::Result<Self>
    where
        P: AsRef<Path>,
    {
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::UnixStream::connect(path).await?)));
        }
        Self::connect_to(&of_path(path.as_ref())?)
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// As [`UnixStream::connect`].
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::UnixStream::connect_addr(socket_addr).await?)));
        }
        Self::connect_to(&of_addr(socket_addr))
    }

    fn connect_to(address: &sim::Address) -> io::Result<Self> {
        Ok(Self(Inner::Sim(sim::Stream::connect(&find(address)?, address, None)?)))
    }

    /// Two connected streams without names.
    ///
    /// # Errors
    /// Those of the system.
    pub fn pair() -> io::Result<(Self, Self)> {
        if stormglass_kernel::is_current() {
            let (a, b) = sim::Stream::pair()?;
            return Ok((Self(Inner::Sim(a)), Self(Inner::Sim(b))));
        }
        let (a, b) = real::UnixStream::pair()?;
        Ok((Self(Inner::Real(a)), Self(Inner::Real(b))))
    }

    /// Makes one of std's streams into one of tokio's.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Err(unsupported("UnixStream::from_std"));
        }
        Ok(Self(Inner::Real(real::UnixStream::from_std(stream)?)))
    }

    /// Makes it into one of std's streams.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        match self.0 {
            Inner::Real(stream) => stream.into_std(),
            Inner::Sim(_) => Err(unsupported("UnixStream::into_std")),
        }
    }

    /// This end's address.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(stream) => stream.local_addr(),
            Inner::Sim(stream) => stream.local_addr().map(shown),
        }
    }

    /// The other end's address.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(stream) => stream.peer_addr(),
            Inner::Sim(stream) => stream.peer_addr().map(shown),
        }
    }

    /// Who is at the other end. In a simulation that is always the same process: its id, user 1000, group 1000.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        match &self.0 {
            Inner::Real(stream) => stream.peer_cred().map(UCred::real),
            Inner::Sim(stream) => stream.peer_addr().map(|_| UCred::simulated()),
        }
    }

    /// The error that is waiting to be told, if any.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Inner::Real(stream) => stream.take_error(),
            Inner::Sim(stream) => stream.take_error(),
        }
    }

    // ---- readiness ----------------------------------------------------------------------------------------------

    /// Waits for any of the states of `interest`. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.0 {
            Inner::Real(stream) => stream.ready(interest).await,
            Inner::Sim(stream) => {
                let (read, write) = (interest.is_readable(), interest.is_writable());
                let ready = poll_fn(|cx| within_budget(cx, |cx| stream.poll_ready(cx, read, write))).await?;
                Ok(ready_of(ready, interest))
            }
        }
    }

    /// Waits until a read would not wait. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until a write would not wait. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls whether a read would not wait.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(stream) => stream.poll_read_ready(cx),
            Inner::Sim(stream) => within_budget(cx, |cx| stream.poll_ready(cx, true, false)).map_ok(drop),
        }
    }

    /// Polls whether a write would not wait.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(stream) => stream.poll_write_ready(cx),
            Inner::Sim(stream) => within_budget(cx, |cx| stream.poll_ready(cx, false, true)).map_ok(drop),
        }
    }

    // ---- halves -------------------------------------------------------------------------------------------------

    /// Splits it into halves that borrow it.
    pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits it into halves that own it together. Dropping the write half shuts the write direction down.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split(self)
    }
}

impl TryFrom<std::os::unix::net::UnixStream> for UnixStream {
    type Error = io::Error;

    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Real(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Sim(_) => self.poll_read_shared(cx, buf),
        }
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Real(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Sim(_) => self.poll_write_shared(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Real(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Inner::Sim(_) => self.poll_write_vectored_shared(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Real(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Sim(stream) => Poll::Ready(stream.shutdown_write()),
        }
    }
}

impl AsRef<Self> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

descriptor!(UnixStream);

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(stream) => stream.fmt(f),
            Inner::Sim(stream) => stream.fmt(f),
        }
    }
}
