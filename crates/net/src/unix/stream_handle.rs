//! What a program holds of a Unix stream.

use std::io;
use std::task::{Context, Poll};

use super::address::{Address, Name};
use super::stream::End;
use crate::error::Cause;
use crate::handle::{Handle, here};
use crate::sockets::Socket;
use crate::tcp::Readiness;
use crate::tcp::connection::Io;

const WHAT: &str = "unix socket";

/// One end of a Unix stream. Dropping it closes it.
#[derive(PartialEq, Eq, Debug)]
pub struct Stream(pub(super) Handle);

impl Stream {
    /// Two ends without names.
    ///
    /// # Errors
    /// When the node has too many sockets.
    pub fn pair() -> io::Result<(Self, Self)> {
        let mut other = None;
        let handle = Handle::create(WHAT, |host, _| {
            let (a, b) = host.unix_pair(End::default(), End::default())?;
            other = Some(b);
            Ok(a)
        })?;
        let other = other.map_or(handle, |at| handle.sibling(at));
        Ok((Self(handle), Self(other)))
    }

    /// Connects to the listener called `to`, from `from` if the client has bound a name.
    ///
    /// # Errors
    /// `NotFound` and `ConnectionRefused` when nobody listens there, `WouldBlock` when its backlog is full.
    pub fn connect(to: &Name, shown: &Address, from: Option<(Name, Address)>) -> io::Result<Self> {
        let handle = Handle::create(WHAT, |host, io| {
            let at = host.unix_names.find(to)?;
            if host.sockets.mailbox(at).is_some() {
                return Err(Cause::WrongProtocol.into());
            }
            let listening = host.sockets.unix_listener(at).filter(|l| l.listening).ok_or(Cause::Refused)?;
            if listening.queue.len() > listening.backlog {
                return Err(Cause::WouldBlock.into());
            }
            let served = listening.shown.clone();
            let (name, own) = from.clone().map_or((None, Address::Unnamed), |(name, own)| (Some(name), own));
            if let Some(name) = &name
                && host.unix_names.is_bound(name)
            {
                return Err(Cause::AddressInUse.into());
            }
            let client = End { local: own.clone(), remote: shown.clone(), name: name.clone(), ..End::default() };
            let server = End { local: served, remote: own, ..End::default() };
            let (client, server) = host.unix_pair(client, server)?;
            if let Some(name) = name {
                host.unix_names.bind(name, client)?;
            }
            if let Some(listening) = host.sockets.unix_listener(at) {
                listening.queue.push_back(server);
                listening.waiters.wake(io.kernel);
            }
            Ok(client)
        })?;
        Ok(Self(handle))
    }

    fn with<R>(&self, f: impl FnOnce(&mut End, &mut Io<'_>) -> R) -> io::Result<R> {
        self.0.with(WHAT, |host, io| match host.sockets.get_mut(self.0.at)? {
            Socket::UnixStream(end) => Some(f(end, io)),
            _ => None,
        })
    }

    /// Hands up to `max` bytes to `sink`, which must only copy. Gives their number; 0 at the end.
    ///
    /// # Errors
    /// `ConnectionReset`, once, when the peer was dropped with bytes that it had not read.
    pub fn poll_read(&self, cx: &mut Context<'_>, max: usize, sink: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let outcome = handle.with(WHAT, |host, io| {
            let read = host.unix_read(io.kernel, handle.at, max, sink)?;
            if read.is_none()
                && let Some(Socket::UnixStream(end)) = host.sockets.get_mut(handle.at)
            {
                end.readers.park(io.kernel, cx.waker());
                handle.note_wait(io, "unix read");
            }
            Some(read)
        });
        flatten(outcome)
    }

    /// As [`Stream::poll_read`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, max: usize, sink: impl FnMut(&[u8])) -> io::Result<usize> {
        let handle = self.0;
        at_once(handle.with(WHAT, |host, io| host.unix_read(io.kernel, handle.at, max, sink)))
    }

    /// Puts as many bytes into the peer's queue as there is room for, at least one.
    ///
    /// # Errors
    /// `BrokenPipe` when the peer has gone or this half was shut down.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let outcome = handle.with(WHAT, |host, io| {
            let written = host.unix_write(io.kernel, handle.at, bytes)?;
            if written.is_none()
                && let Some(Socket::UnixStream(end)) = host.sockets.get_mut(handle.at)
            {
                end.writers.park(io.kernel, cx.waker());
                handle.note_wait(io, "unix write");
            }
            Some(written)
        });
        flatten(outcome)
    }

    /// As [`Stream::poll_write`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let handle = self.0;
        at_once(handle.with(WHAT, |host, io| host.unix_write(io.kernel, handle.at, bytes)))
    }

    /// Ends the writing half.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.0.with(WHAT, |host, io| host.unix_shutdown(io.kernel, self.0.at))
    }

    /// What would not wait now.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn readiness(&self) -> io::Result<Readiness> {
        self.0.with(WHAT, |host, _| readiness(host, self.0.at))
    }

    /// Forgets that reading (or writing) would not wait, until there is news of it: who tried has said that it would.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn clear_readiness(&self, read: bool, write: bool) -> io::Result<()> {
        self.with(|end, _| {
            if read {
                end.readers.clear();
            }
            if write {
                end.writers.clear();
            }
        })
    }

    /// Waits until reading (or writing) would not wait.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn poll_ready(&self, cx: &mut Context<'_>, read: bool, write: bool) -> Poll<io::Result<Readiness>> {
        let handle = self.0;
        let outcome = handle.with(WHAT, |host, io| {
            let ready = readiness(host, handle.at)?;
            if read && (ready.readable || ready.read_closed) || write && (ready.writable || ready.write_closed) {
                return Some(Poll::Ready(Ok(ready)));
            }
            if let Some(Socket::UnixStream(end)) = host.sockets.get_mut(handle.at) {
                if read {
                    end.readers.park(io.kernel, cx.waker());
                }
                if write {
                    end.writers.park(io.kernel, cx.waker());
                }
            }
            handle.note_wait(io, if read { "unix read" } else { "unix write" });
            Some(Poll::Pending)
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// The number that stands for a file descriptor: from [`crate::DESCRIPTORS`] on.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.0.descriptor()
    }

    /// This end's name.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn local_addr(&self) -> io::Result<Address> {
        self.with(|end, _| end.local.clone())
    }

    /// The other end's name.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn peer_addr(&self) -> io::Result<Address> {
        self.with(|end, _| end.remote.clone())
    }

    /// An error that no call has told yet.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.with(|end, _| end.error.take().map(Into::into))
    }
}

fn readiness(host: &mut crate::host::Host, at: crate::packet::SocketRef) -> Option<Readiness> {
    let writable = host.unix_is_writable(at)?;
    let Socket::UnixStream(end) = host.sockets.get_mut(at)? else { return None };
    let read_closed = end.read_ended || end.peer_gone;
    let error = end.error.is_some();
    Some(Readiness {
        readable: (!end.incoming.is_empty() || read_closed || error) && !end.readers.is_cleared(),
        read_closed,
        writable: writable && !end.writers.is_cleared(),
        // Both directions are over (`EPOLLHUP`).
        write_closed: end.peer_gone || end.write_shut && end.read_ended,
        error,
    })
}

fn flatten(outcome: io::Result<Option<Result<usize, Cause>>>) -> Poll<io::Result<usize>> {
    match outcome {
        Ok(None) => Poll::Pending,
        Ok(Some(done)) => Poll::Ready(done.map_err(Into::into)),
        Err(stale) => Poll::Ready(Err(stale)),
    }
}

fn at_once(outcome: io::Result<Option<Result<usize, Cause>>>) -> io::Result<usize> {
    match outcome? {
        None => Err(io::ErrorKind::WouldBlock.into()),
        Some(done) => Ok(done?),
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let handle = self.0;
        let _ = handle.with(WHAT, |host, io| {
            host.unix_drop(io.kernel, handle.at, false);
            Some(())
        });
    }
}

/// Whether a name of the current node has a socket.
///
/// # Errors
/// When no simulation with a network is current.
pub(super) fn is_bound(name: &Name) -> io::Result<bool> {
    here(WHAT, |host, _| Ok(host.unix_names.is_bound(name)))
}
