//! UDP: datagrams that arrive whole or not at all, in any order.

mod handle;
mod multicast;
pub(crate) mod socket;

pub use handle::{Received, UdpSocket};
