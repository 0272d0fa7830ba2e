//! A relay: one closure after another, each on a thread of its own, so that thread-locals begin anew with each.
//!
//! A thread starts its successor and ends, instead of ending for one that waits: that is half the switches between
//! threads. These threads are libc's and not `std`'s, which would map and unmap a signal stack for each. They have no
//! name, and one that overflows its stack ends the process by SIGSEGV and without a message.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::{io, thread};

use crate::seal::{host, vouch_for_thread};

/// One closure of a relay, which may answer with the next.
pub struct Leg(Box<dyn FnOnce() -> Option<Leg> + Send>);

impl Leg {
    /// A leg that runs `f`.
    pub fn new(f: impl FnOnce() -> Option<Leg> + Send + 'static) -> Leg {
        Leg(Box::new(f))
    }
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leg")
    }
}

/// Runs `first`, then what it answers, and so on until one answers `None`. Each leg has a fresh thread with a stack of
/// `stack_bytes`; it begins when the thread before it is gone, the destructors of its thread-locals included.
///
/// # Errors
///
/// What the system says when it cannot start a thread. The leg that was to run on it is lost.
///
/// # Panics
///
/// With what a leg panicked with.
pub fn relay(stack_bytes: usize, first: Leg) -> io::Result<()> {
    let (told, ended) = mpsc::channel();
    let (last, end) = host(|| {
        start(Runner { leg: first, before: None, stack_bytes, told })?;
        // Every runner tells its end or hands the sender on.
        ended.recv().map_err(io::Error::other)
    })?;
    last.join();
    end.unwrap_or_else(|payload| resume_unwind(payload))
}

/// The last thread, and how its leg ended or why it has no successor.
type Told = (Thread, thread::Result<io::Result<()>>);

/// What a thread of a relay is given.
struct Runner {
    leg: Leg,
    /// The thread that started this one, and that is ending.
    before: Option<Thread>,
    stack_bytes: usize,
    told: mpsc::Sender<Told>,
}

impl Runner {
    fn run(self) {
        let Runner { leg, before, stack_bytes, told } = self;
        if let Some(before) = before {
            before.join();
        }
        vouch_for_thread(stack_bytes);
        let end = match catch_unwind(AssertUnwindSafe(leg.0)) {
            Ok(Some(leg)) => {
                let next = Runner { leg, before: Some(Thread::current()), stack_bytes, told: told.clone() };
                match host(|| start(next)) {
                    Ok(()) => return,
                    Err(error) => Ok(Err(error)),
                }
            }
            Ok(None) => Ok(Ok(())),
            Err(payload) => Err(payload),
        };
        // Whoever began the relay waits for it.
        let _ = told.send((Thread::current(), end));
    }
}

#[cfg(unix)]
use unix::{Thread, start};

#[cfg(unix)]
mod unix {
    use std::ffi::c_void;
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;

    use super::Runner;

    /// A thread that is to be joined.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Thread(libc::pthread_t);

    // SAFETY: an id of libc's, which any thread of the process may use (a pointer on some platforms).
    unsafe impl Send for Thread {}

    impl Thread {
        pub(super) fn current() -> Thread {
            // SAFETY: takes nothing.
            Thread(unsafe { libc::pthread_self() })
        }

        pub(super) fn join(self) {
            // SAFETY: a thread of a relay is not detached, and only its successor, or who began the relay, joins it.
            unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        }
    }

    pub(super) fn start(runner: Runner) -> io::Result<()> {
        let mut attributes = MaybeUninit::uninit();
        let attributes = attributes.as_mut_ptr();
        let mut thread = MaybeUninit::uninit();
        let raw = Box::into_raw(Box::new(runner));
        // SAFETY: the attributes are initialised before they are used and destroyed after; the thread takes the box over
        // where it is started, and lives on memory of its own.
        let error = unsafe {
            libc::pthread_attr_init(attributes);
            let stack_bytes = (*raw).stack_bytes;
            let mut error = libc::pthread_attr_setstacksize(attributes, stack_bytes);
            if error == 0 {
                error = libc::pthread_create(thread.as_mut_ptr(), attributes, begin, raw.cast());
            }
            libc::pthread_attr_destroy(attributes);
            error
        };
        if error == 0 {
            return Ok(());
        }
        // SAFETY: no thread was started, so the box is still ours.
        drop(unsafe { Box::from_raw(raw) });
        Err(io::Error::from_raw_os_error(error))
    }

    extern "C" fn begin(raw: *mut c_void) -> *mut c_void {
        // SAFETY: the box of `start`, which nobody else uses.
        let runner = unsafe { Box::from_raw(raw.cast::<Runner>()) };
        runner.run();
        ptr::null_mut()
    }
}

#[cfg(not(unix))]
use elsewhere::{Thread, start};

#[cfg(not(unix))]
mod elsewhere {
    use std::io;
    use std::thread::Builder;

    use super::Runner;

    /// A thread of `std`'s. It is not joined: it has nothing left to do that others could see.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Thread;

    impl Thread {
        pub(super) fn current() -> Thread {
            Thread
        }

        pub(super) fn join(self) {}
    }

    pub(super) fn start(runner: Runner) -> io::Result<()> {
        Builder::new().stack_size(runner.stack_bytes).spawn(move || runner.run()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::{Arc, Mutex};

    use super::*;

    const STACK_BYTES: usize = 1 << 20;

    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }

    /// Notes its drop, which is that of the thread's locals.
    struct Noted(Arc<Mutex<Vec<String>>>, u32);

    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(format!("gone {}", self.1));
        }
    }

    thread_local! {
        static NOTED: Cell<Option<Noted>> = const { Cell::new(None) };
    }

    fn leg(number: u32, log: Arc<Mutex<Vec<String>>>) -> Leg {
        Leg::new(move || {
            COUNT.set(COUNT.get() + 1);
            log.lock().unwrap().push(format!("leg {number} counts {}", COUNT.get()));
            NOTED.set(Some(Noted(Arc::clone(&log), number)));
            (number < 3).then(|| leg(number + 1, log))
        })
    }

    #[test]
    fn every_leg_begins_with_fresh_thread_locals_when_those_before_it_are_gone() {
        let log = Arc::default();
        relay(STACK_BYTES, leg(1, Arc::clone(&log))).unwrap();
        let log = log.lock().unwrap();
        assert_eq!(*log, ["leg 1 counts 1", "gone 1", "leg 2 counts 1", "gone 2", "leg 3 counts 1", "gone 3"]);
    }

    #[test]
    fn a_panic_of_a_leg_reaches_who_began_the_relay() {
        let second = Leg::new(|| panic!("the second leg"));
        let caught = catch_unwind(|| relay(STACK_BYTES, Leg::new(move || Some(second)))).unwrap_err();
        assert_eq!(caught.downcast_ref::<&str>(), Some(&"the second leg"));
    }

    #[test]
    fn a_thread_that_cannot_be_had_is_an_error() {
        let error = relay(usize::MAX / 2, Leg::new(|| None)).unwrap_err();
        assert_ne!(error.to_string(), "");
    }
}
