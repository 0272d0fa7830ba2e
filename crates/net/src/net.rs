//! The network as a world of the simulation: hosts, the wire between them, and what scenarios may change.

use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use stormglass_kernel::{Down, Kernel, NodeId, Subsystem, Typed, WorldEvent, WorldId};

use crate::capture::Capture;
use crate::counter::Counters;
use crate::dns::{Dns, Hit, LookupError};
use crate::host::Host;
use crate::link::{DropReason, LinkOptions};
use crate::lost::Loss;
use crate::packet::{Body, SocketRef};
use crate::ports::PortRange;
use crate::rule::{Pair, Rules};
use crate::sockets::Socket;
use crate::tcp::connection::Io;
use crate::wire::{ARRIVE, Arrived, OUTPUT, TIMER, Wire, refusal};

/// How a network is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetOptions {
    /// Every link that has no options of its own.
    pub links: LinkOptions,
    /// Bytes that a TCP socket's program may have written and the peer not yet acknowledged.
    pub send_buffer: usize,
    /// Bytes that may wait in a TCP socket for its program: the largest window.
    pub receive_buffer: usize,
}

impl Default for NetOptions {
    /// Ordinary links, 256 KiB to send, 128 KiB to receive (Linux's `tcp_rmem` default).
    fn default() -> Self {
        Self { links: LinkOptions::default(), send_buffer: 256 * 1024, receive_buffer: 128 * 1024 }
    }
}

/// The simulated network.
#[derive(Debug)]
pub struct Net {
    pub(crate) hosts: Vec<Host>,
    pub(crate) wire: Wire,
    /// There once somebody asks for it.
    dns: Option<Box<Dns>>,
    ephemeral: PortRange,
}

impl Default for Net {
    fn default() -> Self {
        Self::new(NetOptions::default())
    }
}

impl Net {
    /// A network without faults. Its hosts are the kernel's nodes.
    #[must_use]
    #[inline]
    pub fn new(options: NetOptions) -> Self {
        Self { hosts: Vec::new(), wire: Wire::new(options), dns: None, ephemeral: PortRange::default() }
    }

    /// The fault rules: cuts, latencies, losses, filters.
    pub fn rules(&mut self) -> &mut Rules {
        &mut self.wire.links.rules
    }

    /// Changes one link from now on; `None` makes it an ordinary one again. What is under way stays as it is.
    pub fn set_link(&mut self, pair: Pair, options: Option<LinkOptions>) {
        self.wire.links.set(pair, options);
    }

    /// Changes every link that has no options of its own, from now on.
    pub fn set_default_link(&mut self, options: LinkOptions) {
        self.wire.links.set_default(options);
    }

    /// What was lost for good, as far as it is remembered (the last 256), oldest first.
    pub fn losses(&self) -> impl DoubleEndedIterator<Item = &Loss> {
        self.wire.losses.iter()
    }

    /// Writes every packet that leaves a node from now on to `sink`, as a pcapng file. It does not influence the run.
    ///
    /// # Errors
    /// When the file's header cannot be written.
    pub fn capture(&mut self, sink: Box<dyn Write + Send>) -> io::Result<()> {
        self.wire.capture = Some(Box::new(Capture::new(sink)?));
        Ok(())
    }

    /// What kept the capture from being written whole, if anything did.
    #[must_use]
    pub fn capture_problem(&self) -> Option<String> {
        self.wire.capture.as_ref()?.problem().map(str::to_owned)
    }

    /// What happened so far.
    #[must_use]
    pub fn totals(&self) -> Counters {
        self.wire.counters
    }

    /// Faults of lookups.
    pub fn dns(&mut self) -> &mut Dns {
        self.dns.get_or_insert_default()
    }

    /// Which ports every host gives to sockets that ask for none of their own from now on: Linux's
    /// `net.ipv4.ip_local_port_range`, by default 32768 to 60999. Few of them run out soon.
    pub fn set_ephemeral_ports(&mut self, ports: &RangeInclusive<u16>) {
        self.ephemeral = PortRange::new(ports);
        for host in &mut self.hosts {
            host.ephemeral = self.ephemeral;
        }
    }

    /// The addresses of a name as the current node hears them: a number in text, `localhost`, or a node's name.
    ///
    /// # Errors
    /// There is no such name, or a fault says so.
    pub fn lookup(&mut self, kernel: &mut Kernel, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let (answer, hit) = self.dns().lookup(kernel, name);
        match hit {
            Hit::None => {}
            Hit::Failed => self.wire.counters.lookups_failed += 1,
            Hit::Stale => self.wire.counters.lookups_stale += 1,
        }
        answer
    }

    /// A host and what its sockets need to act.
    #[inline]
    pub(crate) fn host<'a>(&'a mut self, kernel: &'a mut Kernel, node: NodeId) -> (&'a mut Host, Io<'a>) {
        if self.hosts.len() <= node.index() {
            self.add_hosts(kernel);
        }
        (&mut self.hosts[node.index()], Io { kernel, wire: &mut self.wire })
    }

    #[cold]
    fn add_hosts(&mut self, kernel: &Kernel) {
        for node in &kernel.nodes()[self.hosts.len()..] {
            self.hosts.push(Host::new(kernel, node.id(), self.ephemeral));
        }
    }

    #[inline]
    fn on_arrival(&mut self, kernel: &mut Kernel, node: NodeId, slot: u32) {
        let arrived = self.wire.arrive(kernel, slot);
        let (host, mut io) = self.host(kernel, node);
        let packet = match arrived {
            Arrived::Packet(packet) => packet,
            Arrived::Refused(packet) => {
                if let Some(body) = refusal(&packet).filter(|_| host.powered) {
                    host.answer(&mut io, &packet, body);
                }
                return io.wire.drop(io.kernel, packet, DropReason::Rejected);
            }
            Arrived::Nothing => return,
        };
        if !host.powered {
            return io.wire.drop(io.kernel, packet, DropReason::NoMachine);
        }
        io.wire.delivered(io.kernel, &packet);
        match packet.body {
            Body::Segment(segment) => {
                io.wire.counters.segments_delivered += 1;
                host.on_segment(&mut io, &packet, &segment);
                io.wire.packets.recycle(packet.payload);
            }
            Body::Datagram => host.on_datagram(&mut io, packet),
            Body::PortUnreachable => host.on_port_unreachable(&mut io, &packet),
        }
    }

    fn on_output(&mut self, kernel: &mut Kernel, node: NodeId, at: SocketRef) {
        let (host, mut io) = self.host(kernel, node);
        match host.sockets.get_mut(at) {
            Some(Socket::Connection(connection)) => {
                connection.on_output(&mut io);
                host.settle(&mut io, at);
            }
            Some(Socket::Datagrams(_)) => host.send_datagrams(&mut io, at),
            // The program has dropped it.
            Some(Socket::Listener(_)) => host.close_listener(&mut io, at),
            Some(Socket::UnixStream(_) | Socket::UnixListener(_) | Socket::UnixDatagram(_)) | None => {}
        }
    }

    fn on_timer(&mut self, kernel: &mut Kernel, node: NodeId, at: SocketRef) {
        let (host, mut io) = self.host(kernel, node);
        if let Some(connection) = host.sockets.connection(at) {
            connection.on_timer(&mut io);
            host.settle(&mut io, at);
        }
    }
}

/// The name of a socket in lists of what tasks wait for.
pub(crate) fn resource_id(node: NodeId, at: SocketRef) -> u64 {
    (node.index() as u64) << 48 | u64::from(at.generation & 0xfff_ffff) << 20 | u64::from(at.slot & 0xf_ffff)
}

impl Typed for Net {
    const ID: WorldId = WorldId::NET;
}

impl Subsystem for Net {
    fn name(&self) -> &'static str {
        "net"
    }

    #[inline]
    fn on_event(&mut self, kernel: &mut Kernel, node: NodeId, event: WorldEvent) {
        match event.kind {
            ARRIVE => self.on_arrival(kernel, node, event.a as u32),
            OUTPUT => self.on_output(kernel, NodeId::from_index(event.b as u16), SocketRef::from_bits(event.a)),
            TIMER => self.on_timer(kernel, node, SocketRef::from_bits(event.a)),
            _ => {}
        }
    }

    fn on_down(&mut self, kernel: &mut Kernel, node: NodeId, how: Down) {
        // A host that nobody has asked for yet has nothing to lose but its power.
        if how != Down::PowerLoss && self.hosts.len() <= node.index() {
            return;
        }
        let (host, mut io) = self.host(kernel, node);
        match how {
            Down::PowerLoss => host.on_power_loss(io.kernel),
            Down::Exit | Down::Kill => host.on_process_end(&mut io, how),
        }
    }

    fn on_boot(&mut self, _: &mut Kernel, node: NodeId) {
        if let Some(host) = self.hosts.get_mut(node.index()) {
            host.powered = true;
        }
    }

    fn describe(&self, what: &'static str, id: u64) -> String {
        if !["tcp ", "udp ", "unix "].iter().any(|prefix| what.starts_with(prefix)) {
            return String::new();
        }
        let at = SocketRef { slot: (id & 0xf_ffff) as u32, generation: (id >> 20 & 0xfff_ffff) as u32 };
        let Some(host) = self.hosts.get((id >> 48) as usize) else { return what.to_owned() };
        match host.sockets.get(at) {
            Some(Socket::Connection(c)) => {
                let peer = self.hosts.get(c.flow.to.index()).map_or("?", |h| &*h.name);
                format!("{what} on {}:{} > {peer}:{}", host.name, c.key.local.port(), c.key.remote.port())
            }
            Some(Socket::Listener(l)) => format!("{what} on {}:{}", host.name, l.local.port()),
            Some(Socket::Datagrams(d)) => format!("{what} on {}:{}", host.name, d.local.port()),
            Some(Socket::UnixStream(end)) => format!("{what} on {}, {:?} > {:?}", host.name, end.local, end.remote),
            Some(Socket::UnixListener(l)) => format!("{what} on {}, {:?}", host.name, l.shown),
            Some(Socket::UnixDatagram(d)) => format!("{what} on {}, {:?}", host.name, d.local),
            None => format!("{what} on {}, of a socket that is closed", host.name),
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.wire.counters.list()
    }
}
