//! What a program holds of a TCP socket that listens, or does neither that nor anything else yet.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::connection::{Connection, Io};
use super::listener;
use super::options::{Reuse, SocketOptions};
use super::stream::{Buffers, Stream, WHAT};
use crate::address::to_v4;
use crate::error::{Cause, valid_ttl};
use crate::handle::{Handle, has_descriptor};

/// A listening TCP socket. Dropping it resets connections that nobody accepted.
#[derive(PartialEq, Eq, Debug)]
pub struct Listener(Handle);

/// A TCP socket with an address of its own that neither listens nor is connected.
#[derive(PartialEq, Eq, Debug)]
pub struct BoundSocket(Handle);

impl Listener {
    /// Binds and listens.
    ///
    /// # Errors
    /// `AddrInUse` when another listener has the port, `AddrNotAvailable` when the address is not this host's.
    pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<Self> {
        // As tokio's and std's: old connections are no hindrance.
        BoundSocket::bind(address, Reuse { address: true, port: false })?.listen(backlog)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut listener::Listener, &mut Io<'_>) -> R) -> io::Result<R> {
        self.0.with("tcp listener", |host, io| Some(f(host.sockets.listener(self.0.at)?, io)))
    }

    /// Sets what accepted connections take over.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_options(&self, options: SocketOptions, buffers: Buffers) -> io::Result<()> {
        self.with(|l, _| (l.options, l.buffers) = (options, buffers))
    }

    /// Takes the oldest connection that has opened. One that is not taken stays: waiting may be given up at any time.
    ///
    /// # Errors
    /// When the handle is stale; `EMFILE`, whether there is a connection or not: accept(2) looks for a descriptor first.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let handle = self.0;
        let taken = handle.with("tcp listener", |host, io| {
            if let Err(error) = has_descriptor(host, io) {
                return Some(Poll::Ready(Err(error)));
            }
            let listener = host.sockets.listener(handle.at)?;
            let Some(at) = listener.queue.pop_front() else {
                listener.waiters.park(io.kernel, cx.waker());
                handle.note_wait(io, "tcp accept");
                return Some(Poll::Pending);
            };
            io.kernel.take_descriptor(host.node);
            Some(Poll::Ready(Ok((at, remote_of(host.sockets.connection(at))))))
        });
        match taken {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            Ok(Poll::Ready(Ok((at, remote)))) => Poll::Ready(remote.map(|remote| (Stream(handle.sibling(at)), remote))),
            Err(stale) => Poll::Ready(Err(stale)),
        }
    }

    /// The number that stands for a file descriptor: from [`crate::DESCRIPTORS`] on.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.0.descriptor()
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with(|l, _| l.shown)
    }

    /// Time to live of packets. Kept and told, without effect.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn ttl(&self) -> io::Result<u32> {
        self.with(|l, _| l.options.ttl)
    }

    /// Sets what [`Listener::ttl`] tells.
    ///
    /// # Errors
    /// Beyond 1 to 255; when the handle is stale.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let ttl = valid_ttl(ttl)?;
        self.with(|l, _| l.options.ttl = ttl)
    }
}

fn remote_of(connection: Option<&mut Connection>) -> io::Result<SocketAddr> {
    connection.map(|c| c.form.show(c.key.remote)).ok_or_else(|| Cause::NotConnected.into())
}

fn close_listener(handle: Handle) {
    let _ = handle.with("tcp listener", |host, io| {
        host.drop_listener(io, handle.at);
        Some(())
    });
}

impl Drop for Listener {
    fn drop(&mut self) {
        close_listener(self.0);
    }
}

impl BoundSocket {
    /// Binds. Port 0 asks for an ephemeral one. `reuse` says with whom the port may be shared.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind(address: SocketAddr, reuse: Reuse) -> io::Result<Self> {
        let handle = Handle::create(WHAT, |host, io| Ok(host.bind(io.kernel, to_v4(address)?, address, reuse)?))?;
        Ok(Self(handle))
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// `AddrInUse` when another socket that listens has the port and does not share it.
    pub fn listen(self, backlog: u32) -> io::Result<Listener> {
        let handle = self.0;
        let done = handle.with("tcp listener", |host, _| {
            if host.is_listened_to(handle.at) {
                return Some(Err(Cause::AddressInUse));
            }
            let listener = host.sockets.listener(handle.at)?;
            listener.listening = true;
            listener.backlog = backlog as usize;
            Some(Ok(()))
        })?;
        done?;
        std::mem::forget(self);
        Ok(Listener(handle))
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.with(WHAT, |host, _| Some(host.sockets.listener(self.0.at)?.shown))
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        close_listener(self.0);
    }
}
