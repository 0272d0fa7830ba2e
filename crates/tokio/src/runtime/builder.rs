//! `tokio::runtime::Builder`: settings mean what they mean outside a simulation. Inside one a node has one processor and
//! the kernel's scheduler, so that what tunes tokio's threads and queues is taken and changes nothing.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use stormglass_program::Stay;

use super::built::{Built, Settings};
use super::{LocalOptions, LocalRuntime, Runtime};
use crate::support::SURROUNDINGS;

/// Builds a runtime, as `tokio::runtime::Builder`.
pub struct Builder {
    kind: Kind,
    /// Where this builder brought its thread into a simulation.
    stay: Option<Stay>,
}

enum Kind {
    Real(real_tokio::runtime::Builder),
    Simulated(Settings),
}

/// tokio's own bound on threads for blocking code.
const BLOCKING_THREADS: usize = 512;

/// What a program sees as the number of workers where it asked for none.
const WORKERS: usize = 1;

impl Builder {
    fn of(several: bool, real: impl FnOnce() -> real_tokio::runtime::Builder) -> Self {
        let stay = stormglass_program::stay(SURROUNDINGS);
        if !stormglass_kernel::is_current() {
            return Self { kind: Kind::Real(real()), stay };
        }
        let settings = Settings {
            several,
            name: None,
            workers: None,
            blocking_threads: BLOCKING_THREADS,
            io: false,
            time: false,
            paused: false,
            on_thread_start: None,
            on_thread_stop: None,
        };
        Self { kind: Kind::Simulated(settings), stay }
    }

    /// A runtime on the current thread.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self::of(false, real_tokio::runtime::Builder::new_current_thread)
    }

    /// A runtime with a pool of threads. A simulated node has one processor, whichever the flavor.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::of(true, real_tokio::runtime::Builder::new_multi_thread)
    }

    fn set(
        &mut self,
        real: impl FnOnce(&mut real_tokio::runtime::Builder) -> &mut real_tokio::runtime::Builder,
        simulated: impl FnOnce(&mut Settings),
    ) -> &mut Self {
        match &mut self.kind {
            Kind::Real(builder) => {
                real(builder);
            }
            Kind::Simulated(settings) => simulated(settings),
        }
        self
    }

    /// Enables input, output and time.
    pub fn enable_all(&mut self) -> &mut Self {
        self.set(
            |real| real.enable_all(),
            |s| {
                s.io = true;
                s.time = true;
            },
        )
    }

    /// Enables input and output.
    pub fn enable_io(&mut self) -> &mut Self {
        self.set(|real| real.enable_io(), |s| s.io = true)
    }

    /// Enables time.
    pub fn enable_time(&mut self) -> &mut Self {
        self.set(|real| real.enable_time(), |s| s.time = true)
    }

    /// How many worker threads.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Worker threads cannot be set to 0");
        self.set(|real| real.worker_threads(val), |s| s.workers = Some(val))
    }

    /// At most this many threads for blocking code.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    #[doc(alias = "max_threads")]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0");
        self.set(|real| real.max_blocking_threads(val), |s| s.blocking_threads = val)
    }

    /// The name of threads; a simulated thread keeps its own.
    pub fn thread_name(&mut self, val: impl Into<String>) -> &mut Self {
        self.set(|real| real.thread_name(val), |_| {})
    }

    /// The runtime's name.
    pub fn name(&mut self, val: impl Into<String>) -> &mut Self {
        match &mut self.kind {
            Kind::Real(real) => {
                real.name(val);
            }
            Kind::Simulated(settings) => settings.name = Some(val.into()),
        }
        self
    }

    /// Names for threads; a simulated thread keeps its own.
    pub fn thread_name_fn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.set(|real| real.thread_name_fn(f), |_| {})
    }

    /// The stack of threads, in bytes; a simulated thread keeps its own.
    pub fn thread_stack_size(&mut self, val: usize) -> &mut Self {
        self.set(|real| real.thread_stack_size(val), |_| {})
    }

    /// Calls `f` on each thread of the runtime before it does anything else. In a simulation those are the threads for
    /// blocking code.
    pub fn on_thread_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        match &mut self.kind {
            Kind::Real(real) => {
                real.on_thread_start(f);
            }
            Kind::Simulated(settings) => settings.on_thread_start = Some(Arc::new(f)),
        }
        self
    }

    /// Calls `f` on each thread of the runtime before it ends. In a simulation those are the threads for blocking code.
    pub fn on_thread_stop<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        match &mut self.kind {
            Kind::Real(real) => {
                real.on_thread_stop(f);
            }
            Kind::Simulated(settings) => settings.on_thread_stop = Some(Arc::new(f)),
        }
        self
    }

    /// Calls `f` before a worker goes idle. Simulated workers are no threads: it is not called.
    pub fn on_thread_park<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.set(|real| real.on_thread_park(f), |_| {})
    }

    /// Calls `f` after a worker was idle. Simulated workers are no threads: it is not called.
    pub fn on_thread_unpark<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.set(|real| real.on_thread_unpark(f), |_| {})
    }

    /// How long idle threads for blocking code live; in a simulation as long as their closure.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.set(|real| real.thread_keep_alive(duration), |_| {})
    }

    /// How often a worker looks at the global queue; a simulated node has one queue.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "global_queue_interval must be greater than 0");
        self.set(|real| real.global_queue_interval(val), |_| {})
    }

    /// How often a worker looks for events; simulated events come when they come.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    pub fn event_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "event_interval must be greater than 0");
        self.set(|real| real.event_interval(val), |_| {})
    }

    /// How many events are taken at once; simulated ones come one by one.
    pub fn max_io_events_per_tick(&mut self, capacity: usize) -> &mut Self {
        self.set(|real| real.max_io_events_per_tick(capacity), |_| {})
    }

    /// How many events are taken at once while tasks are ready; simulated ones come one by one.
    pub fn max_io_events_per_busy_tick(&mut self, capacity: usize) -> &mut Self {
        self.set(|real| real.max_io_events_per_busy_tick(capacity), |_| {})
    }

    /// Begins with the clock paused, as by [`pause`](crate::time::pause).
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.set(|real| real.start_paused(start_paused), |s| s.paused = start_paused)
    }

    /// Builds the runtime.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    ///
    /// # Panics
    /// When it is to begin paused and is not of the current thread's flavor.
    pub fn build(&mut self) -> io::Result<Runtime> {
        match &mut self.kind {
            Kind::Real(real) => real.build().map(Runtime::real),
            Kind::Simulated(settings) => Ok(Runtime::simulated(Self::start(settings), self.stay.clone())),
        }
    }

    /// Builds a runtime for tasks that need not be `Send`.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    ///
    /// # Panics
    /// When this is not of the current thread's flavor.
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        match &mut self.kind {
            Kind::Real(real) => real.build_local(options).map(LocalRuntime::real),
            Kind::Simulated(settings) => {
                assert!(!settings.several, "multi_thread is not supported for LocalRuntime");
                Ok(LocalRuntime::simulated(Self::start(settings), self.stay.clone()))
            }
        }
    }

    fn start(settings: &mut Settings) -> Arc<Built> {
        let mut settings = settings.clone();
        settings.workers = if settings.several { settings.workers.or(Some(WORKERS)) } else { Some(1) };
        let paused = settings.paused;
        let built = Built::new(settings);
        if paused {
            crate::time::pause_for(&built);
        }
        built
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Real(real) => real.fmt(f),
            Kind::Simulated(settings) => f.debug_tuple("Builder").field(settings).finish(),
        }
    }
}
