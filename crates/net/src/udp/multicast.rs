//! Multicast: groups that a socket has joined, and datagrams that go to all of them.
//!
//! Every host of the network is one hop away, so a datagram to a group goes out on each link, and the host at its end keeps
//! it for the sockets that have joined. That is a switch without IGMP snooping: a sender need not know who listens.
//!
//! Of IPv6 a host has the loopback alone. There Linux takes memberships too, but has no route to a group: what is sent to one
//! is refused as unreachable.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::handle::UdpSocket;
use crate::address::ip_of;
use crate::error::Cause;

/// What a socket has to do with multicast (`ip(7)`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Multicast {
    pub(crate) groups: Vec<Ipv4Addr>,
    /// `IP_MULTICAST_LOOP`: members on the sender's own host hear it.
    pub(crate) heard_here: bool,
    /// `IP_MULTICAST_TTL`: at 0 nothing leaves the host.
    pub(crate) ttl: u32,
    /// Groups of IPv6, each with the number of its interface (`ipv6(7)`).
    groups_v6: Vec<(Ipv6Addr, u32)>,
    /// `IPV6_MULTICAST_LOOP`.
    heard_here_v6: bool,
}

impl Default for Multicast {
    fn default() -> Self {
        Self { groups: Vec::new(), heard_here: true, ttl: 1, groups_v6: Vec::new(), heard_here_v6: true }
    }
}

const ENODEV: i32 = 19;
const ENOPROTOOPT: i32 = 92;
const EOPNOTSUPP: i32 = 95;

/// The numbers of a host's interfaces: `lo` and `eth0`.
const INTERFACES: [u32; 2] = [1, 2];

impl UdpSocket {
    /// Joins a group on the interface that has an address; the wildcard is any. One interface is as good as another here.
    ///
    /// # Errors
    /// `EINVAL` where it is no group, `ENODEV` where there is no such interface, `EADDRINUSE` when it has joined.
    pub fn join(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let own = self.own_ip()?;
        if !group.is_multicast() {
            return Err(Cause::Invalid.into());
        }
        if !(interface.is_unspecified() || interface.is_loopback() || interface == own) {
            return Err(io::Error::from_raw_os_error(ENODEV));
        }
        let joined = self.with_multicast(|multicast| {
            if multicast.groups.contains(&group) {
                return Err(Cause::AddressInUse);
            }
            multicast.groups.push(group);
            Ok(())
        })?;
        Ok(joined?)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` when it has not joined.
    pub fn leave(&self, group: Ipv4Addr) -> io::Result<()> {
        let left = self.with_multicast(|multicast| {
            let place = multicast.groups.iter().position(|joined| *joined == group);
            place.map(|place| multicast.groups.remove(place)).ok_or(Cause::AddressNotAvailable)
        })?;
        Ok(left.map(drop)?)
    }

    /// Whether members on this host hear what is sent from here.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn multicast_loop(&self) -> io::Result<bool> {
        self.with_multicast(|multicast| multicast.heard_here)
    }

    /// Sets what [`UdpSocket::multicast_loop`] tells.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
        self.with_multicast(|multicast| multicast.heard_here = on)
    }

    /// How far datagrams to groups go.
    ///
    /// # Errors
    /// When the handle is stale.
    pub fn multicast_ttl(&self) -> io::Result<u32> {
        self.with_multicast(|multicast| multicast.ttl)
    }

    /// Sets it: at 0 they stay on this host.
    ///
    /// # Errors
    /// Beyond 255; when the handle is stale.
    pub fn set_multicast_ttl(&self, ttl: u32) -> io::Result<()> {
        if ttl > 255 {
            return Err(Cause::Invalid.into());
        }
        self.with_multicast(|multicast| multicast.ttl = ttl)
    }

    /// Joins a group of IPv6 on the interface of a number. 0 is the one by which the group is reached, and there is none.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for a socket of IPv4, `EINVAL` where it is no group, `EADDRINUSE` when it has joined, `ENODEV` where there is
    /// no such interface.
    pub fn join_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.with_v6(ENOPROTOOPT, |multicast| {
            if !group.is_multicast() {
                return Err(Cause::Invalid.into());
            }
            if multicast.membership(group, interface).is_some() {
                return Err(Cause::AddressInUse.into());
            }
            if !INTERFACES.contains(&interface) {
                return Err(io::Error::from_raw_os_error(ENODEV));
            }
            multicast.groups_v6.push((group, interface));
            Ok(())
        })
    }

    /// Leaves a group of IPv6 on the interface of a number; 0 is any.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for a socket of IPv4, `EINVAL` where it is no group, `EADDRNOTAVAIL` when it has not joined.
    pub fn leave_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.with_v6(ENOPROTOOPT, |multicast| {
            if !group.is_multicast() {
                return Err(Cause::Invalid.into());
            }
            let place = multicast.membership(group, interface).ok_or(Cause::AddressNotAvailable)?;
            multicast.groups_v6.remove(place);
            Ok(())
        })
    }

    /// Whether members on this host would hear what is sent from here to a group of IPv6.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a socket of IPv4; when the handle is stale.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.with_v6(EOPNOTSUPP, |multicast| Ok(multicast.heard_here_v6))
    }

    /// Sets what [`UdpSocket::multicast_loop_v6`] tells.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for a socket of IPv4; when the handle is stale.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.with_v6(ENOPROTOOPT, |multicast| {
            multicast.heard_here_v6 = on;
            Ok(())
        })
    }

    /// `f` on a socket of IPv6; `otherwise` is what Linux answers one of IPv4.
    fn with_v6<R>(&self, otherwise: i32, f: impl FnOnce(&mut Multicast) -> io::Result<R>) -> io::Result<R> {
        self.with(|socket, _| match socket.shown.is_ipv6() {
            true => f(&mut socket.multicast),
            false => Err(io::Error::from_raw_os_error(otherwise)),
        })?
    }

    fn own_ip(&self) -> io::Result<Ipv4Addr> {
        self.0.with(super::handle::WHAT, |host, _| Some(ip_of(host.node)))
    }

    fn with_multicast<R>(&self, f: impl FnOnce(&mut Multicast) -> R) -> io::Result<R> {
        self.with(|socket, _| f(&mut socket.multicast))
    }
}

impl Multicast {
    fn membership(&self, group: Ipv6Addr, interface: u32) -> Option<usize> {
        self.groups_v6.iter().position(|&(joined, on)| joined == group && (interface == 0 || interface == on))
    }
}
