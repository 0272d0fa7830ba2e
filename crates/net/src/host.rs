//! A host: the network stack of one node's machine. It outlives the node's processes and goes on while they are paused;
//! only power loss ends it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use stormglass_kernel::{Down, Kernel, NodeId, Site, VirtualTime, WorldId, mix};

use crate::address::{Form, ip_of, node_of};
use crate::error::Cause;
use crate::flow::{Flow, PORT, SEQUENCE};
use crate::packet::SocketRef;
use crate::ports::PortUses;
use crate::residue::Residue;
use crate::sockets::{Socket, Sockets};
use crate::tcp::Reuse;
use crate::tcp::connection::{Connection, Io, Key, Phase};
use crate::tcp::listener::Listener;
use crate::unix::Names;
use crate::wire::OUTPUT;

/// Linux's default range of ephemeral ports.
const EPHEMERAL_FIRST: u16 = 32_768;
const EPHEMERAL_COUNT: u16 = 60_999 - EPHEMERAL_FIRST + 1;
/// `TCP_TIMEWAIT_LEN` of Linux.
const TIME_WAIT_NS: u64 = 60_000_000_000;

/// A port's sockets: the address each is bound to, possibly the wildcard.
type Bound = BTreeMap<u16, Vec<(Ipv4Addr, SocketRef)>>;

/// What is left of a connection that this host closed first: it answers FINs that come again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    pub(crate) seq: u64,
    pub(crate) ack: u64,
    pub(crate) number: u32,
    reuse: bool,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) node: NodeId,
    pub(crate) name: Arc<str>,
    site: Site,
    /// Whether the machine has power.
    pub(crate) powered: bool,
    pub(crate) sockets: Sockets,
    pub(crate) connections: BTreeMap<Key, SocketRef>,
    pub(crate) listeners: Bound,
    pub(crate) datagrams: Bound,
    /// How many TCP connections, TIME_WAIT included, use a local port.
    pub(crate) ports: BTreeMap<u16, PortUses>,
    time_wait: BTreeMap<Key, TimeWait>,
    time_wait_order: VecDeque<(VirtualTime, Key)>,
    /// Connections opened from here so far, over all boots: their numbers are never used again.
    opened: u32,
    port_draws: u64,
    /// Flows of datagrams by source port and receiver. They outlive sockets, so that no packet's number comes twice.
    pub(crate) datagram_flows: BTreeMap<(u16, NodeId), Flow>,
    pub(crate) unix_names: Names,
}

/// Whether something sent to one of two bound addresses could be meant for the other.
fn overlap(one: Ipv4Addr, other: Ipv4Addr) -> bool {
    one.is_unspecified() || other.is_unspecified() || one == other
}

impl Host {
    pub(crate) fn new(kernel: &Kernel, node: NodeId) -> Self {
        let name = Arc::clone(kernel.node(node).name());
        let site = Site::named(&name);
        Self {
            node,
            name,
            site,
            powered: true,
            sockets: Sockets::default(),
            connections: BTreeMap::new(),
            listeners: Bound::new(),
            datagrams: Bound::new(),
            ports: BTreeMap::new(),
            time_wait: BTreeMap::new(),
            time_wait_order: VecDeque::new(),
            opened: 0,
            port_draws: 0,
            datagram_flows: BTreeMap::new(),
            unix_names: Names::default(),
        }
    }

    // ---- addresses and ports ------------------------------------------------------------------------------------

    /// The address that a socket may be bound to, if it is this host's.
    pub(crate) fn own_address(&self, ip: Ipv4Addr) -> Result<Ipv4Addr, Cause> {
        if ip.is_unspecified() || ip.is_loopback() || ip == ip_of(self.node) {
            Ok(ip)
        } else {
            Err(Cause::AddressNotAvailable)
        }
    }

    /// The node at `ip` as seen from here, the address by which it is reached, and the address from which this host
    /// speaks to it.
    pub(crate) fn route(&self, kernel: &Kernel, ip: Ipv4Addr) -> Result<(NodeId, Ipv4Addr, Ipv4Addr), Cause> {
        if ip.is_unspecified() {
            return Ok((self.node, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST));
        }
        if ip.is_loopback() {
            return Ok((self.node, ip, Ipv4Addr::LOCALHOST));
        }
        if ip.is_broadcast() {
            return Err(Cause::AccessDenied);
        }
        let node = node_of(ip).ok_or(Cause::NetworkUnreachable)?;
        if node.index() >= kernel.nodes().len() {
            return Err(Cause::HostUnreachable);
        }
        Ok((node, ip, ip_of(self.node)))
    }

    /// A free ephemeral port: a keyed draw, then upwards.
    pub(crate) fn ephemeral_port(&mut self, kernel: &Kernel, tcp: bool) -> Result<u16, Cause> {
        self.forget_time_wait(kernel.now());
        let draw = kernel.decisions().range(PORT, self.site, self.port_draws, 0, u64::from(EPHEMERAL_COUNT) - 1);
        self.port_draws += 1;
        let ports = (0..EPHEMERAL_COUNT).map(|i| EPHEMERAL_FIRST + (draw as u16 + i) % EPHEMERAL_COUNT);
        let used = |port: &u16| match tcp {
            true => self.ports.contains_key(port) || self.listeners.contains_key(port),
            false => self.datagrams.contains_key(port),
        };
        ports.into_iter().find(|port| !used(port)).ok_or(Cause::AddressNotAvailable)
    }

    /// An ephemeral port for a connection to `remote`: one that nobody uses, or at least not towards there
    /// (`__inet_hash_connect`).
    fn port_towards(&mut self, kernel: &Kernel, own: Ipv4Addr, remote: SocketAddrV4) -> Result<u16, Cause> {
        let first = self.port_draws;
        if let Ok(port) = self.ephemeral_port(kernel, true) {
            return Ok(port);
        }
        let draw = kernel.decisions().range(PORT, self.site, first, 0, u64::from(EPHEMERAL_COUNT) - 1);
        let ports = (0..EPHEMERAL_COUNT).map(|i| EPHEMERAL_FIRST + (draw as u16 + i) % EPHEMERAL_COUNT);
        let free = |port: &u16| {
            let key = Key { local: SocketAddrV4::new(own, *port), remote };
            !self.listeners.contains_key(port)
                && !self.connections.contains_key(&key)
                && !self.time_wait.contains_key(&key)
        };
        ports.into_iter().find(free).ok_or(Cause::AddressNotAvailable)
    }

    pub(crate) fn conflicts(bound: &Bound, address: SocketAddrV4) -> bool {
        bound.get(&address.port()).into_iter().flatten().any(|(ip, _)| overlap(*ip, *address.ip()))
    }

    /// The socket of `bound` that takes what is sent to `address`: one that names the address before a wildcard.
    pub(crate) fn bound_to(bound: &Bound, address: SocketAddrV4) -> Option<SocketRef> {
        let here = bound.get(&address.port())?;
        let exact = here.iter().find(|(ip, _)| ip == address.ip());
        exact.or_else(|| here.iter().find(|(ip, _)| ip.is_unspecified())).map(|&(_, at)| at)
    }

    pub(crate) fn unbind(bound: &mut Bound, address: SocketAddrV4, at: SocketRef) {
        if let Some(here) = bound.get_mut(&address.port()) {
            here.retain(|&(_, other)| other != at);
            if here.is_empty() {
                bound.remove(&address.port());
            }
        }
    }

    // ---- TCP ----------------------------------------------------------------------------------------------------

    /// Binds a TCP socket that does not listen yet. Port 0 asks for an ephemeral one.
    pub(crate) fn bind(
        &mut self,
        kernel: &Kernel,
        local: SocketAddrV4,
        shown: SocketAddr,
        reuse: Reuse,
    ) -> Result<SocketRef, Cause> {
        self.own_address(*local.ip())?;
        let port = match local.port() {
            0 => self.ephemeral_port(kernel, true).map_err(|_| Cause::AddressInUse)?,
            port => port,
        };
        let local = SocketAddrV4::new(*local.ip(), port);
        self.forget_time_wait(kernel.now());
        let uses = self.ports.get(&port).copied().unwrap_or_default();
        let old = uses.all > 0 && !(reuse.address && uses.strict == 0 || reuse.port);
        if old || self.shares_badly(local, reuse) {
            return Err(Cause::AddressInUse);
        }
        let make = |_| Socket::Listener(Box::new(Listener::new(local, shown, reuse)));
        let at = self.sockets.insert(make).ok_or(Cause::AddressNotAvailable)?;
        self.listeners.entry(port).or_default().push((*local.ip(), at));
        Ok(at)
    }

    /// Whether some socket of the port does not share it with one like this (`inet_csk_bind_conflict`).
    fn shares_badly(&mut self, local: SocketAddrV4, reuse: Reuse) -> bool {
        let others = self.listeners.get(&local.port()).cloned().unwrap_or_default();
        others.into_iter().filter(|(ip, _)| overlap(*ip, *local.ip())).any(|(_, at)| {
            self.sockets.listener(at).is_none_or(|other| {
                let idle = reuse.address && other.reuse.address && !other.listening;
                !(idle || reuse.port && other.reuse.port)
            })
        })
    }

    /// Whether another socket listens where this one wants to, and the two do not share the port.
    pub(crate) fn is_listened_to(&mut self, at: SocketRef) -> bool {
        let Some(own) = self.sockets.listener(at) else { return false };
        let (local, shares) = (own.local, own.reuse.port);
        let others = self.listeners.get(&local.port()).cloned().unwrap_or_default();
        others
            .into_iter()
            .filter(|&(ip, other)| other != at && overlap(ip, *local.ip()))
            .any(|(_, other)| self.sockets.listener(other).is_some_and(|o| o.listening && !(shares && o.reuse.port)))
    }

    /// The socket that takes a connection to `local` from `remote`. Of several that share the port, the addresses choose
    /// one, as Linux does by a hash of the four.
    pub(crate) fn listener_for(&mut self, local: SocketAddrV4, remote: SocketAddrV4) -> Option<SocketRef> {
        let here = self.listeners.get(&local.port())?;
        if here.len() == 1 {
            return Self::bound_to(&self.listeners, local);
        }
        let on = |wanted: Ipv4Addr| here.iter().filter(move |(ip, _)| *ip == wanted).map(|&(_, at)| at);
        let mut fitting: Vec<SocketRef> = on(*local.ip()).collect();
        fitting.extend(on(Ipv4Addr::UNSPECIFIED).filter(|_| fitting.is_empty()).collect::<Vec<_>>());
        fitting.retain(|&at| self.sockets.listener(at).is_some_and(|l| l.listening));
        let key = u64::from(remote.ip().to_bits()) << 16 | u64::from(remote.port());
        let chosen = mix(u64::from(local.port()), key) % fitting.len().max(1) as u64;
        fitting.get(chosen as usize).copied()
    }

    /// Begins to connect; the SYN leaves when the poll ends.
    pub(crate) fn connect(
        &mut self,
        io: &mut Io<'_>,
        local: Option<SocketAddrV4>,
        remote: SocketAddrV4,
        form: Form,
        buffers: (usize, usize),
    ) -> Result<SocketRef, Cause> {
        let (peer, remote_ip, own_ip) = self.route(io.kernel, *remote.ip())?;
        let remote = SocketAddrV4::new(remote_ip, remote.port());
        let own_ip = match local.map(|l| *l.ip()).filter(|ip| !ip.is_unspecified()) {
            Some(ip) if ip.is_loopback() && peer != self.node => return Err(Cause::Invalid),
            Some(ip) => self.own_address(ip)?,
            None if remote_ip == ip_of(self.node) => remote_ip,
            None => own_ip,
        };
        let port = match local.map_or(0, |l| l.port()) {
            0 => self.port_towards(io.kernel, own_ip, remote)?,
            port => port,
        };
        let key = Key { local: SocketAddrV4::new(own_ip, port), remote };
        if self.connections.contains_key(&key) || self.time_wait(&key, io.kernel.now()).is_some() {
            return Err(Cause::AddressNotAvailable);
        }
        self.opened += 1;
        io.wire.counters.connections += 1;
        let number = self.opened;
        let flow = Flow::opener(io.kernel, self.node, peer, number);
        let at = self.add_connection(io.kernel, key, flow, number, buffers)?;
        if let Some(connection) = self.sockets.connection(at) {
            connection.form = form;
            connection.output_at_end_of_poll(io.kernel);
        }
        Ok(at)
    }

    pub(crate) fn add_connection(
        &mut self,
        kernel: &Kernel,
        key: Key,
        flow: Flow,
        number: u32,
        buffers: (usize, usize),
    ) -> Result<SocketRef, Cause> {
        // 48 bits: with 64-bit places the stream never wraps, and segments of an older connection fall outside it.
        let initial = kernel.decisions().bits(SEQUENCE, flow.site, 0) >> 16;
        let make = |me| Socket::Connection(Box::new(Connection::new(me, key, flow, number, initial, buffers)));
        let at = self.sockets.insert(make).ok_or(Cause::AddressNotAvailable)?;
        self.connections.insert(key, at);
        self.use_port(key.local.port());
        Ok(at)
    }

    /// Looks after a connection that something happened to: hands it to its listener when it has opened, removes it
    /// when it is over and nobody holds it.
    #[inline]
    pub(crate) fn settle(&mut self, io: &mut Io<'_>, at: SocketRef) {
        let Some(connection) = self.sockets.connection(at) else { return };
        if connection.listener.is_some() && connection.phase != Phase::SynReceived {
            self.hand_over(io, at);
        } else if connection.phase == Phase::Closed && !connection.held {
            self.remove_connection(io.kernel, at);
        }
    }

    #[cold]
    fn hand_over(&mut self, io: &mut Io<'_>, at: SocketRef) {
        let Some(connection) = self.sockets.connection(at) else { return };
        let opened = connection.held;
        let listener = connection.listener.take().and_then(|l| self.sockets.listener(l));
        match listener {
            Some(listener) => {
                listener.opening = listener.opening.saturating_sub(1);
                if opened {
                    listener.queue.push_back(at);
                    listener.waiters.wake(io.kernel);
                    return;
                }
            }
            // The listener has gone: whoever connected is told.
            None => {
                if let Some(connection) = self.sockets.connection(at) {
                    connection.held = false;
                    connection.abort(io);
                }
            }
        }
        self.remove_connection(io.kernel, at);
    }

    pub(crate) fn remove_connection(&mut self, kernel: &mut Kernel, at: SocketRef) {
        let Some(Socket::Connection(mut connection)) = self.sockets.remove(at) else { return };
        connection.readers.discard(kernel);
        connection.writers.discard(kernel);
        let key = connection.key;
        if self.connections.get(&key) == Some(&at) {
            self.connections.remove(&key);
        }
        if connection.closed_first && connection.is_finished() {
            let until = kernel.now().after_nanos(TIME_WAIT_NS);
            let (seq, ack) = (connection.tx.next, connection.rx.next);
            let entry = TimeWait { seq, ack, number: connection.number, reuse: connection.reuse };
            if self.time_wait.insert(key, entry).is_none() {
                self.time_wait_order.push_back((until, key));
                return;
            }
        }
        self.free_port(key.local.port(), connection.reuse);
    }

    /// What is left of a connection, if it is in TIME_WAIT now.
    pub(crate) fn time_wait(&mut self, key: &Key, now: VirtualTime) -> Option<TimeWait> {
        if self.time_wait.is_empty() {
            return None;
        }
        self.forget_time_wait(now);
        self.time_wait.get(key).copied()
    }

    /// Ends TIME_WAIT early: the peer opens a new connection from the same port.
    pub(crate) fn end_time_wait(&mut self, key: &Key) {
        if let Some(was) = self.time_wait.remove(key) {
            self.time_wait_order.retain(|(_, other)| other != key);
            self.free_port(key.local.port(), was.reuse);
        }
    }

    fn forget_time_wait(&mut self, now: VirtualTime) {
        while let Some(&(until, key)) = self.time_wait_order.front()
            && until <= now
        {
            self.time_wait_order.pop_front();
            if let Some(was) = self.time_wait.remove(&key) {
                self.free_port(key.local.port(), was.reuse);
            }
        }
    }

    /// The program closes a listener: its port is free at once, and connections that nobody accepted are reset when the
    /// poll ends.
    pub(crate) fn drop_listener(&mut self, io: &mut Io<'_>, at: SocketRef) {
        let Some(listener) = self.sockets.listener(at) else { return };
        let (local, none_waits) = (listener.local, listener.queue.is_empty());
        Self::unbind(&mut self.listeners, local, at);
        if none_waits {
            self.close_listener(io, at);
        } else {
            io.kernel.effect(WorldId::NET, OUTPUT, at.to_bits(), self.node.index() as u64);
        }
    }

    /// Closes a listener: connections that nobody accepted are reset.
    pub(crate) fn close_listener(&mut self, io: &mut Io<'_>, at: SocketRef) {
        if self.sockets.listener(at).is_none() {
            return;
        }
        let Some(Socket::Listener(mut listener)) = self.sockets.remove(at) else { return };
        Self::unbind(&mut self.listeners, listener.local, at);
        listener.waiters.discard(io.kernel);
        for child in listener.queue {
            if let Some(connection) = self.sockets.connection(child) {
                connection.held = false;
                connection.abort(io);
                self.remove_connection(io.kernel, child);
            }
        }
    }

    /// The node's process is gone: its kernel closes what it held.
    pub(crate) fn on_process_end(&mut self, io: &mut Io<'_>, how: Down) {
        let all = self.sockets.all();
        for &at in &all {
            // Listeners first: what nobody accepted is reset, not closed.
            self.close_listener(io, at);
        }
        for at in all {
            match self.sockets.get_mut(at) {
                Some(Socket::Connection(connection)) => {
                    connection.readers.discard(io.kernel);
                    connection.writers.discard(io.kernel);
                    if how == Down::Exit {
                        // The last poll is over: all that it wrote was written.
                        connection.tx.released = connection.tx.written();
                    } else {
                        // What the last poll wrote was stamped after its end.
                        connection.tx.truncate_unreleased();
                    }
                    // One that the voided last poll dropped was not closed yet either.
                    if connection.listener.is_none() && (connection.held || connection.tx.fin.is_none()) {
                        connection.release(io);
                    }
                    self.settle(io, at);
                }
                Some(Socket::Datagrams(_)) => {
                    if how == Down::Exit {
                        self.send_datagrams(io, at);
                    }
                    self.close_datagrams(io.kernel, at);
                }
                // Both ends are the process's own: there is nobody left to tell.
                Some(Socket::UnixStream(_) | Socket::UnixListener(_) | Socket::UnixDatagram(_)) => {
                    self.remove_unix(io.kernel, at);
                }
                Some(Socket::Listener(_)) | None => {}
            }
        }
    }

    /// What is held here; packets are counted elsewhere.
    pub(crate) fn residue(&self) -> Residue {
        let (sockets, slots) = self.sockets.counts();
        let (connections, time_wait, ports) = (self.connections.len(), self.time_wait.len(), self.ports.len());
        Residue { sockets, slots, connections, time_wait, ports, ..Residue::default() }
    }

    /// The machine has lost power: everything is gone, and nobody is told.
    pub(crate) fn on_power_loss(&mut self, kernel: &mut Kernel) {
        self.powered = false;
        for at in self.sockets.all() {
            self.remove_unix(kernel, at);
            match self.sockets.remove(at) {
                Some(Socket::Connection(mut connection)) => {
                    connection.readers.discard(kernel);
                    connection.writers.discard(kernel);
                }
                Some(Socket::Listener(mut listener)) => listener.waiters.discard(kernel),
                Some(Socket::Datagrams(mut socket)) => {
                    socket.readers.discard(kernel);
                    socket.writers.discard(kernel);
                }
                Some(Socket::UnixStream(_) | Socket::UnixListener(_) | Socket::UnixDatagram(_)) | None => {}
            }
        }
        self.unix_names.clear();
        self.connections.clear();
        self.listeners.clear();
        self.datagrams.clear();
        self.ports.clear();
        self.time_wait.clear();
        self.time_wait_order.clear();
    }
}
