//! How Unix sockets are called: what a program sees of a name, and what the name means.

use std::path::PathBuf;

/// An address as a program sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Address {
    /// No name: one end of a pair, or a client that did not bind.
    #[default]
    Unnamed,
    /// The path that was given to bind or to connect.
    Path(PathBuf),
    /// A name in the abstract namespace, without the leading zero byte.
    Abstract(Vec<u8>),
}

/// What a name means on its node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    /// A socket file: what tells its inode from every other of the node's disk.
    File(u64, u64),
    /// A path on a node without a disk.
    Path(PathBuf),
    /// A name in the abstract namespace.
    Abstract(Vec<u8>),
}
