//! The cases of a relay's renewed thread.

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use stormglass_sys::process::{Leg, relay};

const STACK_BYTES: usize = 1 << 20;

/// A case: panics unless what its name says holds.
type Case = fn();

pub(crate) const ALL: &[(&str, Case)] = &[
    (
        "a_leg_goes_on_with_the_thread_of_the_last_one_unless_it_wants_its_own",
        a_leg_goes_on_with_the_thread_of_the_last_one_unless_it_wants_its_own,
    ),
    ("thread_locals_begin_anew_with_and_without_a_destructor", thread_locals_begin_anew_with_and_without_a_destructor),
    (
        "keys_are_empty_for_every_leg_and_their_destructors_have_run",
        keys_are_empty_for_every_leg_and_their_destructors_have_run,
    ),
    ("what_a_thread_may_set_in_libc_is_as_new_too", what_a_thread_may_set_in_libc_is_as_new_too),
    (
        "a_thread_that_was_left_behind_ends_the_use_of_the_one_that_left_it",
        a_thread_that_was_left_behind_ends_the_use_of_the_one_that_left_it,
    ),
];

/// The real threads that `legs` legs ran on, each of which does `each` and says whether the next wants a new one.
fn threads(legs: usize, each: fn(usize) -> bool) -> Vec<i32> {
    fn leg(n: usize, legs: usize, each: fn(usize) -> bool, seen: Arc<Mutex<Vec<i32>>>) -> Leg {
        Leg::new(move |before| {
            before.wait();
            // SAFETY: it takes nothing.
            seen.lock().unwrap().push(unsafe { libc::gettid() });
            let apart = each(n);
            let next = (n + 1 < legs).then(|| leg(n + 1, legs, each, seen))?;
            Some(if apart { next.on_new_thread() } else { next })
        })
    }
    let seen = Arc::default();
    relay(STACK_BYTES, leg(0, legs, each, Arc::clone(&seen))).unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn distinct(threads: &[i32]) -> usize {
    threads.iter().collect::<HashSet<_>>().len()
}

fn a_leg_goes_on_with_the_thread_of_the_last_one_unless_it_wants_its_own() {
    let all = threads(4, |n| n == 1);
    assert_eq!((all[0], all[2]), (all[1], all[3]));
    assert_eq!(distinct(&all), 2);
}

static DESTROYED: AtomicUsize = AtomicUsize::new(0);

fn key(destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> libc::pthread_key_t {
    let mut key = 0;
    // SAFETY: a place of ours.
    assert_eq!(unsafe { libc::pthread_key_create(&raw mut key, destructor) }, 0);
    key
}

/// Sets its key once more: libc calls it again, in as many as four rounds.
unsafe extern "C" fn stubborn(value: *mut c_void) {
    let rounds = DESTROYED.fetch_add(1, Ordering::SeqCst) % 3;
    if rounds < 2 {
        // SAFETY: a key of this test.
        unsafe { libc::pthread_setspecific(*STUBBORN.get().unwrap(), value) };
    }
}

static STUBBORN: OnceLock<libc::pthread_key_t> = OnceLock::new();
static PLAIN: OnceLock<libc::pthread_key_t> = OnceLock::new();

fn keys_are_empty_for_every_leg_and_their_destructors_have_run() {
    let all = threads(3, |n| {
        let keys = [*STUBBORN.get_or_init(|| key(Some(stubborn))), *PLAIN.get_or_init(|| key(None))];
        assert_eq!(DESTROYED.load(Ordering::SeqCst), 3 * n);
        for key in keys {
            // SAFETY: keys of this test; the value is never followed.
            unsafe {
                assert!(libc::pthread_getspecific(key).is_null());
                libc::pthread_setspecific(key, std::ptr::without_provenance(8));
            }
        }
        false
    });
    assert_eq!((distinct(&all), DESTROYED.load(Ordering::SeqCst)), (1, 9));
}

fn what_a_thread_may_set_in_libc_is_as_new_too() {
    let all = threads(2, |_| {
        // SAFETY: this thread's own; locales that always are.
        unsafe {
            assert_eq!(*libc::__errno_location(), 0);
            *libc::__errno_location() = libc::EPERM;
            let c = libc::newlocale(libc::LC_ALL_MASK, c"C".as_ptr(), std::ptr::null_mut());
            assert_eq!(libc::uselocale(c) as usize, usize::MAX, "the global locale");
        }
        false
    });
    assert_eq!(distinct(&all), 1);
}

fn a_thread_that_was_left_behind_ends_the_use_of_the_one_that_left_it() {
    static HOLD: Mutex<()> = Mutex::new(());
    let held = HOLD.lock().unwrap();
    let all = threads(4, |n| {
        if n == 1 {
            thread::spawn(|| drop(HOLD.lock()));
        }
        false
    });
    drop(held);
    assert_eq!((all[0], all[2]), (all[1], all[3]));
    assert_eq!(distinct(&all), 2);
}

thread_local! {
    static PLAIN_LOCAL: Cell<u64> = const { Cell::new(0x5eed) };
    static ZERO_LOCAL: Cell<u64> = const { Cell::new(0) };
    static LAZY_LOCAL: Cell<usize> = Cell::new(LAZY.fetch_add(1, Ordering::SeqCst));
    static DROPPED_LOCAL: Cell<Option<Dropped>> = const { Cell::new(None) };
}

static LAZY: AtomicUsize = AtomicUsize::new(0);
static DROPS: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Notes its drop, and makes another thread-local meanwhile, which is dropped after it.
struct Dropped(&'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPS.lock().unwrap().push(self.0);
        if self.0 == "outer" {
            thread_local!(static INNER: Dropped = const { Dropped("inner") });
            INNER.with(|_| ());
        }
    }
}

fn thread_locals_begin_anew_with_and_without_a_destructor() {
    let all = threads(3, |n| {
        assert_eq!(PLAIN_LOCAL.replace(n as u64), 0x5eed);
        assert_eq!(ZERO_LOCAL.replace(7), 0);
        assert_eq!(LAZY_LOCAL.get(), n);
        assert!(DROPPED_LOCAL.replace(Some(Dropped("outer"))).is_none());
        assert_eq!(DROPS.lock().unwrap().len(), 2 * n);
        // std keeps it in a thread-local, and its end with a key.
        assert_eq!(thread::current().name(), None);
        false
    });
    assert_eq!(distinct(&all), 1);
    assert_eq!(*DROPS.lock().unwrap(), ["outer", "inner"].repeat(3));
}
