//! The environment that simulated programs see: a fixed one, and not whatever the process was started with.

use std::ffi::{CString, c_char};
use std::marker::PhantomData;
use std::ptr;

/// A fixed environment, in place of the process's own while this lives.
///
/// It is the process's, and so of all its threads: a process holds one at a time, and it is laid down before another
/// thread asks for a variable. What a program sets meanwhile is forgotten at the end.
#[derive(Debug)]
pub struct Environment {
    #[cfg(sealed_tier)]
    before: *mut *mut c_char,
    /// Kept for as long as somebody may look into it; `setenv` may have copied the array, but never the strings.
    _variables: Vec<CString>,
    _array: Vec<*mut c_char>,
    not_send: PhantomData<*const ()>,
}

#[cfg(sealed_tier)]
unsafe extern "C" {
    // POSIX: assigning it replaces the environment.
    static mut environ: *mut *mut c_char;
    // Reads `TZ` anew. `localtime_r` need not.
    fn tzset();
}

impl Environment {
    /// Puts `variables`, name and value, in place. Names with a `=` or NUL and values with a NUL are left out.
    ///
    /// Outside the sealed tier nothing is changed.
    ///
    /// # Safety
    ///
    /// No other thread of the process reads or changes the environment while this call runs, nor while the guard is
    /// dropped.
    #[must_use = "the former environment is back when the guard is dropped"]
    pub unsafe fn replace(variables: &[(&str, &str)]) -> Environment {
        let valid = variables.iter().filter(|(name, _)| !name.is_empty() && !name.contains('='));
        let variables: Vec<CString> =
            valid.filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok()).collect();
        let mut array: Vec<*mut c_char> = variables.iter().map(|variable| variable.as_ptr().cast_mut()).collect();
        array.push(ptr::null_mut());
        // SAFETY: the caller keeps other threads away; the array ends with a null pointer and lives in the guard.
        #[cfg(sealed_tier)]
        let before = unsafe {
            let before = environ;
            environ = array.as_mut_ptr();
            tzset();
            before
        };
        Environment {
            #[cfg(sealed_tier)]
            before,
            _variables: variables,
            _array: array,
            not_send: PhantomData,
        }
    }
}

#[cfg(sealed_tier)]
impl Drop for Environment {
    fn drop(&mut self) {
        // SAFETY: as for `replace`; the former array belongs to libc or to the guard around this one.
        unsafe {
            environ = self.before;
            tzset();
        }
    }
}
