//! A Unix datagram socket's state.

use std::collections::VecDeque;

use stormglass_kernel::Kernel;

use super::address::{Address, Name};
use super::stream::QUEUE_BYTES;
use crate::error::Cause;
use crate::host::Host;
use crate::packet::SocketRef;
use crate::sockets::Socket;
use crate::waiters::Waiters;

/// `net.unix.max_dgram_qlen`: a queue longer than this is full, but for the peer of a mutual connection.
const QUEUE_LENGTH: usize = 10;
/// What Linux charges the sender for a datagram beside its bytes; about.
const OVERHEAD: usize = 768;
/// The longest datagram (`unix_dgram_sendmsg`).
const DATAGRAM_MAX: usize = QUEUE_BYTES - 32;

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) local: Address,
    pub(crate) name: Option<Name>,
    pub(crate) peer: Option<(SocketRef, Address)>,
    pub(super) queue: VecDeque<(Address, Vec<u8>)>,
    pub(super) queued: usize,
    pub(crate) read_shut: bool,
    pub(crate) write_shut: bool,
    pub(crate) readers: Waiters,
    /// Tasks that wait for room in this socket's queue.
    pub(crate) senders: Waiters,
}

impl Mailbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes the oldest datagram, and lets those who wait for room try again.
    pub(crate) fn receive(&mut self, kernel: &mut Kernel) -> Option<(Vec<u8>, Address)> {
        let (from, bytes) = self.queue.pop_front()?;
        self.queued -= bytes.len() + OVERHEAD;
        self.senders.wake(kernel);
        Some((bytes, from))
    }

    fn is_full_for(&self, sender: SocketRef) -> bool {
        let mutual = self.peer.as_ref().is_some_and(|p| p.0 == sender);
        !mutual && self.queue.len() > QUEUE_LENGTH || self.queued >= QUEUE_BYTES
    }
}

impl Host {
    pub(crate) fn add_mailbox(&mut self, mailbox: Mailbox) -> Result<SocketRef, Cause> {
        let name = mailbox.name.clone();
        if let Some(name) = &name
            && self.unix_names.is_bound(name)
        {
            return Err(Cause::AddressInUse);
        }
        let at = self.sockets.insert(|_| Socket::UnixDatagram(Box::new(mailbox))).ok_or(Cause::TooManyFiles)?;
        if let Some(name) = name {
            self.unix_names.bind(name, at)?;
        }
        Ok(at)
    }

    /// The socket at `name`, if datagrams may be sent to it at all.
    pub(crate) fn find_mailbox(&mut self, name: &Name) -> Result<SocketRef, Cause> {
        let at = self.unix_names.find(name)?;
        self.sockets.mailbox(at).map(|_| at).ok_or(Cause::WrongProtocol)
    }

    /// Puts a datagram into the queue of `to`, or of the connected peer. `None` when that is full; the outer `None` when
    /// the sender is not there. The order of checks is that of `unix_dgram_sendmsg`.
    pub(crate) fn unix_send(
        &mut self,
        kernel: &mut Kernel,
        at: SocketRef,
        bytes: &[u8],
        to: Option<SocketRef>,
    ) -> Option<Result<bool, Cause>> {
        let sender = self.sockets.mailbox(at)?;
        let connected = sender.peer.as_ref().map(|p| p.0);
        let (from, write_shut) = (sender.local.clone(), sender.write_shut);
        let Some(target) = to.or(connected) else { return Some(Err(Cause::NotConnected)) };
        if bytes.len() > DATAGRAM_MAX {
            return Some(Err(Cause::MessageTooLong));
        }
        if write_shut {
            return Some(Err(Cause::BrokenPipe));
        }
        let Some(receiver) = self.sockets.mailbox(target) else {
            if to.is_none()
                && let Some(sender) = self.sockets.mailbox(at)
            {
                sender.peer = None;
            }
            return Some(Err(Cause::Refused));
        };
        if receiver.peer.as_ref().is_some_and(|p| p.0 != at) {
            return Some(Err(Cause::NotPermitted));
        }
        if receiver.read_shut {
            return Some(Err(Cause::BrokenPipe));
        }
        if receiver.is_full_for(at) {
            return Some(Ok(false));
        }
        receiver.queued += bytes.len() + OVERHEAD;
        receiver.queue.push_back((from, bytes.to_vec()));
        receiver.readers.wake(kernel);
        Some(Ok(true))
    }

    /// Whether sending to the connected peer would not wait. Without one it never does.
    pub(crate) fn unix_may_send(&mut self, at: SocketRef) -> Option<bool> {
        let peer = self.sockets.mailbox(at)?.peer.as_ref().map(|p| p.0);
        Some(peer.and_then(|p| self.sockets.mailbox(p)).is_none_or(|p| !p.is_full_for(at)))
    }

    pub(crate) fn drop_mailbox(&mut self, kernel: &mut Kernel, at: SocketRef) {
        if self.sockets.mailbox(at).is_none() {
            return;
        }
        let Some(Socket::UnixDatagram(mut mailbox)) = self.sockets.remove(at) else { return };
        mailbox.readers.discard(kernel);
        // Whoever waits for room learns that nobody is there.
        mailbox.senders.wake(kernel);
        if let Some(name) = &mailbox.name {
            self.unix_names.unbind(name, at);
        }
    }
}
