//! Multicast of `UdpSocket`. The simulated network has that of IPv4; of IPv6, which is that of the loopback
//! alone, memberships and options.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Inner, UdpSocket};

impl UdpSocket {
    /// `multicast_loop_v4` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(socket) => socket.multicast_loop_v4(),
            Inner::Sim(socket) => socket.multicast_loop(),
        }
    }

    /// `set_multicast_loop_v4` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_multicast_loop_v4(on),
            Inner::Sim(socket) => socket.set_multicast_loop(on),
        }
    }

    /// `multicast_ttl_v4` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        match &self.0 {
            Inner::Real(socket) => socket.multicast_ttl_v4(),
            Inner::Sim(socket) => socket.multicast_ttl(),
        }
    }

    /// `set_multicast_ttl_v4` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_multicast_ttl_v4(ttl),
            Inner::Sim(socket) => socket.set_multicast_ttl(ttl),
        }
    }

    /// `multicast_loop_v6` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(socket) => socket.multicast_loop_v6(),
            Inner::Sim(socket) => socket.multicast_loop_v6(),
        }
    }

    /// `set_multicast_loop_v6` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_multicast_loop_v6(on),
            Inner::Sim(socket) => socket.set_multicast_loop_v6(on),
        }
    }

    /// `join_multicast_v4` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.join_multicast_v4(multiaddr, interface),
            Inner::Sim(socket) => socket.join(multiaddr, interface),
        }
    }

    /// `join_multicast_v6` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.join_multicast_v6(multiaddr, interface),
            Inner::Sim(socket) => socket.join_v6(*multiaddr, interface),
        }
    }

    /// `leave_multicast_v4` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.leave_multicast_v4(multiaddr, interface),
            Inner::Sim(socket) => socket.leave(multiaddr),
        }
    }

    /// `leave_multicast_v6` of tokio's socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.leave_multicast_v6(multiaddr, interface),
            Inner::Sim(socket) => socket.leave_v6(*multiaddr, interface),
        }
    }
}
