//! Name resolution: the simulated network's names, in the lists that libc would have made.

use std::ffi::{CStr, CString};
use std::net::IpAddr;
use std::ptr;

use libc::{addrinfo, c_char, c_int};

use super::file_rules::text;
use crate::seal::current::host;
use crate::seal::hooks::Lookup;
use crate::seal::interpose::{ask, refused, set_errno};

/// What only a list of names on the machine could answer: services by name, and the one name of several.
///
/// # Safety
///
/// `service` is null or a C string; `hints` is null or valid.
unsafe fn asks_the_machine(service: *const c_char, hints: *const addrinfo) -> bool {
    // SAFETY: as the caller promises.
    let by_name =
        !service.is_null() && unsafe { CStr::from_ptr(service) }.to_bytes().iter().any(|b| !b.is_ascii_digit());
    // SAFETY: as the caller promises.
    by_name || (!hints.is_null() && unsafe { (*hints).ai_flags } & libc::AI_CANONNAME != 0)
}

/// Makes the list for `addresses`. Each is turned into its part by libc itself, which reads nothing for an address in
/// numbers, and whose `freeaddrinfo` frees the parts of a list one by one.
///
/// # Safety
///
/// As for `getaddrinfo`.
unsafe fn list(addresses: &[IpAddr], service: *const c_char, hints: *const addrinfo, out: *mut *mut addrinfo) -> c_int {
    // SAFETY: numbers and null pointers; `hints` is null or valid.
    let mut numeric: addrinfo = unsafe { if hints.is_null() { std::mem::zeroed() } else { *hints } };
    // AI_ADDRCONFIG would look at the machine's interfaces.
    numeric.ai_flags =
        numeric.ai_flags & (libc::AI_V4MAPPED | libc::AI_PASSIVE) | libc::AI_NUMERICHOST | libc::AI_NUMERICSERV;
    let mut failure = libc::EAI_NONAME;
    let mut end = out;
    // SAFETY: the caller's place for the list.
    unsafe { *out = ptr::null_mut() };
    for address in addresses {
        let Ok(address) = CString::new(address.to_string()) else { continue };
        // SAFETY: a C string, the caller's service, hints of our own, and a null pointer to fill.
        let answer = host(|| unsafe { real::getaddrinfo(address.as_ptr(), service, &raw const numeric, end) });
        if answer != 0 {
            // An address of another family than is asked for is left out.
            failure = answer;
            continue;
        }
        // SAFETY: libc's list, which ends with null.
        unsafe {
            while !(*end).is_null() {
                end = &raw mut (**end).ai_next;
            }
        }
    }
    // SAFETY: set above.
    if unsafe { (*out).is_null() } { failure } else { 0 }
}

interpose! {
    NAMES;

    fn getaddrinfo(node: *const c_char, service: *const c_char, hints: *const addrinfo, out: *mut *mut addrinfo) -> c_int {
        // SAFETY: the caller's own arguments.
        if !node.is_null() && !unsafe { asks_the_machine(service, hints) } {
            // SAFETY: a C string, as it is not null.
            let name = unsafe { CStr::from_ptr(node) }.to_string_lossy();
            match ask(|hooks| hooks.resolve(&name)) {
                // SAFETY: the caller's own arguments, and the place that it gives for the list.
                Some(Lookup::Found(addresses)) => return unsafe { list(&addresses, service, hints, out) },
                Some(Lookup::Unknown) => return libc::EAI_NONAME,
                Some(Lookup::Again) => return libc::EAI_AGAIN,
                None => {}
            }
        }
        // SAFETY: the caller's name, null or a C string.
        if refused("getaddrinfo", || unsafe { text(node) }) {
            set_errno(libc::EPERM);
            return libc::EAI_SYSTEM;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::getaddrinfo(node, service, hints, out) }
    }
}
