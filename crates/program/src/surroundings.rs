//! What is done around a run and its polls for the library that programs see, which is above this crate.

/// What the library through which programs see their simulation wants done around it.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// Called before each poll of a task.
    pub before_poll: fn(),
    /// Calls what it is given, once: the whole run.
    pub around_run: fn(&mut dyn FnMut()),
}

impl Surroundings {
    /// Runs `f` within them.
    ///
    /// # Panics
    /// When they do not run it.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let (mut f, mut result) = (Some(f), None);
        (self.around_run)(&mut || result = f.take().map(|f| f()));
        match result {
            Some(result) => result,
            None => panic!("what is around a run does not run it"),
        }
    }
}
