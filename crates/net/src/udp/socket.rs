//! A UDP socket's state, and what its host does with datagrams.

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV4};

use stormglass_kernel::{Kernel, NodeId, WorldId};

use super::multicast::Multicast;
use crate::address::ip_of;
use crate::error::Cause;
use crate::flow::Flow;
use crate::host::Host;
use crate::link::DropReason;
use crate::packet::{Body, Packet, SocketRef};
use crate::sockets::Socket;
use crate::tcp::connection::Io;
use crate::traffic::Traffic;
use crate::waiters::Waiters;
use crate::wire::OUTPUT;

/// The largest payload of a datagram: 65,535 less the headers of IPv4 and UDP.
pub(crate) const DATAGRAM_MAX: usize = 65_507;
/// `net.core.rmem_default` and `wmem_default` of Linux.
const BUFFER_BYTES: usize = 212_992;
/// What Linux charges a queue for each datagram beside its bytes; about.
const DATAGRAM_OVERHEAD: usize = 512;

#[derive(Debug)]
pub(crate) struct Datagrams {
    pub(crate) me: SocketRef,
    pub(crate) local: SocketAddrV4,
    pub(crate) shown: SocketAddr,
    pub(crate) connected: Option<SocketAddrV4>,
    pub(crate) queue: VecDeque<(SocketAddrV4, Vec<u8>)>,
    queued: usize,
    outgoing: VecDeque<(SocketAddrV4, Vec<u8>)>,
    pub(crate) leaving: usize,
    pub(crate) error: Option<Cause>,
    pub(crate) readers: Waiters,
    pub(crate) writers: Waiters,
    output_due: bool,
    /// The program has closed it; what it sent before is still to leave.
    closed: bool,
    pub(crate) broadcast: bool,
    pub(crate) ttl: u32,
    pub(crate) multicast: Multicast,
    pub(crate) traffic: Traffic,
}

impl Datagrams {
    pub(crate) fn has_room(&self) -> bool {
        self.leaving < BUFFER_BYTES
    }

    /// Lets a datagram leave at the end of the poll.
    pub(crate) fn send(&mut self, kernel: &mut Kernel, node: u64, to: SocketAddrV4, payload: Vec<u8>) {
        self.leaving += payload.len() + DATAGRAM_OVERHEAD;
        self.outgoing.push_back((to, payload));
        if !self.output_due {
            self.output_due = true;
            kernel.effect(WorldId::NET, OUTPUT, self.me.to_bits(), node);
        }
    }

    /// Takes the oldest datagram.
    pub(crate) fn receive(&mut self) -> Option<(SocketAddrV4, Vec<u8>)> {
        let (from, payload) = self.queue.pop_front()?;
        self.queued -= payload.len() + DATAGRAM_OVERHEAD;
        Some((from, payload))
    }
}

impl Host {
    /// Binds a UDP socket. Port 0 asks for an ephemeral one.
    pub(crate) fn bind_datagrams(
        &mut self,
        kernel: &Kernel,
        local: SocketAddrV4,
        shown: SocketAddr,
    ) -> Result<SocketRef, Cause> {
        if !local.ip().is_multicast() {
            self.own_address(*local.ip())?;
        }
        let port = if local.port() == 0 {
            self.ephemeral_port(kernel, false).map_err(|_| Cause::AddressInUse)?
        } else {
            local.port()
        };
        let local = SocketAddrV4::new(*local.ip(), port);
        if Self::conflicts(&self.datagrams, local) {
            return Err(Cause::AddressInUse);
        }
        let make = |me| {
            Socket::Datagrams(Box::new(Datagrams {
                me,
                local,
                shown: SocketAddr::new(shown.ip(), port),
                connected: None,
                queue: VecDeque::new(),
                queued: 0,
                outgoing: VecDeque::new(),
                leaving: 0,
                error: None,
                readers: Waiters::default(),
                writers: Waiters::default(),
                output_due: false,
                closed: false,
                broadcast: false,
                ttl: 64,
                multicast: Multicast::default(),
                traffic: Traffic::new(shown.is_ipv6(), false),
            }))
        };
        let at = self.sockets.insert(make).ok_or(Cause::AddressNotAvailable)?;
        self.datagrams.entry(port).or_default().push((*local.ip(), at));
        Ok(at)
    }

    /// Datagrams of a poll leave.
    pub(crate) fn send_datagrams(&mut self, io: &mut Io<'_>, at: SocketRef) {
        let Some(socket) = self.sockets.datagrams(at) else { return };
        socket.output_due = false;
        socket.leaving = 0;
        let outgoing = std::mem::take(&mut socket.outgoing);
        let local = socket.local;
        let multicast = (socket.multicast.heard_here, socket.multicast.ttl > 0);
        socket.writers.wake(io.kernel);
        for (to, payload) in outgoing {
            if to.ip().is_multicast() {
                self.send_to_group(io, local, to, multicast, &payload);
            } else if let Ok((node, ip, own_ip)) = self.route(io.kernel, *to.ip()) {
                let own_ip = if local.ip().is_unspecified() { own_ip } else { *local.ip() };
                self.send_datagram(
                    io,
                    SocketAddrV4::new(own_ip, local.port()),
                    SocketAddrV4::new(ip, to.port()),
                    node,
                    payload,
                );
            }
        }
        if self.sockets.datagrams(at).is_some_and(|s| s.closed) {
            self.close_datagrams(io.kernel, at);
        }
    }

    /// To every host whose members may hear it, in the order of the nodes.
    fn send_to_group(
        &mut self,
        io: &mut Io<'_>,
        local: SocketAddrV4,
        group: SocketAddrV4,
        (here, elsewhere): (bool, bool),
        payload: &[u8],
    ) {
        let own = if local.ip().is_unspecified() || local.ip().is_multicast() { ip_of(self.node) } else { *local.ip() };
        let source = SocketAddrV4::new(own, local.port());
        // What is bound to the loopback leaves by it.
        let elsewhere = elsewhere && !own.is_loopback();
        let nodes: Vec<NodeId> = io.kernel.nodes().iter().map(stormglass_kernel::Node::id).collect();
        let own_node = self.node;
        for node in nodes.into_iter().filter(|node| if *node == own_node { here } else { elsewhere }) {
            let mut copy = io.wire.packets.buffer();
            copy.extend_from_slice(payload);
            self.send_datagram(io, source, group, node, copy);
        }
    }

    fn send_datagram(
        &mut self,
        io: &mut Io<'_>,
        source: SocketAddrV4,
        destination: SocketAddrV4,
        node: NodeId,
        payload: Vec<u8>,
    ) {
        let key = (source.port(), node);
        let flow = match self.datagram_flows.get_mut(&key) {
            Some(flow) => flow,
            None => {
                let flow = Flow::datagrams(io.kernel, self.node, source.port(), node);
                self.datagram_flows.entry(key).or_insert(flow)
            }
        };
        io.wire.send(io.kernel, flow, source, destination, Body::Datagram, payload);
    }

    /// The program closes a socket: its port is free at once, and what it sent leaves when the poll ends.
    pub(crate) fn drop_datagrams(&mut self, kernel: &mut Kernel, at: SocketRef) {
        let Some(socket) = self.sockets.datagrams(at) else { return };
        socket.closed = true;
        let (local, wait) = (socket.local, socket.output_due);
        Self::unbind(&mut self.datagrams, local, at);
        if !wait {
            self.close_datagrams(kernel, at);
        }
    }

    /// Takes a datagram.
    pub(crate) fn on_datagram(&mut self, io: &mut Io<'_>, packet: Packet) {
        let group = *packet.destination.ip();
        let found = Self::bound_to(&self.datagrams, packet.destination);
        let socket = found.and_then(|at| self.sockets.datagrams(at));
        if group.is_multicast() && !socket.as_ref().is_some_and(|s| s.multicast.groups.contains(&group)) {
            // Nobody here has joined: a group is asked for by no one port, and nobody is told.
            return io.wire.packets.recycle(packet.payload);
        }
        // A connected socket is deaf to others: for them nobody is there.
        let Some(socket) = socket.filter(|s| s.connected.is_none_or(|peer| peer == packet.source)) else {
            return self.answer(io, &packet, Body::PortUnreachable);
        };
        let cost = packet.payload.len() + DATAGRAM_OVERHEAD;
        if socket.queued + cost > BUFFER_BYTES {
            io.wire.counters.datagrams_overflowed += 1;
            return io.wire.drop(io.kernel, packet, DropReason::Overflow);
        }
        io.wire.counters.datagrams_delivered += 1;
        socket.queued += cost;
        socket.queue.push_back((packet.source, packet.payload));
        socket.readers.wake(io.kernel);
    }

    /// Takes the news that nobody listens where a datagram went. Only a connected socket is told.
    pub(crate) fn on_port_unreachable(&mut self, io: &mut Io<'_>, packet: &Packet) {
        let found = Self::bound_to(&self.datagrams, packet.destination);
        let socket = found.and_then(|at| self.sockets.datagrams(at));
        if let Some(socket) = socket.filter(|s| s.connected == Some(packet.source)) {
            socket.error = Some(Cause::Refused);
            socket.readers.wake(io.kernel);
            socket.writers.wake(io.kernel);
        }
    }

    pub(crate) fn close_datagrams(&mut self, kernel: &mut Kernel, at: SocketRef) {
        let Some(Socket::Datagrams(mut socket)) = self.sockets.remove(at) else { return };
        Self::unbind(&mut self.datagrams, socket.local, at);
        socket.readers.discard(kernel);
        socket.writers.discard(kernel);
    }
}
