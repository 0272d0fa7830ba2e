//! Unix sockets: of the node's own in a simulation, tokio's own otherwise.

mod addr;
pub(crate) mod datagram;
mod datagram_receive;
pub(crate) mod listener;
mod shared;
pub(crate) mod socket;
mod split;
mod split_owned;
pub(crate) mod stream;
mod ucred;

#[doc(no_inline)]
pub use real_tokio::net::unix::{SocketAddr, gid_t, pid_t, pipe, uid_t};
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use ucred::UCred;
