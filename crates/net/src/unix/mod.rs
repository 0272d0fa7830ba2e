//! Unix sockets: streams and datagrams that stay inside one node.
//!
//! A write is in the peer's queue at once, as in Linux, where one copy of the bytes goes from the writer to the reader's
//! queue: there is no link between the two, hence no latency, no loss and no packet. What is as in Linux (`unix(7)`,
//! `net/unix/af_unix.c`): when a queue is full and when it has room again, what the end of a peer leaves to read, who may
//! send to whom, names that outlive their sockets. A socket's name is a file of the node's disk (its inode, as in Linux) or
//! an abstract name. What is not modelled: descriptors and credentials as messages, and `SOCK_SEQPACKET`.

mod address;
pub(crate) mod datagram;
mod datagram_handle;
mod listener;
mod names;
pub(crate) mod stream;
mod stream_handle;

pub use address::{Address, Name};
pub use datagram_handle::Datagram;
pub use listener::Listener;
pub(crate) use listener::Listening;
pub(crate) use names::Names;
pub use stream_handle::Stream;
