//! `UdpSocket`.

mod multicast;
pub(super) mod receive;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use real_tokio::io::{Interest, Ready};
use real_tokio::net as real;
use stormglass_net::udp as sim;
use stormglass_net::unsupported;

use super::addr::{ToSocketAddrs, resolve};
use super::{no_address, within_budget};

/// A UDP socket.
pub struct UdpSocket(Inner);

/// The world that it belongs to.
enum Inner {
    /// The real one.
    Real(real::UdpSocket),
    /// A simulated one.
    Sim(sim::UdpSocket),
}

pub(super) fn ready_of((readable, writable): (bool, bool), interest: Interest) -> Ready {
    let mut ready = Ready::EMPTY;
    if readable && interest.is_readable() {
        ready |= Ready::READABLE;
    }
    if writable && interest.is_writable() {
        ready |= Ready::WRITABLE;
    }
    ready
}

fn poll_send(
    socket: &sim::UdpSocket,
    cx: &mut Context<'_>,
    buf: &[u8],
    to: Option<SocketAddr>,
) -> Poll<io::Result<usize>> {
    within_budget(cx, |cx| socket.poll_send(cx, buf, to))
}

impl UdpSocket {
    /// Binds to the first of the addresses that can be bound. Port 0 asks for a free one.
    ///
    /// # Errors
    /// Those of the last address: `AddrInUse`, `AddrNotAvailable`.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let addresses = resolve(addr).await?;
        if !stormglass_kernel::is_current() {
            return Ok(Self(Inner::Real(real::UdpSocket::bind(&addresses[..]).await?)));
        }
        let mut last = None;
        for address in addresses {
            match sim::UdpSocket::bind(address) {
                Ok(socket) => return Ok(Self(Inner::Sim(socket))),
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// Makes one of std's sockets into one of tokio's.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Err(unsupported("UdpSocket::from_std"));
        }
        Ok(Self(Inner::Real(real::UdpSocket::from_std(socket)?)))
    }

    /// Makes it into one of std's sockets.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        match self.0 {
            Inner::Real(socket) => socket.into_std(),
            Inner::Sim(_) => Err(unsupported("UdpSocket::into_std")),
        }
    }

    /// Sends to and receives from the first of the addresses that will do, and no other.
    ///
    /// # Errors
    /// Those of the last address.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let addresses = resolve(addr).await?;
        match &self.0 {
            Inner::Real(socket) => socket.connect(&addresses[..]).await,
            Inner::Sim(socket) => {
                let mut last = None;
                for address in addresses {
                    match socket.connect(address) {
                        Ok(()) => return Ok(()),
                        Err(e) => last = Some(e),
                    }
                }
                Err(last.unwrap_or_else(no_address))
            }
        }
    }

    // ---- readiness ----------------------------------------------------------------------------------------------

    /// Waits for any of the states of `interest`. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.0 {
            Inner::Real(socket) => socket.ready(interest).await,
            Inner::Sim(socket) => {
                let (read, write) = (interest.is_readable(), interest.is_writable());
                let error = || interest.is_error() && socket.has_error().unwrap_or(false);
                let poll = |cx: &mut Context<'_>| match socket.poll_ready(cx, read, write) {
                    Poll::Pending if error() => Poll::Ready(socket.readiness()),
                    polled => polled,
                };
                let ready = poll_fn(|cx| within_budget(cx, poll)).await?;
                Ok(ready_of(ready, interest) | if error() { Ready::ERROR } else { Ready::EMPTY })
            }
        }
    }

    /// Waits until a datagram may be sent. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Waits until a datagram is there. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls whether a datagram may be sent.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_send_ready(cx),
            Inner::Sim(socket) => within_budget(cx, |cx| socket.poll_ready(cx, false, true)).map_ok(drop),
        }
    }

    /// Polls whether a datagram is there.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_recv_ready(cx),
            Inner::Sim(socket) => within_budget(cx, |cx| socket.poll_ready(cx, true, false)).map_ok(drop),
        }
    }

    // ---- sending ------------------------------------------------------------------------------------------------

    /// Sends a datagram to the connected peer. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket; `ConnectionRefused` once after the peer answered that nobody listens.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.send(buf).await,
            Inner::Sim(socket) => poll_fn(|cx| poll_send(socket, cx, buf, None)).await,
        }
    }

    /// Sends a datagram to the first of the addresses. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(to) = resolve(addr).await?.into_iter().next() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to"));
        };
        match &self.0 {
            Inner::Real(socket) => socket.send_to(buf, to).await,
            Inner::Sim(socket) => poll_fn(|cx| poll_send(socket, cx, buf, Some(to))).await,
        }
    }

    /// Polls to send a datagram to the connected peer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_send(cx, buf),
            Inner::Sim(socket) => poll_send(socket, cx, buf, None),
        }
    }

    /// Sends a datagram to the connected peer, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_send(buf),
            Inner::Sim(socket) => socket.try_send(buf, None),
        }
    }

    /// Polls to send a datagram.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_send_to(cx, buf, target),
            Inner::Sim(socket) => poll_send(socket, cx, buf, Some(target)),
        }
    }

    /// Sends a datagram, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_send_to(buf, target),
            Inner::Sim(socket) => socket.try_send(buf, Some(target)),
        }
    }

    // ---- the caller's own I/O -----------------------------------------------------------------------------------

    /// Does I/O of the caller's own, if the socket is ready for `interest`.
    ///
    /// # Errors
    /// `WouldBlock` when it is not ready, or when `f` says so.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Inner::Real(socket) => socket.try_io(interest, f),
            Inner::Sim(socket) => {
                if ready_of(socket.readiness()?, interest).is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                f().inspect_err(|error| {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        // A socket that is gone says so at the next call.
                        let _ = socket.clear_readiness(interest.is_readable(), interest.is_writable());
                    }
                })
            }
        }
    }

    /// Does I/O of the caller's own each time the socket is ready for `interest`, until it does not block.
    ///
    /// # Errors
    /// Those of `f` but `WouldBlock`.
    pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        if let Inner::Real(socket) = &self.0 {
            return socket.async_io(interest, f).await;
        }
        loop {
            self.ready(interest).await?;
            match self.try_io(interest, &mut f) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    // ---- addresses and options ----------------------------------------------------------------------------------

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(socket) => socket.local_addr(),
            Inner::Sim(socket) => socket.local_addr(),
        }
    }

    /// The peer that it is connected to.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(socket) => socket.peer_addr(),
            Inner::Sim(socket) => socket.peer_addr(),
        }
    }

    /// The error that is waiting to be told, if any.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Inner::Real(socket) => socket.take_error(),
            Inner::Sim(socket) => socket.take_error(),
        }
    }

    /// Whether broadcasts may be sent.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn broadcast(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(socket) => socket.broadcast(),
            Inner::Sim(socket) => socket.broadcast(),
        }
    }

    /// Sets whether broadcasts may be sent.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_broadcast(on),
            Inner::Sim(socket) => socket.set_broadcast(on),
        }
    }

    /// Time to live of its packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn ttl(&self) -> io::Result<u32> {
        match &self.0 {
            Inner::Real(socket) => socket.ttl(),
            Inner::Sim(socket) => socket.ttl(),
        }
    }

    /// Sets the time to live of its packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_ttl(ttl),
            Inner::Sim(socket) => socket.set_ttl(ttl),
        }
    }
}

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    fn try_from(socket: std::net::UdpSocket) -> Result<Self, Self::Error> {
        Self::from_std(socket)
    }
}

descriptor!(UdpSocket);
traffic!(UdpSocket);

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(socket) => socket.fmt(f),
            Inner::Sim(socket) => socket.fmt(f),
        }
    }
}
