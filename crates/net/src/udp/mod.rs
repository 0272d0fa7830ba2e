//! UDP: datagrams that arrive whole or not at all, in any order.

pub(crate) mod socket;
pub mod handle;
