//! `TcpSocket`: a TCP socket that is set up before it connects or listens.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use real_tokio::net as real;
use stormglass_net::Traffic;
use stormglass_net::tcp as sim;

use super::listener::{self, TcpListener};
use super::stream::{self, TcpStream};

/// A TCP socket that neither listens nor is connected yet.
pub struct TcpSocket(Inner);

enum Inner {
    Real(real::TcpSocket),
    Sim(Simulated),
}

/// Of a simulated socket there is only what it will be given.
struct Simulated {
    v6: bool,
    options: Mutex<Options>,
}

#[derive(Debug, Default)]
struct Options {
    bound: Option<sim::BoundSocket>,
    keepalive: bool,
    reuse_address: bool,
    reuse_port: bool,
    nodelay: bool,
    linger: Option<Duration>,
    send_buffer: Option<u32>,
    receive_buffer: Option<u32>,
    traffic: Traffic,
}

impl Options {
    /// What the connections of this socket get.
    fn given(&self) -> (sim::SocketOptions, sim::Buffers) {
        let keepalive = self.keepalive.then(sim::Keepalive::default);
        let (nodelay, linger) = (self.nodelay, self.linger);
        let size = |bytes: Option<u32>| bytes.map(|n| n as usize);
        let buffers = sim::Buffers { send: size(self.send_buffer), receive: size(self.receive_buffer) };
        (sim::SocketOptions { keepalive, nodelay, linger, ..Default::default() }, buffers)
    }
}

/// What Linux tells of buffers that nobody has set.
const SEND_BUFFER: u32 = 16 * 1024;
const RECEIVE_BUFFER: u32 = 128 * 1024;

impl Simulated {
    fn options(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(target_os = "linux")]
    #[expect(clippy::unnecessary_wraps, reason = "as that of a socket that may be gone")]
    fn traffic<R>(&self, f: impl FnOnce(&mut Traffic) -> R) -> io::Result<R> {
        Ok(f(&mut self.options().traffic))
    }

    /// A socket that is not made yet has a number all the same.
    fn descriptor(&self) -> i32 {
        stormglass_net::DESCRIPTORS
    }
}

/// A pair of methods that set and tell one option.
macro_rules! option {
    ($(#[$set_doc:meta])* $set:ident, $(#[$get_doc:meta])* $get:ident: $type:ty, $field:ident, $store:expr, $load:expr) => {
        $(#[$set_doc])*
        ///
        /// # Errors
        /// Those of the socket.
        pub fn $set(&self, value: $type) -> io::Result<()> {
            match &self.0 {
                #[allow(deprecated)]
                Inner::Real(socket) => socket.$set(value),
                Inner::Sim(socket) => {
                    socket.options().$field = $store(value);
                    Ok(())
                }
            }
        }

        $(#[$get_doc])*
        ///
        /// # Errors
        /// Those of the socket.
        pub fn $get(&self) -> io::Result<$type> {
            match &self.0 {
                Inner::Real(socket) => socket.$get(),
                Inner::Sim(socket) => Ok($load(socket.options().$field)),
            }
        }
    };
}

impl TcpSocket {
    fn simulated(v6: bool) -> Self {
        let traffic = Traffic::new(v6, true);
        Self(Inner::Sim(Simulated { v6, options: Mutex::new(Options { traffic, ..Options::default() }) }))
    }

    /// A socket for IPv4.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_v4() -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Ok(Self::simulated(false));
        }
        Ok(Self(Inner::Real(real::TcpSocket::new_v4()?)))
    }

    /// A socket for IPv6. A simulated one knows the loopback, the wildcard and mapped IPv4 addresses.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_v6() -> io::Result<Self> {
        if stormglass_kernel::is_current() {
            return Ok(Self::simulated(true));
        }
        Ok(Self(Inner::Real(real::TcpSocket::new_v6()?)))
    }

    option!(
        /// Sets whether an idle connection is probed: after two hours, nine times, 75 seconds apart.
        set_keepalive,
        /// Whether an idle connection is probed.
        keepalive: bool, keepalive, |v| v, |v| v
    );
    option!(
        /// Sets whether the port of old connections may be bound.
        set_reuseaddr,
        /// Whether an address in TIME_WAIT may be bound.
        reuseaddr: bool, reuse_address, |v| v, |v| v
    );
    #[cfg(unix)]
    option!(
        /// Sets whether several sockets may share a port.
        set_reuseport,
        /// Whether several sockets may share a port.
        reuseport: bool, reuse_port, |v| v, |v| v
    );
    option!(
        /// Sets the size of the send buffer, in bytes.
        set_send_buffer_size,
        /// The size of the send buffer, in bytes.
        send_buffer_size: u32, send_buffer, Some, |v: Option<u32>| v.unwrap_or(SEND_BUFFER)
    );
    option!(
        /// Sets the size of the receive buffer, in bytes.
        set_recv_buffer_size,
        /// The size of the receive buffer, in bytes.
        recv_buffer_size: u32, receive_buffer, Some, |v: Option<u32>| v.unwrap_or(RECEIVE_BUFFER)
    );
    option!(
        /// Sets how long closing waits for the peer; zero resets the connection.
        set_linger,
        /// How long closing waits for the peer.
        linger: Option<Duration>, linger, |v| v, |v| v
    );
    option!(
        /// Sets whether small segments leave at once.
        set_nodelay,
        /// Whether small segments leave at once.
        nodelay: bool, nodelay, |v| v, |v| v
    );

    /// Makes closing a reset.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.set_zero_linger(),
            Inner::Sim(socket) => {
                socket.options().linger = Some(Duration::ZERO);
                Ok(())
            }
        }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(socket) => socket.local_addr(),
            Inner::Sim(socket) => match &socket.options().bound {
                Some(bound) => bound.local_addr(),
                None => Ok(SocketAddr::new(unspecified(socket.v6), 0)),
            },
        }
    }

    /// The error that is waiting to be told, if any.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Inner::Real(socket) => socket.take_error(),
            Inner::Sim(_) => Ok(None),
        }
    }

    /// Binds it to an address. Port 0 asks for a free one.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`; `InvalidInput` when it is bound already.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        match &self.0 {
            Inner::Real(socket) => socket.bind(addr),
            Inner::Sim(socket) => {
                check_family(socket.v6, addr)?;
                let reuse = {
                    let options = socket.options();
                    if options.bound.is_some() {
                        return Err(io::Error::from_raw_os_error(22));
                    }
                    sim::Reuse { address: options.reuse_address, port: options.reuse_port }
                };
                let bound = sim::BoundSocket::bind(addr, reuse)?;
                socket.options().bound = Some(bound);
                Ok(())
            }
        }
    }

    /// Connects it.
    ///
    /// # Errors
    /// Refused, timed out, unreachable.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let socket = match self.0 {
            Inner::Real(socket) => return Ok(TcpStream(stream::Inner::Real(socket.connect(addr).await?))),
            Inner::Sim(socket) => socket,
        };
        check_family(socket.v6, addr)?;
        let options = socket.options.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (given, buffers) = options.given();
        let local = options.bound.as_ref().map(sim::BoundSocket::local_addr).transpose()?;
        // The connection takes the port over.
        drop(options.bound);
        let stream = stream::connect(local, addr, buffers).await?;
        stream.set_reuse_address(options.reuse_address)?;
        stream.set_keepalive(given.keepalive)?;
        stream.set_nodelay(given.nodelay)?;
        stream.set_linger(given.linger)?;
        Ok(TcpStream(stream::Inner::Sim(stream)))
    }

    /// Makes it listen; `backlog` connections may wait to be accepted.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let socket = match self.0 {
            Inner::Real(socket) => return Ok(TcpListener(listener::Inner::Real(socket.listen(backlog)?))),
            Inner::Sim(socket) => socket,
        };
        let any = SocketAddr::new(unspecified(socket.v6), 0);
        let options = socket.options.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (given, buffers) = options.given();
        let bound = options.bound.map_or_else(|| sim::BoundSocket::bind(any, sim::Reuse::default()), Ok)?;
        let listener = bound.listen(backlog)?;
        listener.set_options(given, buffers)?;
        Ok(TcpListener(listener::Inner::Sim(listener)))
    }

    /// Makes one of std's streams into an unconnected socket of tokio's. In a simulation std can make no stream that reaches
    /// anybody; what there can be is a socket with options (socket2 makes such), which the simulated one takes over.
    #[must_use]
    pub fn from_std_stream(std_stream: std::net::TcpStream) -> Self {
        let v6 = std_stream.local_addr().is_ok_and(|address| address.is_ipv6());
        let real = real::TcpSocket::from_std_stream(std_stream);
        if !stormglass_kernel::is_current() {
            return Self(Inner::Real(real));
        }
        let options = Options {
            bound: None,
            keepalive: real.keepalive().unwrap_or_default(),
            reuse_address: real.reuseaddr().unwrap_or_default(),
            reuse_port: real.reuseport().unwrap_or_default(),
            nodelay: real.nodelay().unwrap_or_default(),
            linger: real.linger().unwrap_or_default(),
            // What was not asked for is the machine's, which is no simulated machine's.
            send_buffer: None,
            receive_buffer: None,
            traffic: Traffic::new(v6, true),
        };
        Self(Inner::Sim(Simulated { v6, options: Mutex::new(options) }))
    }
}

/// A socket of one family takes no address of the other: `EAFNOSUPPORT`, or `EINVAL` where the address is too short.
fn check_family(v6: bool, address: SocketAddr) -> io::Result<()> {
    match (v6, address.is_ipv6()) {
        (false, true) => Err(io::Error::from_raw_os_error(97)),
        (true, false) => Err(io::Error::from_raw_os_error(22)),
        _ => Ok(()),
    }
}

const fn unspecified(v6: bool) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

descriptor!(TcpSocket);
into_descriptor!(TcpSocket);
traffic!(TcpSocket);

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Real(socket) => socket.fmt(f),
            Inner::Sim(socket) => socket.options().fmt(f),
        }
    }
}
