//! `tokio::task` on simulated nodes.

mod blocking;
pub mod coop;
mod error;
mod handle;
mod id;
pub mod join_set;
mod local;
mod spawn;

pub(crate) use blocking::spawn_blocking_in;
pub(crate) use spawn::spawn_in;

pub use blocking::{block_in_place, spawn_blocking};
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use error::JoinError;
pub use handle::{AbortHandle, JoinHandle};
pub use id::{Id, id, try_id};
pub use join_set::JoinSet;
pub use local::{LocalEnterGuard, LocalSet, spawn_local};
pub use real_tokio::task::{LocalKey, futures};
pub use spawn::spawn;

/// Lets other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
