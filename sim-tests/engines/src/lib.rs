//! Storage engines under power loss, I/O errors and full disks: each is opened, written and recovered on a simulated disk, by
//! blocking code on a thread of its node, and what it acknowledged is compared with what it has afterwards.
//!
//! An engine is whatever implements [`Engine`]. A [`Trial`] is one seed of one: some lives of a node, each ended by a power
//! loss at a random instant, also in the midst of a recovery, and at last a look at everything.

#![forbid(unsafe_code)]

mod book;
mod engine;
mod fjall_engine;
mod log;
mod redb_engine;
#[cfg(feature = "sqlite")]
mod sqlite;
mod trial;

pub use book::{Book, Verdict};
pub use engine::{Batch, Contents, Engine, value_of};
pub use fjall_engine::Fjall;
pub use log::{ControlLog, Planted};
pub use redb_engine::Redb;
#[cfg(feature = "sqlite")]
pub use sqlite::{Keeping, Rollback, RollbackFull, Sqlite, Wal};
pub use trial::{Outcome, Trial, Weather};
