//! `TcpStream`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BufMut;
use real_tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use real_tokio::net as real;
use stormglass_net::tcp::stream as sim;
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
                let ready =
                    poll_fn(|cx| within_budget(cx, |cx| stream.poll_ready(cx, read, write))).await?;
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

    // ---- without waiting ----------------------------------------------------------------------------------------

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_read(buf),
            Inner::Sim(stream) => {
                let mut buf = ReadBuf::new(buf);
                stream.try_read(buf.remaining(), |bytes| buf.put_slice(bytes))
            }
        }
    }

    /// Reads what is there into several buffers, one after the other.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is.
    pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        if let Inner::Real(stream) = &self.0 {
            return stream.try_read_vectored(bufs);
        }
        let mut total = 0;
        for buf in bufs.iter_mut().filter(|b| !b.is_empty()) {
            match self.try_read(buf) {
                Ok(n) => total += n,
                Err(e) if total == 0 => return Err(e),
                Err(_) => break,
            }
            if total == 0 {
                break;
            }
        }
        Ok(total)
    }

    /// Reads what is there into a buffer, whose cursor moves.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is.
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_read_buf(buf),
            Inner::Sim(stream) => {
                // The buffer is the program's own code and must not run while the simulation is borrowed.
                let mut bytes = Vec::new();
                let n = stream.try_read(buf.remaining_mut(), |more| bytes.extend_from_slice(more))?;
                buf.put_slice(&bytes);
                Ok(n)
            }
        }
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_write(buf),
            Inner::Sim(stream) => stream.try_write(buf),
        }
    }

    /// Writes what there is room for from several buffers, one after the other.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_write_vectored(bufs),
            Inner::Sim(stream) => gather(bufs, |bytes| stream.try_write(bytes)),
        }
    }

    /// Does I/O of the caller's own, if the socket is ready for `interest`.
    ///
    /// # Errors
    /// `WouldBlock` when it is not ready, or when `f` says so.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Inner::Real(stream) => stream.try_io(interest, f),
            Inner::Sim(stream) => {
                if ready_of(stream.readiness()?, interest).is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                f()
            }
        }
    }

    /// Does I/O of the caller's own each time the socket is ready for `interest`, until it does not block.
    ///
    /// # Errors
    /// Those of `f` but `WouldBlock`.
    pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        if let Inner::Real(stream) = &self.0 {
            return stream.async_io(interest, f).await;
        }
        loop {
            self.ready(interest).await?;
            match f() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
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
            Inner::Real(stream) => {
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

    /// Reads through a shared reference, for the halves.
    #[inline]
    pub(super) fn poll_read_shared(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read_buf(buf) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done.map(drop)),
                }
            },
            Inner::Sim(stream) => {
                let max = buf.remaining();
                within_budget(cx, |cx| stream.poll_read(cx, max, |bytes| buf.put_slice(bytes))).map_ok(drop)
            }
        }
    }

    /// Writes through a shared reference, for the halves.
    #[inline]
    pub(super) fn poll_write_shared(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write(buf) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            Inner::Sim(stream) => within_budget(cx, |cx| stream.poll_write(cx, buf)),
        }
    }

    /// As [`TcpStream::poll_write_shared`], from several buffers.
    pub(super) fn poll_write_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write_vectored(bufs) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            Inner::Sim(stream) => within_budget(cx, |cx| {
                let first = bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| b);
                let written = ready!(stream.poll_write(cx, first))?;
                if written < first.len() {
                    return Poll::Ready(Ok(written));
                }
                let rest = bufs.iter().skip_while(|b| b.is_empty()).skip(1);
                let rest: Vec<_> = rest.map(|b| io::IoSlice::new(b)).collect();
                let more = gather(&rest, |bytes| stream.try_write(bytes)).unwrap_or(0);
                Poll::Ready(Ok(written + more))
            }),
        }
    }

    /// Ends the write direction.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) => shutdown_real(stream),
            // As std does, a connection that is over already is no error here.
            Inner::Sim(stream) => stream.shutdown_write(),
        }
    }
}

/// tokio keeps `shutdown(2)` to itself; a duplicate of the descriptor shuts down the same socket.
fn shutdown_real(stream: &real::TcpStream) -> io::Result<()> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
    #[cfg(windows)]
    let owned = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned()?;
    match std::net::TcpStream::from(owned).shutdown(Shutdown::Write) {
        Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(()),
        done => done,
    }
}

/// Writes buffers one after the other until one does not fit.
fn gather(bufs: &[io::IoSlice<'_>], mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<usize> {
    let mut total = 0;
    for buf in bufs.iter().filter(|b| !b.is_empty()) {
        match write(buf) {
            Ok(n) => {
                total += n;
                if n < buf.len() {
                    break;
                }
            }
            Err(e) if total == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(total)
}

/// tokio's word for a simulated socket's readiness, as far as `interest` asks.
fn ready_of(ready: sim::Readiness, interest: Interest) -> Ready {
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
            Inner::Sim(stream) => Poll::Ready(stream.shutdown_write()),
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

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(stream) => stream.fmt(f),
            Inner::Sim(stream) => stream.fmt(f),
        }
    }
}
