//! `tokio::fs` over the simulated disk, and tokio's own outside a simulation.
//!
//! Each call asks, when it is first polled, whether a simulation is current: then it goes to the node's disk, otherwise to
//! tokio. [`Metadata`], [`FileType`], [`DirEntry`] and the like are types of this module, since std's cannot be made by
//! anyone else; they have std's methods. What a simulated disk does not have (conversion into a `std::fs::File`) is refused
//! by name.

mod dir;
mod file;
mod file_sim;
mod file_times;
mod functions;
mod metadata;
mod open_options;

pub use dir::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::File;
pub use file_times::FileTimes;
#[cfg(unix)]
pub use functions::symlink;
pub use functions::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_link, read_to_string, remove_dir,
    remove_dir_all, remove_file, rename, set_permissions, symlink_metadata, try_exists, write,
};
pub use metadata::{FileType, Metadata};
pub use open_options::OpenOptions;

use std::io;

use stormglass_disk::{Reply, Request, submit};

/// Asks the current node's disk, and waits.
async fn ask(request: Request) -> io::Result<Reply> {
    submit(request)?.await
}

/// A reply that does not fit its request: a fault of the disk, not of the program.
fn misfit(reply: &Reply) -> io::Error {
    io::Error::other(format!("the simulated disk answered with {reply:?}, which does not fit the request"))
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} is not available on a simulated disk"))
}
