//! The environment of simulated programs: replaced whole, and put back. One test, so that no other thread looks on.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::env;
use std::ffi::CString;

use stormglass_sys::seal::Environment;

/// Hours by which local time is ahead of UTC.
fn ahead_hours() -> i64 {
    let (now, mut local) = (1_700_000_000, std::mem::MaybeUninit::<libc::tm>::uninit());
    // SAFETY: pointers to locals; `localtime_r` writes the whole record unless it fails.
    let local = unsafe {
        assert!(!libc::localtime_r(&raw const now, local.as_mut_ptr()).is_null());
        local.assume_init()
    };
    local.tm_gmtoff / 3_600
}

#[test]
fn a_replaced_environment_is_all_there_is_until_it_is_dropped() {
    // SAFETY: this process has no other test.
    unsafe {
        env::set_var("STORMGLASS_OUTSIDE", "1");
        env::set_var("TZ", "EAST-5");
    }
    let before: Vec<_> = env::vars_os().collect();
    assert_eq!(ahead_hours(), 5);
    // SAFETY: as above.
    let replaced =
        unsafe { Environment::replace(&[("TZ", "UTC0"), ("HOME", "/root"), ("NOT=VALID", "x"), ("NUL", "\0")]) };
    assert_eq!(env::vars().collect::<Vec<_>>(), [("TZ", "UTC0"), ("HOME", "/root")].map(|(n, v)| (n.into(), v.into())));
    assert_eq!((env::var("STORMGLASS_OUTSIDE").ok(), env::var("HOME").as_deref()), (None, Ok("/root")));
    assert_eq!(ahead_hours(), 0);
    let home = CString::new("HOME").expect("no NUL");
    // SAFETY: C strings.
    assert_eq!(unsafe { std::ffi::CStr::from_ptr(libc::getenv(home.as_ptr())) }.to_bytes(), b"/root", "C code too");
    // SAFETY: as above.
    unsafe { env::set_var("HOME", "/elsewhere") };
    assert_eq!(env::var("HOME").as_deref(), Ok("/elsewhere"));
    drop(replaced);
    assert_eq!(env::vars_os().collect::<Vec<_>>(), before);
    assert_eq!(ahead_hours(), 5);
}
