//! Local ports of a host: which connections use one and whether they let others bind it, and those that it gives away
//! itself.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;

use stormglass_kernel::Kernel;

use crate::error::Cause;
use crate::flow::PORT;
use crate::host::Host;
use crate::packet::SocketRef;
use crate::tcp::connection::Key;

/// The ports that a host gives to sockets that ask for none of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PortRange {
    first: u16,
    count: u16,
}

impl Default for PortRange {
    /// Linux's.
    fn default() -> Self {
        Self { first: 32_768, count: 60_999 - 32_768 + 1 }
    }
}

impl PortRange {
    /// At least one port, and never port 0.
    pub(crate) fn new(ports: &RangeInclusive<u16>) -> Self {
        let first = (*ports.start()).max(1);
        Self { first, count: ports.end().saturating_sub(first).saturating_add(1) }
    }
}

/// How many connections use a port, and how many of those let nobody else bind it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PortUses {
    pub(crate) all: u32,
    pub(crate) strict: u32,
}

impl Host {
    /// The ephemeral ports, from a keyed draw upwards and round to it.
    fn ephemeral_ports(&mut self, kernel: &Kernel) -> impl Iterator<Item = u16> + Clone + use<> {
        let PortRange { first, count } = self.ephemeral;
        let count = u32::from(count);
        let draw = kernel.decisions().range(PORT, self.site, self.port_draws, 0, u64::from(count) - 1) as u32;
        self.port_draws += 1;
        (0..count).map(move |i| first + ((draw + i) % count) as u16)
    }

    /// A free ephemeral port for a socket bound to `own`: one that nobody uses, or at least not on that address.
    pub(crate) fn ephemeral_port(&mut self, kernel: &Kernel, tcp: bool, own: Ipv4Addr) -> Option<u16> {
        self.forget_time_wait(kernel.now());
        let mut ports = self.ephemeral_ports(kernel);
        let bound = if tcp { &self.listeners } else { &self.datagrams };
        let connected = |port: &u16| tcp && self.ports.contains_key(port);
        let unused = ports.clone().find(|port| !connected(port) && !bound.contains_key(port));
        let elsewhere = |port: &u16| {
            let local = SocketAddrV4::new(own, *port);
            !(tcp && self.is_connected_from(local) || Self::conflicts(bound, local))
        };
        unused.or_else(|| ports.find(elsewhere))
    }

    /// Whether a connection, TIME_WAIT included, has this address on our side.
    pub(crate) fn is_connected_from(&self, local: SocketAddrV4) -> bool {
        if !self.ports.contains_key(&local.port()) {
            return false;
        }
        let end = |ip, port| Key { local, remote: SocketAddrV4::new(ip, port) };
        let all = end(Ipv4Addr::UNSPECIFIED, 0)..=end(Ipv4Addr::BROADCAST, u16::MAX);
        local.ip().is_unspecified()
            || self.connections.range(all.clone()).next().is_some()
            || self.time_wait.range(all).next().is_some()
    }

    /// An ephemeral port for a connection to `remote`: one that nobody uses, or at least not towards there
    /// (`__inet_hash_connect`).
    pub(crate) fn port_towards(&mut self, kernel: &Kernel, own: Ipv4Addr, remote: SocketAddrV4) -> Result<u16, Cause> {
        self.forget_time_wait(kernel.now());
        let mut ports = self.ephemeral_ports(kernel);
        let unused = ports.clone().find(|port| !self.ports.contains_key(port) && !self.listeners.contains_key(port));
        let elsewhere = |port: &u16| {
            let key = Key { local: SocketAddrV4::new(own, *port), remote };
            !self.listeners.contains_key(port)
                && !self.connections.contains_key(&key)
                && !self.time_wait.contains_key(&key)
        };
        unused.or_else(|| ports.find(elsewhere)).ok_or(Cause::AddressNotAvailable)
    }

    pub(crate) fn use_port(&mut self, port: u16) {
        let uses = self.ports.entry(port).or_default();
        uses.all += 1;
        uses.strict += 1;
    }

    /// Says whether the port of a connection may be bound by others that reuse addresses.
    pub(crate) fn set_reuse(&mut self, at: SocketRef, reuse: bool) {
        let Some(connection) = self.sockets.connection(at) else { return };
        let (was, port) = (std::mem::replace(&mut connection.reuse, reuse), connection.key.local.port());
        if let Some(uses) = self.ports.get_mut(&port) {
            uses.strict = uses.strict + u32::from(was) - u32::from(reuse);
        }
    }

    pub(crate) fn free_port(&mut self, port: u16, reuse: bool) {
        if let Some(uses) = self.ports.get_mut(&port) {
            uses.all -= 1;
            uses.strict -= u32::from(!reuse);
            if uses.all == 0 {
                self.ports.remove(&port);
            }
        }
    }
}
