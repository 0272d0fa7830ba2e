//! What a program holds of a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use super::connection::{Connection, Io, Phase};
use super::options::Keepalive;
use crate::address::{Form, to_v4};
use crate::error::{Cause, valid_ttl};
use crate::handle::Handle;

pub(super) const WHAT: &str = "tcp socket";

/// One end of a TCP connection. Dropping it closes the connection as `close(2)` does: bytes that were written are still
/// delivered; bytes that were received and not read make it a reset.
#[derive(PartialEq, Eq, Debug)]
pub struct Stream(pub(super) Handle);

/// Bytes of a connection's send and receive buffers; `None` is the network's ordinary size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Buffers {
    /// Bytes to send.
    pub send: Option<usize>,
    /// Bytes received.
    pub receive: Option<usize>,
}

impl Buffers {
    /// Both sizes, with `ordinary` ones where none is given.
    pub(crate) fn or(self, ordinary: (usize, usize)) -> (usize, usize) {
        (self.send.unwrap_or(ordinary.0).max(1), self.receive.unwrap_or(ordinary.1).max(1))
    }
}

/// Which half of a stream is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// A read would not wait.
    pub readable: bool,
    /// The peer sends no more.
    pub read_closed: bool,
    /// A write would not wait.
    pub writable: bool,
    /// Nothing more can be written.
    pub write_closed: bool,
    /// An error is waiting to be told.
    pub error: bool,
}

fn would_block<T>() -> io::Result<T> {
    Err(io::ErrorKind::WouldBlock.into())
}

impl Stream {
    /// Begins to connect to `remote`, from `local` if that is given. The outcome is [`Stream::poll_connected`]'s.
    ///
    /// # Errors
    /// At once: no such host or network, no free port, an address that is not this host's.
    pub fn connect(local: Option<SocketAddr>, remote: SocketAddr, buffers: Buffers) -> io::Result<Self> {
        let handle = Handle::create(WHAT, |host, io| {
            let local = local.map(to_v4).transpose()?;
            Ok(host.connect(io, local, to_v4(remote)?, Form::of(remote), buffers.or(io.wire.buffers))?)
        })?;
        Ok(Self(handle))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Connection, &mut Io<'_>) -> R) -> io::Result<R> {
        self.0.with(WHAT, |host, io| Some(f(host.sockets.connection(self.0.at)?, io)))
    }

    /// Waits for the handshake to end.
    ///
    /// # Errors
    /// Refused, timed out, or reset.
    pub fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let handle = self.0;
        let outcome = self.with(|c, io| match (c.error.take(), c.phase) {
            (Some(cause), _) => Poll::Ready(Err(cause.into())),
            (None, Phase::SynSent | Phase::SynReceived) => {
                c.writers.park(io.kernel, cx.waker());
                handle.note_wait(io, "tcp connect");
                Poll::Pending
            }
            (None, _) => Poll::Ready(Ok(())),
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// Hands up to `max` received bytes to `sink`, in order; it is called while the simulation is borrowed and must
    /// only copy. Gives their number; 0 at the end of the stream.
    ///
    /// # Errors
    /// What the peer's reset or a timeout left, once.
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, max: usize, sink: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let outcome = self.with(|c, io| match read(c, io, max, sink) {
            None => {
                c.readers.park(io.kernel, cx.waker());
                handle.note_wait(io, "tcp read");
                Poll::Pending
            }
            Some(result) => Poll::Ready(result),
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// As [`Stream::poll_read`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, max: usize, sink: impl FnMut(&[u8])) -> io::Result<usize> {
        self.with(|c, io| read(c, io, max, sink).unwrap_or_else(would_block))?
    }

    /// As [`Stream::poll_read`], but the bytes stay.
    ///
    /// # Errors
    /// As for a read.
    pub fn poll_peek(&self, cx: &mut Context<'_>, max: usize, sink: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let outcome = self.with(|c, io| {
            if c.rx.waiting() > 0 {
                return Poll::Ready(Ok(c.rx.peek(max, sink)));
            }
            match end_of_read(c) {
                None => {
                    c.readers.park(io.kernel, cx.waker());
                    handle.note_wait(io, "tcp peek");
                    Poll::Pending
                }
                Some(result) => Poll::Ready(result),
            }
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// Takes as many of the bytes as there is room for, at least one; they leave when the poll ends.
    ///
    /// # Errors
    /// What the peer's reset or a timeout left, once; then `BrokenPipe`.
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let outcome = self.with(|c, io| match write(c, io, bytes) {
            None => {
                c.writers.park(io.kernel, cx.waker());
                handle.note_wait(io, "tcp write");
                Poll::Pending
            }
            Some(result) => Poll::Ready(result),
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// As [`Stream::poll_write`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|c, io| write(c, io, bytes).unwrap_or_else(would_block))?
    }

    /// Ends the writing half: FIN follows the bytes that were written.
    ///
    /// # Errors
    /// `NotConnected` when the connection is over.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.with(|c, io| {
            if c.phase == Phase::Closed && !c.write_shut {
                return Err(Cause::NotConnected.into());
            }
            if !c.write_shut {
                c.write_shut = true;
                c.writers.wake(io.kernel);
                c.output_at_end_of_poll(io.kernel);
            }
            Ok(())
        })?
    }

    /// What would not wait now.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn readiness(&self) -> io::Result<Readiness> {
        self.with(|c, _| readiness(c))
    }

    /// Forgets that reading (or writing) would not wait, until there is news of it: who tried has said that it would.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn clear_readiness(&self, read: bool, write: bool) -> io::Result<()> {
        self.with(|c, _| {
            if read {
                c.readers.clear();
            }
            if write {
                c.writers.clear();
            }
        })
    }

    /// Waits until reading (or writing, if not `read`) would not wait.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn poll_ready(&self, cx: &mut Context<'_>, read: bool, write: bool) -> Poll<io::Result<Readiness>> {
        let handle = self.0;
        let outcome = self.with(|c, io| {
            let ready = readiness(c);
            if read && (ready.readable || ready.read_closed) || write && (ready.writable || ready.write_closed) {
                return Poll::Ready(Ok(ready));
            }
            if read {
                c.readers.park(io.kernel, cx.waker());
            }
            if write {
                c.writers.park(io.kernel, cx.waker());
            }
            handle.note_wait(io, if read { "tcp read" } else { "tcp write" });
            Poll::Pending
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// The number that stands for a file descriptor: from [`crate::DESCRIPTORS`] on.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.0.descriptor()
    }

    /// This end's address.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with(|c, _| c.form.show(c.key.local))
    }

    /// The other end's address.
    ///
    /// # Errors
    /// `NotConnected` before and after the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with(|c, _| match c.phase {
            Phase::SynSent | Phase::Closed => Err(Cause::NotConnected.into()),
            _ => Ok(c.form.show(c.key.remote)),
        })?
    }

    /// An error that no read or write has told yet.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.with(|c, _| c.error.take().map(Into::into))
    }

    /// Whether small segments leave at once. Kept and told, without effect: what a poll writes leaves when it ends.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.with(|c, _| c.options.nodelay)
    }

    /// Sets what [`Stream::nodelay`] tells.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.with(|c, _| c.options.nodelay = nodelay)
    }

    /// Whether acknowledgements leave at once (`TCP_QUICKACK`). Kept and told, without effect.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn quickack(&self) -> io::Result<bool> {
        self.with(|c, _| c.options.quickack)
    }

    /// Sets what [`Stream::quickack`] tells.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.with(|c, _| c.options.quickack = quickack)
    }

    /// How long closing waits for the peer (`SO_LINGER`).
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.with(|c, _| c.options.linger)
    }

    /// Sets how long closing waits. Zero makes closing a reset that forgets what was written; any other time is kept and
    /// told, without effect.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.with(|c, _| c.options.linger = linger)
    }

    /// How an idle connection is probed, if it is.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn keepalive(&self) -> io::Result<Option<Keepalive>> {
        self.with(|c, _| c.options.keepalive)
    }

    /// Sets how an idle connection is probed. A peer that answers no probe ends it with `TimedOut`.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.with(|c, io| {
            c.options.keepalive = keepalive;
            c.watch_silence(io.kernel.now().as_nanos());
            c.arm(io.kernel);
        })
    }

    /// How long what was sent may stay unacknowledged.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn user_timeout(&self) -> io::Result<Option<Duration>> {
        self.with(|c, _| c.options.user_timeout)
    }

    /// Sets it; then the connection ends with `TimedOut`.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_user_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.with(|c, _| c.options.user_timeout = limit)
    }

    /// Says whether its port may be bound by another socket that reuses addresses (`SO_REUSEADDR`).
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_reuse_address(&self, reuse: bool) -> io::Result<()> {
        self.0.with(WHAT, |host, _| {
            host.set_reuse(self.0.at, reuse);
            Some(())
        })
    }

    /// Time to live of packets. Kept and told, without effect.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn ttl(&self) -> io::Result<u32> {
        self.with(|c, _| c.options.ttl)
    }

    /// Sets what [`Stream::ttl`] tells.
    ///
    /// # Errors
    /// Beyond 1 to 255; when the handle is stale.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let ttl = valid_ttl(ttl)?;
        self.with(|c, _| c.options.ttl = ttl)
    }
}

fn readiness(c: &Connection) -> Readiness {
    let over = c.phase == Phase::Closed;
    let read_closed = c.rx.is_finished() || over;
    Readiness {
        readable: (c.rx.waiting() > 0 || read_closed) && !c.readers.is_cleared(),
        read_closed,
        writable: (c.phase == Phase::Open && c.tx.is_writable() || c.write_shut || over) && !c.writers.is_cleared(),
        // Both directions are over (`EPOLLHUP`, `tcp_poll`).
        write_closed: over || c.write_shut && read_closed,
        error: c.error.is_some(),
    }
}

/// What a read gives when no byte is there: the order is Linux's (`tcp_recvmsg`).
fn end_of_read(c: &mut Connection) -> Option<io::Result<usize>> {
    if c.rx.is_finished() {
        return Some(Ok(0));
    }
    if let Some(cause) = c.error.take() {
        return Some(Err(cause.into()));
    }
    (c.phase == Phase::Closed).then_some(Ok(0))
}

#[inline]
fn read(c: &mut Connection, io: &mut Io<'_>, max: usize, sink: impl FnMut(&[u8])) -> Option<io::Result<usize>> {
    if max == 0 {
        // tokio asks for readiness first, and then for no bytes.
        let ready = c.rx.waiting() > 0 || c.rx.is_finished() || c.phase == Phase::Closed;
        return ready.then_some(Ok(0));
    }
    if c.rx.waiting() == 0 {
        return end_of_read(c);
    }
    let n = c.rx.read(max, sink);
    if c.phase == Phase::Open && c.window_update_due() {
        c.output_at_end_of_poll(io.kernel);
    }
    Some(Ok(n))
}

#[inline]
fn write(c: &mut Connection, io: &mut Io<'_>, bytes: &[u8]) -> Option<io::Result<usize>> {
    if c.phase != Phase::Open || c.write_shut {
        if let Some(cause) = c.error.take() {
            return Some(Err(cause.into()));
        }
        if c.phase == Phase::Closed || c.write_shut {
            return Some(Err(Cause::BrokenPipe.into()));
        }
        return None;
    }
    if bytes.is_empty() {
        return Some(Ok(0));
    }
    let n = c.tx.write(bytes);
    if n == 0 {
        return None;
    }
    c.output_at_end_of_poll(io.kernel);
    Some(Ok(n))
}

impl Drop for Stream {
    fn drop(&mut self) {
        let handle = self.0;
        let _ = handle.with(WHAT, |host, io| {
            let connection = host.sockets.connection(handle.at)?;
            connection.held = false;
            connection.readers.discard(io.kernel);
            connection.writers.discard(io.kernel);
            if connection.phase == Phase::Closed {
                host.remove_connection(io.kernel, handle.at);
            } else {
                connection.output_at_end_of_poll(io.kernel);
            }
            Some(())
        });
    }
}
