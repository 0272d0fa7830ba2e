//! The environment of a forked case: a fixed one, and not whatever the server was started with.

use std::ffi::{CString, c_char};
use std::ptr;

unsafe extern "C" {
    // POSIX: assigning it replaces the environment.
    static mut environ: *mut *mut c_char;
    // Reads `TZ` anew: `localtime_r` need not.
    fn tzset();
}

/// Replaces this process's environment for good. Names that are empty or hold a `=`, and anything with a NUL, cannot be
/// in an environment and are left out.
///
/// # Safety
///
/// The process has one thread.
pub(super) unsafe fn replace(variables: &[(String, String)]) {
    let valid = variables.iter().filter(|(name, _)| !name.is_empty() && !name.contains('='));
    let strings = valid.filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok());
    let mut array: Vec<*mut c_char> = strings.map(CString::into_raw).collect();
    array.push(ptr::null_mut());
    // Whoever asks for a variable gets a pointer into these: they are never freed.
    let array = array.leak();
    // SAFETY: nobody else looks on, as the caller promises; the array ends with a null pointer and stays.
    unsafe {
        environ = array.as_mut_ptr();
        tzset();
    }
}
