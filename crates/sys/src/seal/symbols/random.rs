//! Entropy: drawn from the node's world. `/dev/urandom` is one of its files.

use std::ptr;

use libc::{c_int, c_uint, c_void, size_t, ssize_t};

use crate::seal::interpose::{ask, fail};

/// Fills the caller's buffer from the world; `false` if no world is current.
///
/// # Safety
///
/// `buf` is valid for writes of `length` bytes, or `length` is zero.
unsafe fn fill(buf: *mut c_void, length: size_t) -> bool {
    ask(|hooks| {
        if length == 0 {
            return Some(());
        }
        let bytes = buf.cast::<u8>();
        // SAFETY: valid for writes as the caller promises. Zeroed first: the memory may be uninitialised, a slice may
        // not.
        let bytes = unsafe {
            ptr::write_bytes(bytes, 0, length);
            std::slice::from_raw_parts_mut(bytes, length)
        };
        hooks.fill_random(bytes).then_some(())
    })
    .is_some()
}

interpose! {
    RANDOM;

    fn getrandom(buf: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
        if crate::seal::is_simulated() && buf.is_null() && length > 0 {
            return fail(libc::EFAULT);
        }
        // SAFETY: the caller's buffer, not null, of the caller's length.
        if unsafe { fill(buf, length) } {
            return ssize_t::try_from(length).unwrap_or(ssize_t::MAX);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getrandom(buf, length, flags) }
    }

    fn getentropy(buf: *mut c_void, length: size_t) -> c_int {
        if crate::seal::is_simulated() && length > 256 {
            return fail(libc::EIO);
        }
        // SAFETY: the caller's buffer of the caller's length.
        if unsafe { fill(buf, length) } {
            return 0;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getentropy(buf, length) }
    }

    fn arc4random() -> u32 {
        let mut bytes = [0; 4];
        // SAFETY: the buffer is four bytes.
        if unsafe { fill(bytes.as_mut_ptr().cast(), bytes.len()) } {
            return u32::from_le_bytes(bytes);
        }
        // SAFETY: `arc4random` takes nothing.
        unsafe { real::arc4random() }
    }

    fn arc4random_buf(buf: *mut c_void, length: size_t) {
        // SAFETY: the caller's buffer of the caller's length.
        if unsafe { fill(buf, length) } {
            return;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::arc4random_buf(buf, length) }
    }

    fn arc4random_uniform(bound: u32) -> u32 {
        let mut bytes = [0; 8];
        // SAFETY: the buffer is eight bytes.
        if unsafe { fill(bytes.as_mut_ptr().cast(), bytes.len()) } {
            // The high half of a 64-bit product: the bias is below 2^-32.
            let wide = u128::from(u64::from_le_bytes(bytes)) * u128::from(bound);
            return u32::try_from(wide >> 64).unwrap_or(0);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::arc4random_uniform(bound) }
    }
}
