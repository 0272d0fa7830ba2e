//! What is to happen when a thread ends: the destructors of its thread-locals and of its keys. They are libc's, as always, but on
//! a thread whose thread-locals are to be [made as new](crate::seal::renewal) while it lives: there they are noted.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use libc::{c_int, c_void, pthread_key_t};

use crate::seal::renewal;

pub(in crate::seal) type Destructor = unsafe extern "C" fn(*mut c_void);

/// What glibc has room for (`PTHREAD_KEYS_MAX`).
const KEYS_MAX: usize = 1024;

const UNKNOWN: usize = 0;
/// No function has this address.
const WITHOUT_DESTRUCTOR: usize = 1;

/// By key: [`UNKNOWN`], [`WITHOUT_DESTRUCTOR`] or the address of its destructor.
static KEYS: [AtomicUsize; KEYS_MAX] = [const { AtomicUsize::new(UNKNOWN) }; KEYS_MAX];

/// Above every key that was ever known.
static KEYS_END: AtomicU32 = AtomicU32::new(0);

/// glibc gives the lowest key that is free: whoever made one unseen has one of these, or one just above those known.
const UNSEEN: u32 = 32;

/// The keys that may have a value.
pub(in crate::seal) fn keys() -> std::ops::Range<pthread_key_t> {
    0..(KEYS_END.load(Ordering::Relaxed) + UNSEEN).min(KEYS_MAX as u32)
}

/// The destructor of `key`, if it has one. The outer `None`: nobody saw who made it.
pub(in crate::seal) fn destructor(key: pthread_key_t) -> Option<Option<Destructor>> {
    match KEYS.get(key as usize).map_or(UNKNOWN, |known| known.load(Ordering::Acquire)) {
        UNKNOWN => None,
        WITHOUT_DESTRUCTOR => Some(None),
        // SAFETY: noted below, and of this type there.
        address => Some(Some(unsafe { std::mem::transmute::<usize, Destructor>(address) })),
    }
}

interpose! {
    THREAD_ENDS;

    fn __cxa_thread_atexit_impl(routine: Destructor, object: *mut c_void, dso: *mut c_void) -> c_int {
        if renewal::note(routine, object, dso) {
            return 0;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::__cxa_thread_atexit_impl(routine, object, dso) }
    }

    fn pthread_key_create(key: *mut pthread_key_t, destructor: Option<Destructor>) -> c_int {
        // SAFETY: the caller's own arguments, unchanged.
        let answer = unsafe { real::pthread_key_create(key, destructor) };
        if answer == 0 {
            // SAFETY: the caller's place, where libc has just put the key.
            let key = unsafe { *key };
            KEYS_END.fetch_max(key + 1, Ordering::Relaxed);
            if let Some(known) = KEYS.get(key as usize) {
                known.store(destructor.map_or(WITHOUT_DESTRUCTOR, |d| d as usize), Ordering::Release);
            }
        }
        answer
    }

    fn pthread_key_delete(key: pthread_key_t) -> c_int {
        if let Some(known) = KEYS.get(key as usize) {
            // Before it is free for others.
            known.store(UNKNOWN, Ordering::Release);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::pthread_key_delete(key) }
    }
}

/// Has libc run `routine` when this thread ends, as though nobody were in between.
pub(in crate::seal) fn leave_to_libc(routine: Destructor, object: *mut c_void, dso: *mut c_void) {
    // SAFETY: what somebody asked for, in the order in which it was asked for.
    unsafe { real::__cxa_thread_atexit_impl(routine, object, dso) };
}
