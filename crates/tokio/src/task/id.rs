//! `tokio::task::Id`.

use std::fmt;

use stormglass_kernel::TaskKey;

/// Tells one task from another, as `tokio::task::Id`. In a simulation it is the task's stable key, equal in every run of a
/// seed, and shown as the trace shows it: in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    /// Of a task of tokio's own: outside a simulation, or in a `LocalSet`.
    Real(real_tokio::task::Id),
    Simulated(TaskKey),
}

impl Id {
    pub(super) fn real(id: real_tokio::task::Id) -> Self {
        Self(Kind::Real(id))
    }

    pub(super) fn simulated(key: TaskKey) -> Self {
        Self(Kind::Simulated(key))
    }
}

/// The current task's id.
///
/// # Panics
/// Outside a task, as tokio's does.
#[must_use]
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => Id::real(real_tokio::task::id()),
    }
}

/// The current task's id; `None` outside a task, and in `block_on`.
#[must_use]
#[track_caller]
pub fn try_id() -> Option<Id> {
    if let Some(id) = real_tokio::task::try_id() {
        return Some(Id::real(id));
    }
    // A program on a thread of a node is no task, but what drives them.
    let polled = || stormglass_kernel::try_with(|u| u.kernel.polled_task_key()).flatten();
    if stormglass_kernel::may_block() { None } else { polled().map(Id::simulated) }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Real(id) => id.fmt(f),
            Kind::Simulated(key) => key.fmt(f),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}
