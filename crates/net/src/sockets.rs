//! The sockets of one host, in slots that are handed out in an order of the host's own.

use crate::packet::SocketRef;
use crate::tcp::connection::Connection;
use crate::tcp::listener::Listener;
use crate::udp::socket::Datagrams;
use crate::unix::Listening;
use crate::unix::datagram::Mailbox;
use crate::unix::stream::End;

#[derive(Debug)]
pub(crate) enum Socket {
    Connection(Box<Connection>),
    Listener(Box<Listener>),
    Datagrams(Box<Datagrams>),
    UnixStream(Box<End>),
    UnixListener(Box<Listening>),
    UnixDatagram(Box<Mailbox>),
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    socket: Option<Socket>,
}

#[derive(Debug, Default)]
pub(crate) struct Sockets {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// Bits of a slot's number in the name of a socket; more sockets are refused.
const SLOT_BITS: u32 = 20;

impl Sockets {
    /// The reference that the next socket will have.
    fn next(&self) -> SocketRef {
        match self.free.last() {
            Some(&slot) => SocketRef { slot, generation: self.slots[slot as usize].generation },
            None => SocketRef { slot: self.slots.len() as u32, generation: 0 },
        }
    }

    /// Adds the socket that `make` makes for its own reference. `None` when the host has too many.
    pub(crate) fn insert(&mut self, make: impl FnOnce(SocketRef) -> Socket) -> Option<SocketRef> {
        let place = self.next();
        if place.slot >= 1 << SLOT_BITS {
            return None;
        }
        let socket = Some(make(place));
        if self.free.pop().is_some() {
            self.slots[place.slot as usize].socket = socket;
        } else {
            self.slots.push(Slot { generation: 0, socket });
        }
        Some(place)
    }

    #[inline]
    pub(crate) fn get(&self, at: SocketRef) -> Option<&Socket> {
        self.slots.get(at.slot as usize).filter(|s| s.generation == at.generation)?.socket.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: SocketRef) -> Option<&mut Socket> {
        self.slots.get_mut(at.slot as usize).filter(|s| s.generation == at.generation)?.socket.as_mut()
    }

    #[inline]
    pub(crate) fn connection(&mut self, at: SocketRef) -> Option<&mut Connection> {
        match self.get_mut(at)? {
            Socket::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    pub(crate) fn listener(&mut self, at: SocketRef) -> Option<&mut Listener> {
        match self.get_mut(at)? {
            Socket::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    pub(crate) fn datagrams(&mut self, at: SocketRef) -> Option<&mut Datagrams> {
        match self.get_mut(at)? {
            Socket::Datagrams(datagrams) => Some(datagrams),
            _ => None,
        }
    }

    pub(crate) fn unix_listener(&mut self, at: SocketRef) -> Option<&mut Listening> {
        match self.get_mut(at)? {
            Socket::UnixListener(listening) => Some(listening),
            _ => None,
        }
    }

    pub(crate) fn mailbox(&mut self, at: SocketRef) -> Option<&mut Mailbox> {
        match self.get_mut(at)? {
            Socket::UnixDatagram(mailbox) => Some(mailbox),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, at: SocketRef) -> Option<Socket> {
        let slot = self.slots.get_mut(at.slot as usize).filter(|s| s.generation == at.generation)?;
        let socket = slot.socket.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(at.slot);
        Some(socket)
    }

    /// Sockets, and slots for them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.slots.len() - self.free.len(), self.slots.len())
    }

    /// Every socket, in order of slots.
    pub(crate) fn all(&self) -> Vec<SocketRef> {
        let slots = self.slots.iter().enumerate().filter(|(_, s)| s.socket.is_some());
        slots.map(|(i, s)| SocketRef { slot: i as u32, generation: s.generation }).collect()
    }
}
