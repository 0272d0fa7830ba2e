//! What a program holds of UDP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use super::socket::{DATAGRAM_MAX, Datagrams};
use crate::address::{Form, ip_of, to_v4};
use crate::error::{Cause, valid_ttl};
use crate::handle::Handle;
use crate::tcp::connection::Io;
use crate::traffic::Traffic;

pub(super) const WHAT: &str = "udp socket";

/// A UDP socket. Dropping it closes it; what was sent still leaves.
#[derive(PartialEq, Eq, Debug)]
pub struct UdpSocket(pub(super) Handle);

/// A datagram and who sent it.
pub type Received = (Vec<u8>, SocketAddr);

impl UdpSocket {
    /// Binds. Port 0 asks for an ephemeral one.
    ///
    /// # Errors
    /// `AddrInUse` when another socket has the port, `AddrNotAvailable` when the address is not this host's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let handle = Handle::create(WHAT, |host, io| Ok(host.bind_datagrams(io.kernel, to_v4(address)?, address)?))?;
        Ok(Self(handle))
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Datagrams, &mut Io<'_>) -> R) -> io::Result<R> {
        self.0.with(WHAT, |host, io| Some(f(host.sockets.datagrams(self.0.at)?, io)))
    }

    /// Sends to and receives from `peer` only, from now on.
    ///
    /// # Errors
    /// When there is no such host or network.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        let handle = self.0;
        let connected = handle.with(WHAT, |host, io| {
            let route = to_v4(peer).and_then(|v4| match *v4.ip() {
                group if group.is_multicast() => Ok((v4, (host.node, group, ip_of(host.node)))),
                ip => Ok((v4, host.route(io.kernel, ip)?)),
            });
            let (own_node, socket) = (host.node, host.sockets.datagrams(handle.at)?);
            Some(route.map(|(v4, (node, ip, own_ip))| {
                socket.connected = Some(std::net::SocketAddrV4::new(ip, v4.port()));
                // As Linux does, the socket takes the address from which it speaks to the peer.
                if socket.local.ip().is_unspecified() && (node != own_node || ip.is_multicast()) {
                    socket.shown.set_ip(own_ip.into());
                } else if socket.local.ip().is_unspecified() {
                    socket.shown.set_ip(ip.into());
                }
            }))
        })?;
        Ok(connected?)
    }

    /// Sends a datagram to `to`, or to the connected peer; it leaves when the poll ends.
    ///
    /// # Errors
    /// Too long, no destination, no such host; `ConnectionRefused` once after a peer answered that nobody listens.
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8], to: Option<SocketAddr>) -> Poll<io::Result<usize>> {
        let handle = self.0;
        let sent = self.send(bytes, to, |socket, io| {
            socket.writers.park(io.kernel, cx.waker());
            handle.note_wait(io, "udp send");
        });
        match sent {
            Ok(Some(n)) => Poll::Ready(Ok(n)),
            Ok(None) => Poll::Pending,
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    /// As [`UdpSocket::poll_send`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        self.send(bytes, to, |_, _| {})?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn send(
        &self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        full: impl FnOnce(&mut Datagrams, &mut Io<'_>),
    ) -> io::Result<Option<usize>> {
        let handle = self.0;
        let outcome = handle.with(WHAT, |host, io| {
            let node = host.node.index() as u64;
            let route = |ip: Ipv4Addr| if ip.is_multicast() { Ok(()) } else { host.route(io.kernel, ip).map(|_| ()) };
            let to = to.map(|to| to_v4(to).and_then(|to| route(*to.ip()).map(|()| to))).transpose();
            let socket = host.sockets.datagrams(handle.at)?;
            if let Some(cause) = socket.error.take() {
                return Some(Err(cause));
            }
            let to = match to.map(|to| to.or(socket.connected)) {
                Ok(Some(to)) => to,
                Ok(None) => return Some(Err(Cause::DestinationRequired)),
                Err(cause) => return Some(Err(cause)),
            };
            if to.port() == 0 {
                return Some(Err(Cause::Invalid));
            }
            if bytes.len() > DATAGRAM_MAX {
                return Some(Err(Cause::MessageTooLong));
            }
            if !socket.has_room() {
                full(socket, io);
                return Some(Ok(None));
            }
            let mut payload = io.wire.packets.buffer();
            payload.extend_from_slice(bytes);
            socket.send(io.kernel, node, to, payload);
            Some(Ok(Some(bytes.len())))
        })?;
        Ok(outcome?)
    }

    /// Takes the oldest datagram, or a copy of it if `peek`. What does not fit the caller's buffer is the caller's to
    /// drop.
    ///
    /// # Errors
    /// `ConnectionRefused` once after the connected peer answered that nobody listens.
    pub fn poll_recv(&self, cx: &mut Context<'_>, peek: bool) -> Poll<io::Result<Received>> {
        let handle = self.0;
        let outcome = self.with(|socket, io| match receive(socket, peek) {
            None => {
                socket.readers.park(io.kernel, cx.waker());
                handle.note_wait(io, "udp receive");
                Poll::Pending
            }
            Some(result) => Poll::Ready(result),
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// As [`UdpSocket::poll_recv`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when no datagram is there, even if an error is: as with tokio, whose readiness to read is not that of
    /// an error.
    pub fn try_recv(&self, peek: bool) -> io::Result<Received> {
        self.with(|socket, _| if socket.queue.is_empty() { None } else { receive(socket, peek) })?
            .unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Whether an error is waiting to be told.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn has_error(&self) -> io::Result<bool> {
        self.with(|socket, _| socket.error.is_some())
    }

    /// Whether a datagram is there, and whether sending would not wait.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn readiness(&self) -> io::Result<(bool, bool)> {
        self.with(|socket, _| ready(socket))
    }

    /// Forgets that reading (or writing) would not wait, until there is news of it: who tried has said that it would.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn clear_readiness(&self, read: bool, write: bool) -> io::Result<()> {
        self.with(|socket, _| {
            if read {
                socket.readers.clear();
            }
            if write {
                socket.writers.clear();
            }
        })
    }

    /// Waits until receiving (if `read`) or sending (if `write`) would not wait.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn poll_ready(&self, cx: &mut Context<'_>, read: bool, write: bool) -> Poll<io::Result<(bool, bool)>> {
        let handle = self.0;
        let outcome = self.with(|socket, io| {
            let (readable, writable) = ready(socket);
            if read && readable || write && writable {
                return Poll::Ready(Ok((readable, writable)));
            }
            if read {
                socket.readers.park(io.kernel, cx.waker());
            }
            if write {
                socket.writers.park(io.kernel, cx.waker());
            }
            handle.note_wait(io, if read { "udp receive" } else { "udp send" });
            Poll::Pending
        });
        outcome.unwrap_or_else(|stale| Poll::Ready(Err(stale)))
    }

    /// The number that stands for a file descriptor: from [`crate::DESCRIPTORS`] on.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.0.descriptor()
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with(|socket, _| socket.shown)
    }

    /// The peer it is connected to.
    ///
    /// # Errors
    /// `NotConnected` when there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with(|socket, _| socket.connected)?.map(Into::into).ok_or_else(|| Cause::NotConnected.into())
    }

    /// An error that no call has told yet.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.with(|socket, _| socket.error.take().map(Into::into))
    }

    /// Whether broadcasts may be sent. Kept and told, without effect.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.with(|socket, _| socket.broadcast)
    }

    /// Sets what [`UdpSocket::broadcast`] tells.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.with(|socket, _| socket.broadcast = on)
    }

    /// Looks at or changes how its packets are to be treated.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn traffic<R>(&self, f: impl FnOnce(&mut Traffic) -> R) -> io::Result<R> {
        self.with(|socket, _| f(&mut socket.traffic))
    }

    /// Time to live of packets. Kept and told, without effect.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn ttl(&self) -> io::Result<u32> {
        self.with(|socket, _| socket.ttl)
    }

    /// Sets what [`UdpSocket::ttl`] tells.
    ///
    /// # Errors
    /// Beyond 1 to 255; when the handle is stale.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let ttl = valid_ttl(ttl)?;
        self.with(|socket, _| socket.ttl = ttl)
    }
}

fn ready(socket: &Datagrams) -> (bool, bool) {
    let error = socket.error.is_some();
    let readable = !socket.queue.is_empty();
    let writable = socket.has_room() || error;
    (readable && !socket.readers.is_cleared(), writable && !socket.writers.is_cleared())
}

fn receive(socket: &mut Datagrams, peek: bool) -> Option<io::Result<Received>> {
    if let Some(cause) = socket.error.take() {
        return Some(Err(cause.into()));
    }
    let (from, payload) = if peek { socket.queue.front().cloned()? } else { socket.receive()? };
    let v6 = socket.shown.ip() == IpAddr::V6(Ipv6Addr::LOCALHOST);
    Some(Ok((payload, Form::at(socket.shown, v6).show(from))))
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let handle = self.0;
        let _ = handle.with(WHAT, |host, io| {
            host.drop_datagrams(io.kernel, handle.at);
            Some(())
        });
    }
}
