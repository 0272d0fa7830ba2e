//! A listening socket: connections that have opened and wait to be accepted.

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV4};

use super::options::{Reuse, SocketOptions};
use super::stream::Buffers;
use crate::packet::SocketRef;
use crate::waiters::Waiters;

#[derive(Debug)]
pub(crate) struct Listener {
    /// Where it listens; the address may be the wildcard.
    pub(crate) local: SocketAddrV4,
    /// The same as the program gave it.
    pub(crate) shown: SocketAddr,
    /// Connections that may wait, open and opening together.
    pub(crate) backlog: usize,
    /// False while the socket is only bound.
    pub(crate) listening: bool,
    pub(crate) opening: usize,
    pub(crate) queue: VecDeque<SocketRef>,
    pub(crate) waiters: Waiters,
    /// What accepted connections take over.
    pub(crate) options: SocketOptions,
    /// Bytes of their send and receive buffers; `None` is the network's ordinary size.
    pub(crate) buffers: Buffers,
    pub(crate) reuse: Reuse,
}

impl Listener {
    pub(crate) fn new(local: SocketAddrV4, shown: SocketAddr, reuse: Reuse) -> Self {
        Self {
            local,
            shown: SocketAddr::new(shown.ip(), local.port()),
            backlog: 0,
            listening: false,
            opening: 0,
            queue: VecDeque::new(),
            waiters: Waiters::default(),
            options: SocketOptions::default(),
            buffers: Buffers::default(),
            reuse,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        // Linux accepts one more than the backlog.
        self.queue.len() + self.opening <= self.backlog
    }
}
