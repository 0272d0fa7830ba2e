//! Socket options that Linux hands from a listening socket to the connections it accepts, and who may share a port.

use std::time::Duration;

use stormglass_kernel::saturating_nanos;

/// How an idle connection is probed (`SO_KEEPALIVE`, `tcp(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Silence before the first probe: `TCP_KEEPIDLE`.
    pub idle: Duration,
    /// Time between probes: `TCP_KEEPINTVL`.
    pub interval: Duration,
    /// Probes without an answer before the connection is given up: `TCP_KEEPCNT`.
    pub probes: u32,
}

impl Default for Keepalive {
    /// Linux's: two hours, 75 seconds, nine.
    fn default() -> Self {
        Self { idle: Duration::from_secs(7_200), interval: Duration::from_secs(75), probes: 9 }
    }
}

/// What a connection takes over from its listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketOptions {
    /// Probes of an idle connection, if any.
    pub keepalive: Option<Keepalive>,
    /// How long what was sent may stay unacknowledged (`TCP_USER_TIMEOUT`); `None` is the system's number of retries.
    pub user_timeout: Option<Duration>,
    /// `TCP_NODELAY`. Kept and told, without effect: what a poll writes leaves when it ends.
    pub nodelay: bool,
    /// `SO_LINGER`. At zero, closing sends RST; any other time is kept and told, without effect.
    pub linger: Option<Duration>,
    /// Time to live of packets. Kept and told, without effect.
    pub ttl: u32,
    /// `TCP_QUICKACK`. Kept and told, without effect.
    pub quickack: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { keepalive: None, user_timeout: None, nodelay: false, linger: None, ttl: 64, quickack: true }
    }
}

/// Who may share a port with a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reuse {
    /// `SO_REUSEADDR`: connections of old, in TIME_WAIT or not, and sockets that do not listen.
    pub address: bool,
    /// `SO_REUSEPORT`: any socket that says the same. Connections are spread over those that listen.
    pub port: bool,
}

/// How an idle connection is watched.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Silence {
    /// When the peer was last heard, in nanoseconds.
    pub(crate) heard_ns: u64,
    /// Probes since then.
    pub(crate) probes: u32,
}

/// What is due when the keepalive timer fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Look again then.
    Later(u64),
    Probe(u64),
    GiveUp,
}

impl Silence {
    /// What is to be done at `now`; `busy` when data is on its way, whose own timer watches the peer.
    pub(crate) fn due(&self, now: u64, keepalive: &Keepalive, user_timeout: Option<Duration>, busy: bool) -> Due {
        let (idle, interval) = (saturating_nanos(keepalive.idle), saturating_nanos(keepalive.interval));
        let silent = now.saturating_sub(self.heard_ns);
        if busy {
            return Due::Later(now.saturating_add(idle));
        }
        if silent < idle {
            return Due::Later(self.heard_ns.saturating_add(idle));
        }
        let given_up = match user_timeout {
            Some(limit) => self.probes > 0 && silent >= saturating_nanos(limit),
            None => self.probes >= keepalive.probes,
        };
        if given_up { Due::GiveUp } else { Due::Probe(now.saturating_add(interval)) }
    }
}
