//! Multicast of `UdpSocket`: real sockets have it, the simulated network does not.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use stormglass_net::unsupported;

use super::{Inner, UdpSocket};

impl UdpSocket {
    /// `multicast_loop_v4` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(socket) => socket.multicast_loop_v4(),
            Inner::Sim(_) => Err(unsupported("UdpSocket::multicast_loop_v4")),
        }
    }

    /// `set_multicast_loop_v4` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_multicast_loop_v4(on),
            Inner::Sim(_) => Err(unsupported("UdpSocket::set_multicast_loop_v4")),
        }
    }

    /// `multicast_ttl_v4` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        match &self.0 {
            Inner::Real(socket) => socket.multicast_ttl_v4(),
            Inner::Sim(_) => Err(unsupported("UdpSocket::multicast_ttl_v4")),
        }
    }

    /// `set_multicast_ttl_v4` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_multicast_ttl_v4(ttl),
            Inner::Sim(_) => Err(unsupported("UdpSocket::set_multicast_ttl_v4")),
        }
    }

    /// `multicast_loop_v6` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        match &self.0 {
            Inner::Real(socket) => socket.multicast_loop_v6(),
            Inner::Sim(_) => Err(unsupported("UdpSocket::multicast_loop_v6")),
        }
    }

    /// `set_multicast_loop_v6` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_multicast_loop_v6(on),
            Inner::Sim(_) => Err(unsupported("UdpSocket::set_multicast_loop_v6")),
        }
    }

    /// `join_multicast_v4` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.join_multicast_v4(multiaddr, interface),
            Inner::Sim(_) => Err(unsupported("UdpSocket::join_multicast_v4")),
        }
    }

    /// `join_multicast_v6` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.join_multicast_v6(multiaddr, interface),
            Inner::Sim(_) => Err(unsupported("UdpSocket::join_multicast_v6")),
        }
    }

    /// `leave_multicast_v4` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.leave_multicast_v4(multiaddr, interface),
            Inner::Sim(_) => Err(unsupported("UdpSocket::leave_multicast_v4")),
        }
    }

    /// `leave_multicast_v6` of tokio's socket.
    ///
    /// # Errors
    /// `Unsupported` in a simulation.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.leave_multicast_v6(multiaddr, interface),
            Inner::Sim(_) => Err(unsupported("UdpSocket::leave_multicast_v6")),
        }
    }
}
