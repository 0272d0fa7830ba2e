//! TCP: [`TcpListener`](super::TcpListener), [`TcpStream`](super::TcpStream), [`TcpSocket`](super::TcpSocket) and the halves
//! of a stream.

pub(super) mod listener;
pub(super) mod shared;
pub(super) mod socket;
mod split;
mod split_owned;
pub(in crate::net) mod stream;

pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
