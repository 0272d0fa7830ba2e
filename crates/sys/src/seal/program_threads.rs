//! Threads that a simulated program starts: which operating system thread is whose, whether its code has ended, and who
//! still may join it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const RUNNING: u8 = 0;
const ENDED: u8 = 1;
const LEFT: u8 = 2;

/// One thread of a simulated program.
#[derive(Debug, Default)]
pub struct ProgramThread {
    /// The machine's number of it, once it has begun.
    number: AtomicI32,
    /// Its `pthread_t`, once there is one.
    key: AtomicUsize,
    state: AtomicU8,
    detached: AtomicBool,
}

/// How the world takes a new thread of a program.
pub enum Admission {
    /// There is no place for threads: refused by name.
    Refused,
    /// The program has as many as it may have, or is going down: fails with `EAGAIN`, as pthread_create(3) says.
    Full,
    /// It is welcome.
    Admitted {
        /// Runs first on the new thread, and waits there for its first turn. `false`: it is to end at once.
        enter: Box<dyn FnOnce() -> bool + Send>,
        /// Runs on the thread that asked, once the new one is there. `false`: it will have no turn.
        seat: Box<dyn FnOnce() -> bool>,
    },
}

/// By `pthread_t`: every thread of a program that is not joined yet. Looked up by key, never gone through.
static THREADS: Mutex<BTreeMap<usize, Arc<ProgramThread>>> = Mutex::new(BTreeMap::new());

fn threads() -> MutexGuard<'static, BTreeMap<usize, Arc<ProgramThread>>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProgramThread {
    /// What whoever waits for its end waits on, as on the address of a futex.
    #[must_use]
    pub fn address(&self) -> usize {
        &raw const self.state as usize
    }

    /// The thread itself says that none of its program's code will run any more.
    pub fn end(&self) {
        self.state.store(ENDED, Ordering::Release);
    }

    /// Its node is down and it waits where nothing unwinds: it never runs again, and nobody can join it.
    pub fn leave(&self) {
        let _ = self.state.compare_exchange(RUNNING, LEFT, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Whether its code has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) == ENDED
    }

    /// Whether it was left where it waited.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.state.load(Ordering::Acquire) == LEFT
    }
}

#[cfg_attr(not(sealed_tier), expect(dead_code, reason = "only interposed symbols ask"))]
impl ProgramThread {
    pub(super) fn begin(&self, number: i32) {
        self.number.store(number, Ordering::Release);
    }

    pub(super) fn number(&self) -> i32 {
        self.number.load(Ordering::Acquire)
    }

    pub(super) fn key(&self) -> Option<usize> {
        Some(self.key.load(Ordering::Acquire)).filter(|&key| key != 0)
    }

    /// From now on nobody joins it. Says whether that is news.
    pub(super) fn detach(&self) -> bool {
        !self.detached.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }
}

#[cfg_attr(not(sealed_tier), expect(dead_code, reason = "only interposed symbols ask"))]
pub(super) fn note(key: usize, thread: &Arc<ProgramThread>) {
    thread.key.store(key, Ordering::Release);
    threads().insert(key, Arc::clone(thread));
}

#[cfg_attr(not(sealed_tier), expect(dead_code, reason = "only interposed symbols ask"))]
pub(super) fn find(key: usize) -> Option<Arc<ProgramThread>> {
    threads().get(&key).cloned()
}

#[cfg_attr(not(sealed_tier), expect(dead_code, reason = "only interposed symbols ask"))]
pub(super) fn forget(key: usize) {
    threads().remove(&key);
}

/// Waits, on the thread that has the simulation, until `thread`, whose code has ended, is no more: what the system still
/// does for it then never runs beside the simulation. Takes back what it occupied where nobody will join it.
pub fn see_out(thread: &ProgramThread) {
    #[cfg(sealed_tier)]
    super::current::host(|| super::symbols::threads::see_out(thread));
    #[cfg(not(sealed_tier))]
    let _ = thread;
}
