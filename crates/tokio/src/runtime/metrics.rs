//! `tokio::runtime::RuntimeMetrics`: what a runtime counts. A simulated node has no workers that park; what they would
//! count is zero.

use std::time::Duration;

use super::Handle;
use super::context::Scope;
use super::handle::Kind;

/// What a runtime counts, as `tokio::runtime::RuntimeMetrics`.
#[derive(Clone, Debug)]
pub struct RuntimeMetrics {
    handle: Handle,
}

impl RuntimeMetrics {
    pub(super) fn of(handle: Handle) -> Self {
        Self { handle }
    }

    fn pick<R>(
        &self,
        real: impl FnOnce(real_tokio::runtime::RuntimeMetrics) -> R,
        simulated: impl FnOnce(&Scope) -> R,
    ) -> R {
        match self.handle.kind() {
            Kind::Real(handle) => real(handle.metrics()),
            Kind::Simulated(scope) => simulated(scope),
        }
    }

    /// How many workers there are; for a simulated runtime what it was told, or 1.
    #[must_use]
    pub fn num_workers(&self) -> usize {
        self.pick(|real| real.num_workers(), workers)
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn num_alive_tasks(&self) -> usize {
        self.pick(
            |real| real.num_alive_tasks(),
            |scope| match scope {
                Scope::Built(built) => built.alive(),
                Scope::Node => of_node(|kernel, node| kernel.task_count(node)),
            },
        )
    }

    /// How many tasks wait for a worker: in a simulation those of the whole node.
    #[must_use]
    pub fn global_queue_depth(&self) -> usize {
        self.pick(|real| real.global_queue_depth(), |_| of_node(|kernel, node| kernel.node(node).ready()))
    }

    /// How long a worker was busy; not counted in a simulation.
    ///
    /// # Panics
    /// When there is no such worker.
    #[must_use]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        self.pick(|real| real.worker_total_busy_duration(worker), |scope| none(scope, worker, Duration::ZERO))
    }

    /// How often a worker parked; not counted in a simulation.
    ///
    /// # Panics
    /// When there is no such worker.
    #[must_use]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.pick(|real| real.worker_park_count(worker), |scope| none(scope, worker, 0))
    }

    /// How often a worker parked or unparked; not counted in a simulation.
    ///
    /// # Panics
    /// When there is no such worker.
    #[must_use]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.pick(|real| real.worker_park_unpark_count(worker), |scope| none(scope, worker, 0))
    }
}

fn workers(scope: &Scope) -> usize {
    match scope {
        Scope::Built(built) => built.settings.workers.unwrap_or(1),
        Scope::Node => 1,
    }
}

fn of_node(ask: impl FnOnce(&stormglass_kernel::Kernel, stormglass_kernel::NodeId) -> usize) -> usize {
    stormglass_kernel::try_with(|u| ask(&u.kernel, u.kernel.current_node())).unwrap_or(0)
}

fn none<T>(scope: &Scope, worker: usize, nothing: T) -> T {
    let workers = workers(scope);
    assert!(worker < workers, "there is no worker {worker}: the runtime has {workers}");
    nothing
}
