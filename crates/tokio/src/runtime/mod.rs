//! `tokio::runtime` on simulated nodes. A program that builds a runtime and blocks on it at its top runs on a thread of
//! its node; its tasks are tasks of the node. A node that runs a future has a runtime of its own, which nobody built.

mod builder;
mod built;
pub(crate) mod context;
mod handle;
mod id;
mod local_runtime;
mod metrics;
#[expect(clippy::module_inception, reason = "the type's own file")]
mod runtime;

pub(crate) use built::{Built, Member};

pub use builder::Builder;
pub use handle::{EnterGuard, Handle, TryCurrentError};
pub use id::Id;
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use metrics::RuntimeMetrics;
pub use real_tokio::runtime::{RuntimeFlavor, is_rt_shutdown_err};
pub use runtime::Runtime;

/// Which worker this thread is. In a simulation 0 in a task, as a node has one processor, and in `block_on` of a runtime of one
/// thread; `None` elsewhere.
#[must_use]
pub fn worker_index() -> Option<usize> {
    let Some(scope) = context::current() else { return real_tokio::runtime::worker_index() };
    let in_task = !stormglass_kernel::may_block();
    (in_task || (context::is_driving() && !scope.is_of_several())).then_some(0)
}
