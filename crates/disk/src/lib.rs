//! The simulated disk: one device with a page cache and a file system per node, which survive the node's restarts.
//!
//! What a program writes is seen at once by every reader on its node, and is *pending* until it is synced. A killed process
//! loses none of it; when the machine loses power, each pending write is kept, lost or torn, and each pending growth, name,
//! rename and removal is kept or undone, by itself and by a keyed decision. The model is the strictest that POSIX allows,
//! with atomic renames: the modules `crash` (decisions), `file::resolve` (data) and `names` say what may happen and
//! from which sources. Operations take time, and take effect when the poll that issued them ends.
//!
//! It is not the API that services call: that is `tokio::fs` in `stormglass-tokio`, over [`submit`]. There are no
//! permissions (a node has one user) and no access times. Beside it lies `/dev`, with the devices that every machine has.

#![forbid(unsafe_code)]

mod at_once;
mod change;
mod content;
mod crash;
mod damage;
mod descriptors;
mod device;
mod errno;
mod file;
mod handles;
mod immediate;
mod injection;
mod injuries;
mod inode;
mod locks;
mod losses;
mod names;
mod operation;
mod options;
mod path;
mod perform;
#[cfg(target_os = "linux")]
pub mod posix;
mod request;
mod setup;
mod socket_file;
mod special;
mod syncing;
mod volume;
mod watch;
mod world;

pub use at_once::POOL;
pub use crash::{COMMIT, CUT, GROW, KEEP, MOOD, NAME, RESIZE, SECTOR, SHORT, SIZE, TEAR};
pub use descriptors::DESCRIPTOR_MIN;
pub use errno::Errno;
pub use injection::{Injection, MISS, ROT, ROTTEN, STRIKE};
pub use injuries::{Harm, INJURIES_MAX, Injury};
pub use losses::LossReport;
pub use operation::{Handle, Misuse, Operation, submit};
pub use options::{CrashModel, DiskOptions, SECTOR_BYTES};
pub use path::{NAME_BYTES_MAX, PATH_BYTES_MAX};
pub use request::{
    Allocation, FileKind, HandleKey, LockRange, OpenFlags, Reply, Request, Stat, Synced, Target, Whence,
};
pub use socket_file::SocketFile;
pub use syncing::Syncing;
pub use watch::SyncEnd;
pub use world::{Disk, LATENCY, ORDER};
