//! TCP: a byte stream of segments, acknowledgements and retransmissions, so that loss becomes delay and never a hole.
//!
//! What is as in Linux: the handshake and its retries, the retransmission timeout, delayed acknowledgements, windows and
//! probes, half-close, RST, TIME_WAIT, keepalive, user timeouts, shared ports, what a read or write reports after each. What is not modelled: congestion control,
//! SACK, timestamps, urgent data. The SACK-less recovery sends a little more than Linux
//! would; the bytes arrive all the same.

pub(crate) mod connection;
mod input;
pub(crate) mod listener;
mod listening;
pub(crate) mod options;
mod output;
mod receive;
mod rtt;
mod send;
mod stream;

pub use listening::{BoundSocket, Listener};
pub use options::{Keepalive, Reuse, SocketOptions};
pub use stream::{Buffers, Readiness, Stream};
