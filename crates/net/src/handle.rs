//! What a program holds of a socket: numbers, so that it is `Send` and `Sync` without a lock.
//!
//! A handle knows its simulation, its node and the tenant of its slot. When any of them is gone, dropping it does
//! nothing and using it gives an error that says which.

use std::io;

use stormglass_kernel::{NodeId, Universe, Wait, try_with};

use crate::error::stale;
use crate::host::Host;
use crate::net::{Net, resource_id};
use crate::packet::SocketRef;
use crate::tcp::connection::Io;

/// Where the descriptors of simulated sockets begin: far above any that an operating system hands out.
pub const DESCRIPTORS: i32 = 1 << 30;

/// `errno(3)`: too many open files.
const EMFILE: i32 = 24;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Handle {
    universe: u32,
    pub(crate) node: NodeId,
    pub(crate) at: SocketRef,
}

/// Runs `f` on the current node's host.
pub(crate) fn here<R>(what: &str, f: impl FnOnce(&mut Host, &mut Io<'_>) -> io::Result<R>) -> io::Result<R> {
    try_with(|u| {
        let node = u.kernel.current_node();
        let Some((net, kernel)) = u.get::<Net>() else { return Err(stale(what, "this simulation has no network")) };
        if !kernel.is_effective() {
            return Err(stale(what, "its node is going down"));
        }
        let (host, mut io) = net.host(kernel, node);
        f(host, &mut io)
    })
    .unwrap_or_else(|| Err(stale(what, "no simulation is current on this thread")))
}

/// Whether the process may open one more socket.
///
/// # Errors
/// `EMFILE`.
pub(crate) fn has_descriptor(host: &Host, io: &mut Io<'_>) -> io::Result<()> {
    if io.kernel.has_descriptor(host.node) { Ok(()) } else { Err(io::Error::from_raw_os_error(EMFILE)) }
}

impl Handle {
    /// Makes a socket on the current node and the handle to it.
    pub(crate) fn create(
        what: &str,
        f: impl FnOnce(&mut Host, &mut Io<'_>) -> io::Result<SocketRef>,
    ) -> io::Result<Self> {
        let (node, at) = here(what, |host, io| {
            has_descriptor(host, io)?;
            let at = f(host, io)?;
            io.kernel.take_descriptor(host.node);
            Ok((host.node, at))
        })?;
        let universe = try_with(|u| u.generation()).unwrap_or(0);
        Ok(Self { universe, node, at })
    }

    /// The number that stands for a file descriptor.
    pub(crate) fn descriptor(self) -> i32 {
        DESCRIPTORS + 1 + (self.at.slot & 0xff_ffff) as i32
    }

    /// A handle to another socket of the same node.
    pub(crate) fn sibling(self, at: SocketRef) -> Self {
        Self { at, ..self }
    }

    /// Runs `f` on the socket's host. `f` gives `None` when the socket is not there.
    #[inline]
    pub(crate) fn with<R>(self, what: &str, f: impl FnOnce(&mut Host, &mut Io<'_>) -> Option<R>) -> io::Result<R> {
        match try_with(|u| self.on(u, f)) {
            Some(Some(result)) => Ok(result),
            gone => Err(self.gone(what, gone.is_none())),
        }
    }

    #[inline]
    fn on<R>(self, u: &mut Universe, f: impl FnOnce(&mut Host, &mut Io<'_>) -> Option<R>) -> Option<R> {
        if u.generation() != self.universe {
            return None;
        }
        let (net, kernel) = u.get::<Net>()?;
        if !kernel.is_effective() {
            return None;
        }
        let (host, mut io) = net.host(kernel, self.node);
        f(host, &mut io)
    }

    #[cold]
    fn gone(self, what: &str, outside: bool) -> io::Error {
        let why = try_with(|u| {
            if u.generation() != self.universe {
                return "it belongs to another simulation".to_owned();
            }
            let node = u.kernel.node(self.node);
            format!("its node {} has gone down since it was made", node.name())
        });
        match why {
            Some(why) if !outside => stale(what, &why),
            _ => stale(what, "it is used outside its simulation"),
        }
    }

    /// Notes that the current task waits for this socket.
    #[inline]
    pub(crate) fn note_wait(self, io: &mut Io<'_>, what: &'static str) {
        io.kernel.note_wait(Wait::Resource { what, id: resource_id(self.node, self.at) });
    }
}
