//! A relay: one closure after another, each with thread-locals that begin anew.
//!
//! Where a thread's can be made as new it goes on with the next closure: that costs a tenth of what a new thread does. Else
//! a thread starts its successor and ends, instead of ending for one that waits: that is half the switches between threads.
//! These threads are libc's and not `std`'s, which would map and unmap a signal stack for each. They have no name, and one
//! that overflows its stack ends the process by SIGSEGV and without a message.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::{io, thread};

use crate::seal::{host, vouch_for_thread};

/// One closure of a relay, which may answer with the next.
pub struct Leg {
    run: Box<dyn FnOnce(Predecessor) -> Option<Leg> + Send>,
    on_new_thread: bool,
}

impl Leg {
    /// A leg that runs `f`, which waits for its predecessor as soon as it matters.
    pub fn new(f: impl FnOnce(Predecessor) -> Option<Leg> + Send + 'static) -> Leg {
        Leg { run: Box::new(f), on_new_thread: false }
    }

    /// The same leg, for a thread that nothing ran on before: for whoever has reason to doubt what was left on the last one.
    #[must_use]
    pub fn on_new_thread(self) -> Leg {
        Leg { on_new_thread: true, ..self }
    }
}

/// The thread of the leg before, which may still be about to end: its thread-locals are being dropped. Nothing where this leg
/// has taken over the thread.
#[derive(Debug)]
pub struct Predecessor(Option<Thread>);

impl Predecessor {
    /// Waits until it is gone. So does a drop.
    pub fn wait(self) {}
}

impl Drop for Predecessor {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            thread.join();
        }
    }
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leg")
    }
}

/// Runs `first`, then what it answers, and so on until one answers `None`. Each leg has fresh thread-locals and a stack of
/// `stack_bytes`. When its [`Predecessor`] has been waited for, what the leg before kept in thread-locals has been dropped.
///
/// A leg takes over the thread of the one before where that left nothing else behind: no thread, no key of unknown origin, no
/// thread-local of a shared object. On platforms outside the sealed tier each has a thread of its own.
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
    let stacks = Stacks::new(stack_bytes)?;
    let (last, end) = host(|| {
        start(Runner { leg: first, before: None, stacks: stacks.turns(), threads: None, told })?;
        // Every runner tells its end or hands the sender on.
        ended.recv().map_err(io::Error::other)
    })?;
    last.join();
    drop(stacks);
    end.unwrap_or_else(|payload| resume_unwind(payload))
}

/// The last thread, and how its leg ended or why it has no successor.
type Told = (Thread, thread::Result<io::Result<()>>);

/// What a thread of a relay is given.
struct Runner {
    leg: Leg,
    /// The thread that started this one, and that is ending.
    before: Option<Thread>,
    stacks: Turns,
    /// How many threads the process had when the last leg ended, if that is known.
    threads: Option<u64>,
    told: mpsc::Sender<Told>,
}

impl Runner {
    fn run(self) {
        let Runner { mut leg, mut before, stacks, threads, told } = self;
        let renewal = Renewal::begin(threads);
        let end = loop {
            match run_leg(leg, before.take(), stacks.bytes()) {
                Ok(Some(next)) if !next.on_new_thread && renewal.as_ref().is_some_and(Renewal::renew) => leg = next,
                Ok(Some(next)) => {
                    let threads = renewal.and_then(|renewal| renewal.threads());
                    let before = Some(Thread::current());
                    let next = Runner { leg: next, before, stacks: stacks.next(), threads, told: told.clone() };
                    match host(|| start(next)) {
                        Ok(()) => return,
                        Err(error) => break Ok(Err(error)),
                    }
                }
                Ok(None) => break Ok(Ok(())),
                Err(payload) => break Err(payload),
            }
        };
        // Whoever began the relay waits for it.
        let _ = told.send((Thread::current(), end));
    }
}

/// Never part of its caller, so that nothing which that keeps in registers is of a thread-local from before.
#[inline(never)]
fn run_leg(leg: Leg, before: Option<Thread>, stack_bytes: usize) -> thread::Result<Option<Leg>> {
    vouch_for_thread(stack_bytes);
    catch_unwind(AssertUnwindSafe(|| (leg.run)(Predecessor(before))))
}

#[cfg(sealed_tier)]
use crate::seal::Renewal;

/// Outside the sealed tier nobody sees what is to happen at the end of a thread.
#[cfg(not(sealed_tier))]
struct Renewal;

#[cfg(not(sealed_tier))]
impl Renewal {
    fn begin(_threads: Option<u64>) -> Option<Renewal> {
        None
    }

    fn threads(&self) -> Option<u64> {
        None
    }

    fn renew(&self) -> bool {
        false
    }
}

#[cfg(unix)]
use unix::{Stacks, Thread, Turns, start};

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

    /// Below a stack, so that one which overflows ends the process.
    const GUARD_BYTES: usize = 64 << 10;

    /// The stacks of a relay. Two are enough, since a thread ends before the next but one begins; libc's own would give
    /// their memory back at each end, only to ask for it again.
    #[derive(Debug)]
    pub(super) struct Stacks {
        start: *mut c_void,
        bytes: usize,
    }

    impl Stacks {
        pub(super) fn new(bytes: usize) -> io::Result<Stacks> {
            let bytes = bytes.checked_next_multiple_of(GUARD_BYTES).ok_or(io::ErrorKind::OutOfMemory)?;
            let each = bytes.checked_add(GUARD_BYTES).ok_or(io::ErrorKind::OutOfMemory)?;
            let all = each.checked_mul(2).ok_or(io::ErrorKind::OutOfMemory)?;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: new memory at an address of the system's choice.
            let start = unsafe { libc::mmap(ptr::null_mut(), all, libc::PROT_NONE, flags, -1, 0) };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let stacks = Stacks { start, bytes };
            for second in [false, true] {
                // SAFETY: inside that memory, which nobody uses yet.
                if unsafe { libc::mprotect(stacks.at(second), bytes, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(stacks)
        }

        fn at(&self, second: bool) -> *mut c_void {
            let offset = GUARD_BYTES + usize::from(second) * (GUARD_BYTES + self.bytes);
            self.start.wrapping_byte_add(offset)
        }

        pub(super) fn turns(&self) -> Turns {
            Turns { now: self.at(false), then: self.at(true), bytes: self.bytes }
        }
    }

    impl Drop for Stacks {
        fn drop(&mut self) {
            // SAFETY: mapped by `new`, with that length; the threads are gone.
            unsafe { libc::munmap(self.start, 2 * (GUARD_BYTES + self.bytes)) };
        }
    }

    /// Whose turn it is: the lowest addresses of the stack of this thread and of the next.
    #[derive(Debug)]
    pub(super) struct Turns {
        now: *mut c_void,
        then: *mut c_void,
        bytes: usize,
    }

    // SAFETY: addresses of memory that a relay keeps until its threads are gone.
    unsafe impl Send for Turns {}

    impl Turns {
        pub(super) fn bytes(&self) -> usize {
            self.bytes
        }

        pub(super) fn next(&self) -> Turns {
            Turns { now: self.then, then: self.now, bytes: self.bytes }
        }
    }

    pub(super) fn start(runner: Runner) -> io::Result<()> {
        let mut attributes = MaybeUninit::uninit();
        let attributes = attributes.as_mut_ptr();
        let mut thread = MaybeUninit::uninit();
        let (stack, bytes) = (runner.stacks.now, runner.stacks.bytes);
        let raw = Box::into_raw(Box::new(runner));
        // SAFETY: the attributes are initialised before they are used and destroyed after; the thread takes the box over
        // where it is started; its stack has no other user, since the last one has been joined.
        let error = unsafe {
            libc::pthread_attr_init(attributes);
            let mut error = libc::pthread_attr_setstack(attributes, stack, bytes);
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
use elsewhere::{Stacks, Thread, Turns, start};

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

    /// The stacks of a relay are `std`'s matter.
    #[derive(Debug)]
    pub(super) struct Stacks(usize);

    impl Stacks {
        pub(super) fn new(bytes: usize) -> io::Result<Stacks> {
            Ok(Stacks(bytes))
        }

        pub(super) fn turns(&self) -> Turns {
            Turns(self.0)
        }
    }

    /// How large a stack is.
    #[derive(Debug)]
    pub(super) struct Turns(usize);

    impl Turns {
        pub(super) fn bytes(&self) -> usize {
            self.0
        }

        pub(super) fn next(&self) -> Turns {
            Turns(self.0)
        }
    }

    pub(super) fn start(runner: Runner) -> io::Result<()> {
        Builder::new().stack_size(runner.stacks.bytes()).spawn(move || runner.run()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::{Arc, Mutex};

    use super::*;

    const STACK_BYTES: usize = 1 << 20;

    /// What tests note, in order.
    type Log = Arc<Mutex<Vec<String>>>;

    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }

    /// Notes its drop, which is that of the thread's locals.
    struct Noted(Log, u32);

    impl Drop for Noted {
        fn drop(&mut self) {
            let was = NUMBER.try_with(|number| number.0);
            self.0.lock().unwrap().push(format!("gone {} while {was:?}", self.1));
        }
    }

    /// Has a destructor, which must not have run before that of what was made later.
    struct Number(u32);

    impl Drop for Number {
        fn drop(&mut self) {
            self.0 = 0;
        }
    }

    thread_local! {
        static NOTED: Cell<Option<Noted>> = const { Cell::new(None) };
        static NUMBER: Number = Number(COUNT.get() + 6);
    }

    fn leg(number: u32, log: Log) -> Leg {
        Leg::new(move |before| {
            before.wait();
            COUNT.set(COUNT.get() + 1);
            log.lock().unwrap().push(format!("leg {number} counts {}", COUNT.get()));
            NUMBER.with(|_| ());
            NOTED.set(Some(Noted(Arc::clone(&log), number)));
            (number < 3).then(|| leg(number + 1, log))
        })
    }

    #[test]
    fn every_leg_begins_with_fresh_thread_locals_when_those_before_it_are_gone() {
        let log = Log::default();
        relay(STACK_BYTES, leg(1, Arc::clone(&log))).unwrap();
        let log = log.lock().unwrap();
        let gone = |n| format!("gone {n} while Ok(7)");
        let each = (1..=3).flat_map(|n| [format!("leg {n} counts 1"), gone(n)]);
        assert_eq!(*log, each.collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_of_a_leg_reaches_who_began_the_relay() {
        let first = Leg::new(|_| Some(Leg::new(|_| panic!("the second leg"))));
        let caught = catch_unwind(AssertUnwindSafe(|| relay(STACK_BYTES, first))).unwrap_err();
        assert_eq!(caught.downcast_ref::<&str>(), Some(&"the second leg"));
    }

    #[test]
    fn a_thread_that_cannot_be_had_is_an_error() {
        let error = relay(usize::MAX / 2, Leg::new(|_| None)).unwrap_err();
        assert_ne!(error.to_string(), "");
    }
}
