//! One end of a Unix stream.

use std::collections::VecDeque;

use stormglass_kernel::Kernel;

use super::address::{Address, Name};
use crate::error::Cause;
use crate::host::Host;
use crate::packet::SocketRef;
use crate::sockets::Socket;
use crate::waiters::Waiters;

/// `net.core.wmem_default`: bytes that may wait for one reader.
pub(crate) const QUEUE_BYTES: usize = 212_992;

#[derive(Debug, Default)]
pub(crate) struct End {
    /// The other end. Stale once that one has been dropped.
    pub(crate) peer: Option<SocketRef>,
    /// What the peer wrote and this end has not read.
    pub(crate) incoming: VecDeque<u8>,
    /// The peer writes no more.
    pub(crate) read_ended: bool,
    /// This end writes no more.
    pub(crate) write_shut: bool,
    /// The peer has been dropped.
    pub(crate) peer_gone: bool,
    /// Told to the program once.
    pub(crate) error: Option<Cause>,
    pub(crate) readers: Waiters,
    pub(crate) writers: Waiters,
    pub(crate) local: Address,
    pub(crate) remote: Address,
    /// The bound name, if it has one of its own.
    pub(crate) name: Option<Name>,
}

impl End {
    /// What a read gives: bytes, then the error, then the end (`unix_stream_read_generic`).
    pub(crate) fn end_of_read(&mut self) -> Option<Result<usize, Cause>> {
        if let Some(cause) = self.error.take() {
            return Some(Err(cause));
        }
        (self.read_ended || self.peer_gone).then_some(Ok(0))
    }

    /// Room enough to wake a writer that waits: three quarters of the queue (`unix_writable`).
    fn has_much_room(&self) -> bool {
        self.incoming.len() * 4 <= QUEUE_BYTES
    }
}

impl Host {
    fn end(&mut self, at: SocketRef) -> Option<&mut End> {
        match self.sockets.get_mut(at)? {
            Socket::UnixStream(end) => Some(end),
            _ => None,
        }
    }

    /// Two connected ends.
    pub(crate) fn unix_pair(&mut self, first: End, second: End) -> Result<(SocketRef, SocketRef), Cause> {
        let make = |end: End| move |_: SocketRef| Socket::UnixStream(Box::new(end));
        let a = self.sockets.insert(make(first)).ok_or(Cause::TooManyFiles)?;
        let Some(b) = self.sockets.insert(make(second)) else {
            self.sockets.remove(a);
            return Err(Cause::TooManyFiles);
        };
        for (one, other) in [(a, b), (b, a)] {
            if let Some(end) = self.end(one) {
                end.peer = Some(other);
            }
        }
        Ok((a, b))
    }

    /// Puts bytes into the peer's queue. `None` when it is full; the outer `None` when the socket is not there.
    pub(crate) fn unix_write(
        &mut self,
        kernel: &mut Kernel,
        at: SocketRef,
        bytes: &[u8],
    ) -> Option<Option<Result<usize, Cause>>> {
        let end = self.end(at)?;
        if end.write_shut || end.peer_gone {
            return Some(Some(Err(Cause::BrokenPipe)));
        }
        let peer = end.peer?;
        let peer = self.end(peer)?;
        let n = bytes.len().min(QUEUE_BYTES.saturating_sub(peer.incoming.len()));
        if n == 0 && !bytes.is_empty() {
            return Some(None);
        }
        peer.incoming.extend(&bytes[..n]);
        if n > 0 {
            peer.readers.wake(kernel);
        }
        Some(Some(Ok(n)))
    }

    /// Takes up to `max` bytes. `None` when there are none yet.
    pub(crate) fn unix_read(
        &mut self,
        kernel: &mut Kernel,
        at: SocketRef,
        max: usize,
        mut sink: impl FnMut(&[u8]),
    ) -> Option<Option<Result<usize, Cause>>> {
        let end = self.end(at)?;
        if max == 0 {
            let ready = !end.incoming.is_empty() || end.error.is_some() || end.read_ended || end.peer_gone;
            return Some(ready.then_some(Ok(0)));
        }
        if end.incoming.is_empty() {
            return Some(end.end_of_read());
        }
        let n = max.min(end.incoming.len());
        let (front, back) = end.incoming.as_slices();
        let first = n.min(front.len());
        sink(&front[..first]);
        sink(&back[..n - first]);
        end.incoming.drain(..n);
        if let (true, Some(peer)) = (end.has_much_room(), end.peer)
            && let Some(peer) = self.end(peer)
        {
            peer.writers.wake(kernel);
        }
        Some(Some(Ok(n)))
    }

    /// Ends the writing half.
    pub(crate) fn unix_shutdown(&mut self, kernel: &mut Kernel, at: SocketRef) -> Option<()> {
        let end = self.end(at)?;
        end.write_shut = true;
        end.writers.wake(kernel);
        if let Some(peer) = end.peer
            && let Some(peer) = self.end(peer)
        {
            peer.read_ended = true;
            peer.readers.wake(kernel);
        }
        Some(())
    }

    /// Whether a write would not wait.
    pub(crate) fn unix_is_writable(&mut self, at: SocketRef) -> Option<bool> {
        let end = self.end(at)?;
        let (over, peer) = (end.write_shut || end.peer_gone, end.peer);
        Some(over || peer.and_then(|p| self.end(p)).is_some_and(|p| p.has_much_room()))
    }

    /// A Unix socket of a process that is gone.
    pub(crate) fn remove_unix(&mut self, kernel: &mut Kernel, at: SocketRef) {
        self.unix_drop(kernel, at, false);
        self.close_unix_listener(kernel, at);
        self.drop_mailbox(kernel, at);
    }

    /// The program drops an end. Bytes that it did not read are the peer's to know (`unix_release_sock`).
    pub(crate) fn unix_drop(&mut self, kernel: &mut Kernel, at: SocketRef, embryo: bool) {
        if self.end(at).is_none() {
            return;
        }
        let Some(Socket::UnixStream(mut end)) = self.sockets.remove(at) else { return };
        end.readers.discard(kernel);
        end.writers.discard(kernel);
        if let Some(name) = &end.name {
            self.unix_names.unbind(name, at);
        }
        if let Some(peer) = end.peer.and_then(|p| self.end(p)) {
            peer.peer_gone = true;
            if embryo || !end.incoming.is_empty() {
                peer.error = Some(Cause::Reset);
            }
            peer.readers.wake(kernel);
            peer.writers.wake(kernel);
        }
    }
}
