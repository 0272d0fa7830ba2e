//! Which connections use a local port of a host, and whether they let others bind it.

use crate::host::Host;
use crate::packet::SocketRef;

/// How many connections use a port, and how many of those let nobody else bind it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PortUses {
    pub(crate) all: u32,
    pub(crate) strict: u32,
}

impl Host {
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
