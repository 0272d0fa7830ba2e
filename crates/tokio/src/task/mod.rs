//! `tokio::task` on simulated nodes.

mod blocking;
mod error;
mod handle;
mod join_set;

pub use blocking::{block_in_place, spawn_blocking};
pub use error::JoinError;
pub use handle::{AbortHandle, Id, JoinHandle, spawn};
pub use join_set::JoinSet;

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
