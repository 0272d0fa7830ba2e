//! The simulated network of Stormglass: hosts, links and what they do to packets, firewall and fault rules, names,
//! TCP, UDP, and Unix sockets.
//!
//! Each node of the kernel is a host with one address in 10.0.0.0/8 and a loopback of its own. All that one host knows
//! of another travels as packets, each of which is a thing with a number in a named flow, so that its delay and its
//! fate are keyed decisions.
//!
//! It is not tokio's API, which `stormglass-tokio` puts on top of [`tcp`], [`udp`] and [`unix`]; it draws no
//! fault plan; and it has no congestion control.

#![forbid(unsafe_code)]

mod address;
mod capture;
mod counter;
mod deliver;
mod dns;
mod error;
mod filter;
mod flow;
mod handle;
mod host;
mod link;
mod lost;
mod net;
mod packet;
mod ports;
mod residue;
mod rule;
mod sockets;
mod spread;
pub mod tcp;
mod traffic;
mod transit;
pub mod udp;
pub mod unix;
mod waiters;
mod wire;

pub use address::{ip_of, node_of};
pub use counter::Counters;
pub use dns::{Dns, DnsFault, DnsRule, LookupError};
pub use error::unsupported;
pub use filter::{Action, Direction, Filter};
pub use flow::{
    CORRUPT, DELAY, DETOUR, DUPLICATE, FAULT_CORRUPT, FAULT_DELAY, FAULT_DUPLICATE, FAULT_LOSS, FAULT_REORDER, LOSS,
    PORT, REORDER, SEQUENCE, SHAPE, UNDETECTED,
};
pub use handle::DESCRIPTORS;
pub use link::{DropReason, LinkOptions};
pub use lost::{Loss, Lost};
pub use net::{Net, NetOptions};
pub use packet::Protocol;
pub use residue::Residue;
pub use rule::{Impairment, Pair, RuleHits, Rules};
pub use spread::Spread;
pub use traffic::Traffic;
