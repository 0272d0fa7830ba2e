//! Memory: a simulated process that is to get no more is asked for each allocation; all others go by.
//!
//! The functions beneath are glibc's own by their second names, which need no looking up: the loader and `dlsym` allocate
//! before anything could be looked up. What is freed is not counted, since its size is not known here to the byte: glibc rounds it up
//! by what its heap looks like, which no seed decides.

use std::ffi::{c_int, c_void};

use libc::size_t;

use crate::seal::interpose::{ask, fail};
use crate::seal::meter::is_metered;

/// Whether an allocation is to be made.
#[inline(always)]
fn granted(bytes: size_t) -> bool {
    !is_metered() || is_granted(bytes)
}

#[cold]
fn is_granted(bytes: size_t) -> bool {
    ask(|hooks| Some(hooks.allocates(bytes))).unwrap_or(true)
}

unsafe extern "C" {
    fn __libc_malloc(size: size_t) -> *mut c_void;
    fn __libc_calloc(count: size_t, size: size_t) -> *mut c_void;
    fn __libc_realloc(old: *mut c_void, size: size_t) -> *mut c_void;
    fn __libc_memalign(alignment: size_t, size: size_t) -> *mut c_void;
}

interpose! {
    MEMORY;

    fn malloc(size: size_t) -> *mut c_void {
        if !granted(size) {
            return fail(libc::ENOMEM);
        }
        // SAFETY: libc's own function.
        unsafe { __libc_malloc(size) }
    }

    fn calloc(count: size_t, size: size_t) -> *mut c_void {
        if !granted(count.saturating_mul(size)) {
            return fail(libc::ENOMEM);
        }
        // SAFETY: libc's own function.
        unsafe { __libc_calloc(count, size) }
    }

    // What is made larger counts whole: it may move, and is then there twice.
    fn realloc(old: *mut c_void, size: size_t) -> *mut c_void {
        if !granted(size) {
            return fail(libc::ENOMEM);
        }
        // SAFETY: libc's own function, and what the caller had of it.
        unsafe { __libc_realloc(old, size) }
    }

    fn memalign(alignment: size_t, size: size_t) -> *mut c_void {
        if !granted(size) {
            return fail(libc::ENOMEM);
        }
        // SAFETY: libc's own function.
        unsafe { __libc_memalign(alignment, size) }
    }

    fn aligned_alloc(alignment: size_t, size: size_t) -> *mut c_void {
        if !granted(size) {
            return fail(libc::ENOMEM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::aligned_alloc(alignment, size) }
    }

    fn posix_memalign(out: *mut *mut c_void, alignment: size_t, size: size_t) -> c_int {
        if !granted(size) {
            return libc::ENOMEM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::posix_memalign(out, alignment, size) }
    }
}
