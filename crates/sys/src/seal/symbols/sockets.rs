//! Real sockets, refused; but for a TCP socket that is neither bound nor connected: it reaches nobody.
//! Programs set options on one and hand it to their runtime, which makes a simulated socket of it (so does hyper-util's
//! connector). Whatever would make it reach somebody is refused.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use libc::{c_char, c_int, c_void, hostent, msghdr, size_t, sockaddr, socklen_t, ssize_t};

use super::file_rules::text;
use crate::seal::interpose::{fail, refused};

/// A socket address as text, for the name of a leak.
///
/// # Safety
///
/// `address` is null or valid for reads of `length` bytes, and aligned as its family asks.
unsafe fn describe(address: *const sockaddr, length: socklen_t) -> String {
    let length = usize::try_from(length).unwrap_or(0);
    if address.is_null() || length < size_of::<libc::sa_family_t>() {
        return "no address".to_owned();
    }
    // SAFETY: every socket address begins with its family.
    let family = c_int::from(unsafe { (*address).sa_family });
    match family {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: long enough, and of this family.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            SocketAddr::from((ip, u16::from_be(v4.sin_port))).to_string()
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: long enough, and of this family.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            SocketAddr::from((ip, u16::from_be(v6.sin6_port))).to_string()
        }
        libc::AF_UNIX => "a Unix socket".to_owned(),
        other => format!("address family {other}"),
    }
}

/// Whether a new socket of this kind reaches nobody by itself: TCP, until it is bound or connected.
fn is_inert(domain: c_int, kind: c_int) -> bool {
    let kind = kind & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    matches!(domain, libc::AF_INET | libc::AF_INET6) && kind == libc::SOCK_STREAM
}

interpose! {
    SOCKETS;

    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
        if !is_inert(domain, kind) && refused("socket", || format!("domain {domain}, type {kind}, protocol {protocol}")) {
            return fail(libc::EPERM);
        }
        // SAFETY: numbers.
        unsafe { real::socket(domain, kind, protocol) }
    }

    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
        if refused("socketpair", || format!("domain {domain}, type {kind}")) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::socketpair(domain, kind, protocol, pair) }
    }

    fn connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
        // SAFETY: the caller's address and its length.
        if refused("connect", || unsafe { describe(address, length) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::connect(fd, address, length) }
    }

    fn bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
        // SAFETY: the caller's address and its length.
        if refused("bind", || unsafe { describe(address, length) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::bind(fd, address, length) }
    }

    fn listen(fd: c_int, backlog: c_int) -> c_int {
        if refused("listen", || format!("backlog {backlog}")) {
            return fail(libc::EPERM);
        }
        // SAFETY: numbers.
        unsafe { real::listen(fd, backlog) }
    }

    fn sendto(
        fd: c_int,
        buffer: *const c_void,
        length: size_t,
        flags: c_int,
        address: *const sockaddr,
        address_length: socklen_t,
    ) -> ssize_t {
        // SAFETY: the caller's address and its length.
        if refused("sendto", || unsafe { describe(address, address_length) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::sendto(fd, buffer, length, flags, address, address_length) }
    }

    fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
        if refused("sendmsg", || "a message of a socket".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::sendmsg(fd, message, flags) }
    }

    fn gethostbyname(name: *const c_char) -> *mut hostent {
        // SAFETY: the caller's name, null or a C string.
        if refused("gethostbyname", || unsafe { text(name) }) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::gethostbyname(name) }
    }

    fn getifaddrs(out: *mut *mut c_void) -> c_int {
        if refused("getifaddrs", || "the machine's network interfaces".to_owned()) {
            return fail(libc::EPERM);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::getifaddrs(out) }
    }
}
