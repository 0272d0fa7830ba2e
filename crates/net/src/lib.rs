//! The simulated network of Stormglass: hosts, links with latency and loss, fault rules, TCP and UDP.
//!
//! Each node of the kernel is a host with one address in 10.0.0.0/8 and a loopback of its own. All that one host knows
//! of another travels as packets, each of which is a thing with a number in a named flow, so that its delay and its
//! fate are keyed decisions.
//!
//! It is not tokio's API, which `stormglass-tokio` puts on top of [`tcp`] and [`udp`]; it draws no fault
//! plan; and it has no bandwidth, no MTU and no congestion.

#![forbid(unsafe_code)]

mod address;
mod counter;
mod deliver;
mod error;
mod flow;
mod handle;
mod host;
mod link;
mod net;
mod packet;
mod rule;
mod sockets;
pub mod tcp;
pub mod udp;
pub mod unix;
mod waiters;
mod wire;

pub use address::{ip_of, node_of};
pub use counter::Counters;
pub use error::unsupported;
pub use flow::{DELAY, FAULT_DELAY, FAULT_LOSS, LOSS, PORT, SEQUENCE};
pub use handle::DESCRIPTORS;
pub use link::{DropReason, LinkOptions};
pub use net::{Net, NetOptions};
pub use packet::Protocol;
pub use rule::{Direction, Pair, RuleHits, Rules};
