//! A Unix socket that listens.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use stormglass_kernel::Kernel;

use super::address::{Address, Name};
use super::stream_handle::{Stream, is_bound};
use crate::error::Cause;
use crate::handle::{Handle, has_descriptor};
use crate::host::Host;
use crate::packet::SocketRef;
use crate::sockets::Socket;
use crate::waiters::Waiters;

const WHAT: &str = "unix listener";

#[derive(Debug)]
pub(crate) struct Listening {
    name: Option<Name>,
    pub(crate) shown: Address,
    pub(crate) listening: bool,
    pub(crate) backlog: usize,
    /// Server ends of connections that nobody has accepted.
    pub(crate) queue: VecDeque<SocketRef>,
    pub(crate) waiters: Waiters,
}

/// A listening Unix socket. Dropping it resets connections that nobody accepted; the file of its name stays.
#[derive(PartialEq, Eq, Debug)]
pub struct Listener(Handle);

impl Listener {
    /// Binds and listens.
    ///
    /// # Errors
    /// `AddrInUse` when the name has a socket.
    pub fn bind(name: Name, shown: Address, backlog: u32) -> io::Result<Self> {
        let handle = Handle::create(WHAT, |host, _| {
            if host.unix_names.is_bound(&name) {
                return Err(Cause::AddressInUse.into());
            }
            let listening = Listening {
                name: Some(name.clone()),
                shown,
                listening: true,
                backlog: backlog as usize,
                queue: VecDeque::new(),
                waiters: Waiters::default(),
            };
            let make = |_| Socket::UnixListener(Box::new(listening));
            let at = host.sockets.insert(make).ok_or(Cause::TooManyFiles)?;
            host.unix_names.bind(name, at)?;
            Ok(at)
        })?;
        Ok(Self(handle))
    }

    /// Whether a name of the current node has a socket.
    ///
    /// # Errors
    /// When no simulation with a network is current.
    pub fn is_bound(name: &Name) -> io::Result<bool> {
        is_bound(name)
    }

    /// Takes the oldest connection. One that is not taken stays: waiting may be given up at any time.
    ///
    /// # Errors
    /// When the handle is stale; `EMFILE`, whether there is a connection or not.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        let handle = self.0;
        let taken = handle.with(WHAT, |host, io| {
            if let Err(error) = has_descriptor(host, io) {
                return Some(Err(error));
            }
            let listening = host.sockets.unix_listener(handle.at)?;
            let Some(at) = listening.queue.pop_front() else {
                listening.waiters.park(io.kernel, cx.waker());
                handle.note_wait(io, "unix accept");
                return Some(Ok(None));
            };
            io.kernel.take_descriptor(host.node);
            match host.sockets.get(at)? {
                Socket::UnixStream(end) => Some(Ok(Some((at, end.remote.clone())))),
                _ => None,
            }
        });
        match taken.flatten() {
            Ok(None) => Poll::Pending,
            Ok(Some((at, remote))) => Poll::Ready(Ok((Stream(handle.sibling(at)), remote))),
            Err(stale) => Poll::Ready(Err(stale)),
        }
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
        self.0.with(WHAT, |host, _| Some(host.sockets.unix_listener(self.0.at)?.shown.clone()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let handle = self.0;
        let _ = handle.with(WHAT, |host, io| {
            host.close_unix_listener(io.kernel, handle.at);
            Some(())
        });
    }
}

impl Host {
    /// Closes a listener: connections that nobody accepted are reset.
    pub(crate) fn close_unix_listener(&mut self, kernel: &mut Kernel, at: SocketRef) {
        if self.sockets.unix_listener(at).is_none() {
            return;
        }
        let Some(Socket::UnixListener(mut listening)) = self.sockets.remove(at) else { return };
        listening.waiters.discard(kernel);
        if let Some(name) = &listening.name {
            self.unix_names.unbind(name, at);
        }
        for end in listening.queue {
            self.unix_drop(kernel, end, true);
        }
    }
}
