//! `tokio::runtime::Builder`: settings mean what they mean outside a simulation, and nothing inside one.

use std::io;

use super::{Kind, Runtime};

/// As `tokio::runtime::Builder`.
#[derive(Debug)]
pub struct Builder {
    /// `None` in a simulation.
    real: Option<real_tokio::runtime::Builder>,
}

impl Builder {
    fn of(real: impl FnOnce() -> real_tokio::runtime::Builder) -> Self {
        Self { real: (!stormglass_kernel::is_current()).then(real) }
    }

    /// A runtime on the current thread.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self::of(real_tokio::runtime::Builder::new_current_thread)
    }

    /// A runtime with a pool of threads.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::of(real_tokio::runtime::Builder::new_multi_thread)
    }

    fn set(&mut self, f: impl FnOnce(&mut real_tokio::runtime::Builder)) -> &mut Self {
        if let Some(real) = &mut self.real {
            f(real);
        }
        self
    }

    /// Enables input, output and time.
    pub fn enable_all(&mut self) -> &mut Self {
        self.set(|real| {
            real.enable_all();
        })
    }

    /// Enables input and output.
    pub fn enable_io(&mut self) -> &mut Self {
        self.set(|real| {
            real.enable_io();
        })
    }

    /// Enables time.
    pub fn enable_time(&mut self) -> &mut Self {
        self.set(|real| {
            real.enable_time();
        })
    }

    /// How many worker threads.
    #[track_caller]
    pub fn worker_threads(&mut self, threads: usize) -> &mut Self {
        self.set(|real| {
            real.worker_threads(threads);
        })
    }

    /// At most this many threads for blocking code.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        self.set(|real| {
            real.max_blocking_threads(threads);
        })
    }

    /// The name of threads.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.set(|real| {
            real.thread_name(name);
        })
    }

    /// The stack of threads, in bytes.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.set(|real| {
            real.thread_stack_size(bytes);
        })
    }

    /// Begins with tokio's own clock paused. In a simulation time always jumps, and this means nothing.
    pub fn start_paused(&mut self, paused: bool) -> &mut Self {
        self.set(|real| {
            real.start_paused(paused);
        })
    }

    /// Builds the runtime.
    ///
    /// # Errors
    /// As tokio's, outside a simulation.
    pub fn build(&mut self) -> io::Result<Runtime> {
        let kind = match &mut self.real {
            Some(real) => Kind::Real(real.build()?),
            None => Kind::Simulated,
        };
        Ok(Runtime { kind })
    }
}
