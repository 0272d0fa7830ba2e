//! What a program holds of a Unix datagram socket.

use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll};

use super::address::{Address, Name};
use super::datagram::Mailbox;
use crate::error::Cause;
use crate::handle::Handle;
use crate::packet::SocketRef;
use crate::tcp::connection::Io;

const WHAT: &str = "unix datagram socket";

/// A Unix datagram socket. Dropping it closes it; the file of its name stays.
#[derive(PartialEq, Eq, Debug)]
pub struct Datagram(Handle);

impl Datagram {
    /// A socket, with a name if one is given.
    ///
    /// # Errors
    /// `AddrInUse` when the name has a socket.
    pub fn new(name: Option<(Name, Address)>) -> io::Result<Self> {
        let handle = Handle::create(WHAT, |host, _| {
            let (name, local) = name.map_or((None, Address::Unnamed), |(name, shown)| (Some(name), shown));
            Ok(host.add_mailbox(Mailbox { name, local, ..Mailbox::default() })?)
        })?;
        Ok(Self(handle))
    }

    /// Two sockets without names, connected to each other.
    ///
    /// # Errors
    /// When the node has too many sockets.
    pub fn pair() -> io::Result<(Self, Self)> {
        let mut other = None;
        let handle = Handle::create(WHAT, |host, _| {
            let a = host.add_mailbox(Mailbox::default())?;
            let b = host.add_mailbox(Mailbox { peer: Some((a, Address::Unnamed)), ..Mailbox::default() })?;
            if let Some(a) = host.sockets.mailbox(a) {
                a.peer = Some((b, Address::Unnamed));
            }
            other = Some(b);
            Ok(a)
        })?;
        let other = other.map_or(handle, |at| handle.sibling(at));
        Ok((Self(handle), Self(other)))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Mailbox, &mut Io<'_>) -> R) -> io::Result<R> {
        self.0.with(WHAT, |host, io| Some(f(host.sockets.mailbox(self.0.at)?, io)))
    }

    /// Sends to and receives from the socket called `name` only, from now on.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`; `PermissionDenied` when that one is connected to another.
    pub fn connect(&self, name: &Name, shown: &Address) -> io::Result<()> {
        let handle = self.0;
        let done = handle.with(WHAT, |host, _| {
            let target = match host.find_mailbox(name) {
                Ok(target) => target,
                Err(cause) => return Some(Err(cause)),
            };
            if host.sockets.mailbox(target)?.peer.as_ref().is_some_and(|p| p.0 != handle.at) {
                return Some(Err(Cause::NotPermitted));
            }
            host.sockets.mailbox(handle.at)?.peer = Some((target, shown.clone()));
            Some(Ok(()))
        })?;
        Ok(done?)
    }

    /// Sends a datagram, to `to` or to the connected peer.
    ///
    /// # Errors
    /// `NotConnected`, `ConnectionRefused`, `NotFound`, `PermissionDenied`, `BrokenPipe`; too long.
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8], to: Option<&Name>) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let outcome = handle.with(WHAT, |host, io| {
            let to = match to.map(|name| host.find_mailbox(name)).transpose() {
                Ok(to) => to,
                Err(cause) => return Some(Err(cause)),
            };
            let sent = host.unix_send(io.kernel, handle.at, bytes, to)?;
            if sent == Ok(false) {
                let target = to.or_else(|| Some(host.sockets.mailbox(handle.at)?.peer.as_ref()?.0));
                if let Some(target) = target.and_then(|t: SocketRef| host.sockets.mailbox(t)) {
                    target.senders.park(io.kernel, cx.waker());
                }
                handle.note_wait(io, "unix send");
            }
            Some(sent)
        });
        match outcome {
            Ok(Ok(true)) => Poll::Ready(Ok(bytes.len())),
            Ok(Ok(false)) => Poll::Pending,
            Ok(Err(cause)) => Poll::Ready(Err(cause.into())),
            Err(stale) => Poll::Ready(Err(stale)),
        }
    }

    /// As [`Datagram::poll_send`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_send(&self, bytes: &[u8], to: Option<&Name>) -> io::Result<usize> {
        let handle = self.0;
        let sent = handle.with(WHAT, |host, io| {
            Some(match to.map(|name| host.find_mailbox(name)).transpose() {
                Ok(to) => host.unix_send(io.kernel, handle.at, bytes, to)?,
                Err(cause) => Err(cause),
            })
        })??;
        if sent { Ok(bytes.len()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Takes the oldest datagram and its sender's name. What does not fit the caller's buffer is the caller's to drop.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Vec<u8>, Address)>> {
        let handle = self.0;
        let outcome = self.with(|mailbox, io| match receive(mailbox, io) {
            None => {
                mailbox.readers.park(io.kernel, cx.waker());
                handle.note_wait(io, "unix receive");
                Poll::Pending
            }
            Some(received) => Poll::Ready(Ok(received)),
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// As [`Datagram::poll_recv`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv(&self) -> io::Result<(Vec<u8>, Address)> {
        self.with(receive)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// Whether receiving and sending would not wait.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn readiness(&self) -> io::Result<(bool, bool)> {
        self.0.with(WHAT, |host, _| {
            let writable = host.unix_may_send(self.0.at)?;
            let mailbox = host.sockets.mailbox(self.0.at)?;
            let readable = !mailbox.is_empty() || mailbox.read_shut;
            Some((readable && !mailbox.readers.is_cleared(), writable || mailbox.write_shut))
        })
    }

    /// Forgets that receiving would not wait, until there is news of it: who tried has said that it would.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn clear_readiness(&self, read: bool) -> io::Result<()> {
        self.with(|mailbox, _| {
            if read {
                mailbox.readers.clear();
            }
        })
    }

    /// Waits until receiving (if `read`) or sending (if `write`) would not wait.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn poll_ready(&self, cx: &mut Context<'_>, read: bool, write: bool) -> Poll<io::Result<(bool, bool)>> {
        let handle = self.0;
        let (readable, writable) = match self.readiness() {
            Ok(ready) => ready,
            Err(stale) => return Poll::Ready(Err(stale)),
        };
        if read && readable || write && writable {
            return Poll::Ready(Ok((readable, writable)));
        }
        let parked = handle.with(WHAT, |host, io| {
            let mailbox = host.sockets.mailbox(handle.at)?;
            if read {
                mailbox.readers.park(io.kernel, cx.waker());
            }
            let peer = mailbox.peer.as_ref().map(|p| p.0);
            if let Some(peer) = peer.filter(|_| write).and_then(|p| host.sockets.mailbox(p)) {
                peer.senders.park(io.kernel, cx.waker());
            }
            handle.note_wait(io, if read { "unix receive" } else { "unix send" });
            Some(())
        });
        parked.map_or_else(|stale| Poll::Ready(Err(stale)), |()| Poll::Pending)
    }

    /// Ends one or both directions.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.with(|mailbox, io| {
            mailbox.read_shut |= matches!(how, Shutdown::Read | Shutdown::Both);
            mailbox.write_shut |= matches!(how, Shutdown::Write | Shutdown::Both);
            mailbox.readers.wake(io.kernel);
            mailbox.senders.wake(io.kernel);
        })
    }

    /// The number that stands for a file descriptor: from [`crate::DESCRIPTORS`] on.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.0.descriptor()
    }

    /// Its name.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn local_addr(&self) -> io::Result<Address> {
        self.with(|mailbox, _| mailbox.local.clone())
    }

    /// The peer's name.
    ///
    /// # Errors
    /// `NotConnected` when there is none.
    pub fn peer_addr(&self) -> io::Result<Address> {
        self.with(|mailbox, _| mailbox.peer.as_ref().map(|p| p.1.clone()))?.ok_or_else(|| Cause::NotConnected.into())
    }
}

fn receive(mailbox: &mut Mailbox, io: &mut Io<'_>) -> Option<(Vec<u8>, Address)> {
    // A socket that was shut down has nothing to say either: `unix_dgram_recvmsg` knows no end of a stream.
    mailbox.receive(io.kernel)
}

impl Drop for Datagram {
    fn drop(&mut self) {
        let handle = self.0;
        let _ = handle.with(WHAT, |host, io| {
            host.drop_mailbox(io.kernel, handle.at);
            Some(())
        });
    }
}
