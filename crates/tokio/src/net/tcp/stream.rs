//! `TcpStream`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use real_tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use real_tokio::net as real;
use stormglass_net::tcp as sim;
use stormglass_net::unsupported;

use super::split::{ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use crate::net::addr::{ToSocketAddrs, resolve};
use crate::net::{no_address, within_budget};

/// A TCP stream between a local and a remote socket.
pub struct TcpStream(pub(super) Inner);

/// The world that it belongs to.
pub(super) enum Inner {
    /// The real one.
    Real(real::TcpStream),
    /// A simulated one.
    Sim(sim::Stream),
}

/// Connects within the simulation.
pub(super) async fn connect(
    local: Option<SocketAddr>,
    remote: SocketAddr,
    buffers: sim::Buffers,
) -> io::Result<sim::Stream> {
    let stream = sim::Stream::connect(local, remote, buffers)?;
    poll_fn(|cx| stream.poll_connected(cx)).await?;
    Ok(stream)
}

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    /// Those of the last address.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let addresses = resolve(addr).await?;
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::TcpStream::connect(&addresses[..]).await?)));
        }
        let mut last = None;
        for address in addresses {
            match connect(None, address, sim::Buffers::default()).await {
                Ok(stream) => return Ok(Self(Inner::Sim(stream))),
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// Makes one of std's streams into one of tokio's.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Err(unsupported("TcpStream::from_std"));
        }
        Ok(Self(Inner::Real(real::TcpStream::from_std(stream)?)))
    }

    /// Makes it into one of std's streams.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.0 {
            Inner::Real(stream) => stream.into_std(),
            Inner::Sim(_) => Err(unsupported("TcpStream::into_std")),
        }
    }

    /// This end's address.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(stream) => stream.local_addr(),
            Inner::Sim(stream) => stream.local_addr(),
        }
    }

    /// The other end's address.
    ///
    /// # Errors
    /// `NotConnected` after a reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(stream) => stream.peer_addr(),
            Inner::Sim(stream) => stream.peer_addr(),
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

    /// Receives without taking from the stream; waits until something is there.
    ///
    /// # Errors
    /// As for a read.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(stream) => stream.poll_peek(cx, buf),
            Inner::Sim(stream) => {
                let max = buf.remaining();
                within_budget(cx, |cx| stream.poll_peek(cx, max, |bytes| buf.put_slice(bytes)))
            }
        }
    }

    /// Receives without taking from the stream; waits until something is there.
    ///
    /// # Errors
    /// As for a read.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
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

    // ---- options ------------------------------------------------------------------------------------------------

    /// Whether small segments leave at once.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn nodelay(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(stream) => stream.nodelay(),
            Inner::Sim(stream) => stream.nodelay(),
        }
    }

    /// Sets whether small segments leave at once. Simulated ones do in any case.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) => stream.set_nodelay(nodelay),
            Inner::Sim(stream) => stream.set_nodelay(nodelay),
        }
    }

    /// Whether acknowledgements leave at once.
    ///
    /// # Errors
    /// Those of the socket.
    #[cfg(target_os = "linux")]
    pub fn quickack(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(stream) => stream.quickack(),
            Inner::Sim(stream) => stream.quickack(),
        }
    }

    /// Sets whether acknowledgements leave at once. Simulated ones wait for at most 40 ms in any case.
    ///
    /// # Errors
    /// Those of the socket.
    #[cfg(target_os = "linux")]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) => stream.set_quickack(quickack),
            Inner::Sim(stream) => stream.set_quickack(quickack),
        }
    }

    /// How long closing waits for the peer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        match &self.0 {
            Inner::Real(stream) => stream.linger(),
            Inner::Sim(stream) => stream.linger(),
        }
    }

    /// Sets how long closing waits for the peer; zero resets the connection.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) =>
            {
                #[allow(deprecated)]
                stream.set_linger(dur)
            }
            Inner::Sim(stream) => stream.set_linger(dur),
        }
    }

    /// Makes closing a reset.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) => stream.set_zero_linger(),
            Inner::Sim(stream) => stream.set_linger(Some(Duration::ZERO)),
        }
    }

    /// Time to live of its packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn ttl(&self) -> io::Result<u32> {
        match &self.0 {
            Inner::Real(stream) => stream.ttl(),
            Inner::Sim(stream) => stream.ttl(),
        }
    }

    /// Sets the time to live of its packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) => stream.set_ttl(ttl),
            Inner::Sim(stream) => stream.set_ttl(ttl),
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

/// tokio's word for a simulated socket's readiness, as far as `interest` asks.
pub(in crate::net) fn ready_of(ready: sim::Readiness, interest: Interest) -> Ready {
    let flags = [
        (ready.readable && interest.is_readable(), Ready::READABLE),
        (ready.read_closed && interest.is_readable(), Ready::READ_CLOSED),
        (ready.writable && interest.is_writable(), Ready::WRITABLE),
        (ready.write_closed && interest.is_writable(), Ready::WRITE_CLOSED),
        (ready.error && interest.is_error(), Ready::ERROR),
    ];
    flags.into_iter().filter(|&(is, _)| is).fold(Ready::EMPTY, |all, (_, flag)| all | flag)
}

impl AsyncRead for TcpStream {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Real(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Sim(_) => self.poll_read_shared(cx, buf),
        }
    }
}

impl AsyncWrite for TcpStream {
    #[inline]
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

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written leaves by itself, in both worlds.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Real(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Sim(_) => Poll::Ready(self.shutdown_write()),
        }
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    fn try_from(stream: std::net::TcpStream) -> Result<Self, Self::Error> {
        Self::from_std(stream)
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

descriptor!(TcpStream);

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(stream) => stream.fmt(f),
            Inner::Sim(stream) => stream.fmt(f),
        }
    }
}
