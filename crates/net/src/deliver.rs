//! What a host does with a packet that reaches it: finds the socket, or answers for the one that is not there.

use crate::address::Form;
use crate::flow::Flow;
use crate::host::Host;
use crate::packet::{Body, Flags, Packet, Segment, SocketRef};
use crate::tcp::connection::{Connection, Io, Key, Phase};
use crate::wire::refusal;

impl Host {
    /// Takes a TCP segment.
    #[inline]
    pub(crate) fn on_segment(&mut self, io: &mut Io<'_>, packet: &Packet, segment: &Segment) {
        let key = Key { local: packet.destination, remote: packet.source };
        // The sender's idea of the socket saves a search.
        let at = match self.sockets.connection(segment.receiver) {
            Some(connection) if connection.key == key => segment.receiver,
            _ => self.connections.get(&key).copied().unwrap_or(SocketRef::NONE),
        };
        match self.sockets.connection(at) {
            Some(connection) if Self::takes(connection, segment) => {
                connection.on_segment(io, segment, &packet.payload);
                self.settle(io, at);
            }
            _ => self.on_stray_segment(io, packet, segment, key),
        }
    }

    /// Whether a connection is still there for the network. One that a reset ended is not, although its program may
    /// not have noticed yet; nor is one in TIME_WAIT for a peer that opens anew.
    #[inline]
    fn takes(connection: &Connection, segment: &Segment) -> bool {
        connection.phase != Phase::Closed || connection.is_finished() && !segment.flags.has(Flags::SYN)
    }

    #[cold]
    fn on_stray_segment(&mut self, io: &mut Io<'_>, packet: &Packet, segment: &Segment, key: Key) {
        let flags = segment.flags;
        if flags.has(Flags::RST) {
            return;
        }
        let opening = flags.has(Flags::SYN) && !flags.has(Flags::ACK);
        if let Some(left) = self.time_wait(&key, io.kernel.now()) {
            if !opening {
                let occupies = !packet.payload.is_empty() || flags.has(Flags::FIN.and(Flags::SYN));
                if occupies {
                    let answer = Segment {
                        flags: Flags::ACK,
                        seq: left.seq,
                        ack: left.ack,
                        number: left.number,
                        ..Segment::answer_to(segment)
                    };
                    self.answer(io, packet, Body::Segment(answer));
                }
                return;
            }
            self.end_time_wait(&key);
        }
        if opening && let Some(listener) = self.listener_for(key.local, key.remote) {
            let found = self.sockets.listener(listener).filter(|l| l.listening);
            if let Some(found) = found {
                // A full backlog drops the SYN: the peer will try again.
                if found.has_room() {
                    found.opening += 1;
                    self.on_syn(io, packet, segment, key, listener);
                }
                return;
            }
        }
        if let Some(reset) = refusal(packet) {
            self.answer(io, packet, reset);
        }
    }

    /// Sends an answer that belongs to no socket.
    pub(crate) fn answer(&self, io: &mut Io<'_>, to: &Packet, body: Body) {
        let flow = Flow::answer(self.node, to.from, to.site, to.ordinal);
        let mut flow = if to.copy { flow.of_copy() } else { flow };
        io.wire.send(io.kernel, &mut flow, to.destination, to.source, body, Vec::new());
    }

    fn on_syn(&mut self, io: &mut Io<'_>, packet: &Packet, segment: &Segment, key: Key, listener: SocketRef) {
        let flow = Flow::acceptor(io.kernel, packet.from, self.node, segment.number);
        let flow = if packet.copy { flow.of_copy() } else { flow };
        let Some(heard) = self.sockets.listener(listener) else { return };
        let form = Form::at(heard.shown, segment.flags.has(Flags::V6));
        let (options, buffers) = (heard.options, heard.buffers.or(io.wire.buffers));
        let reuse = heard.reuse.address;
        let Ok(at) = self.add_connection(io.kernel, key, flow, segment.number, buffers) else { return };
        self.set_reuse(at, reuse);
        let Some(connection) = self.sockets.connection(at) else { return };
        connection.phase = Phase::SynReceived;
        connection.options = options;
        connection.form = form;
        connection.listener = Some(listener);
        connection.peer = segment.sender;
        connection.rx.begin(segment.seq);
        connection.tx.window_end = connection.tx.una + 1 + u64::from(segment.window);
        connection.send_syn(io, Flags::SYN.and(Flags::ACK));
        connection.set_retransmit(io);
        connection.arm(io.kernel);
    }
}
