//! Calls on descriptors. Those of simulated files, which lie in a range of their own, go to the node's disk; all others are
//! real: standard input, output and error, and what Stormglass itself has open.

use libc::{c_int, c_void, iovec, mode_t, off_t, off64_t, size_t, ssize_t, timespec};

use super::stats::times_ns;
use crate::seal::current;
use crate::seal::files::{FILE_DESCRIPTOR_MIN, FileCall};
use crate::seal::interpose::{fail, set_errno};

/// Asks the node's files. `None` on a thread that is in no simulation, or in one without files.
pub(super) fn asked<'a>(call: impl FnOnce() -> FileCall<'a>) -> Option<i64> {
    let hooks = current::simulation()?;
    current::host(|| {
        let files = hooks.files()?;
        Some(files.call(call()).unwrap_or_else(|errno| {
            set_errno(errno);
            -1
        }))
    })
}

/// Asks about a descriptor; `None` when it is a real one. A simulated one outside its simulation is a bad one.
pub(super) fn asked_of<'a>(fd: c_int, call: impl FnOnce() -> FileCall<'a>) -> Option<i64> {
    if fd < FILE_DESCRIPTOR_MIN {
        return None;
    }
    Some(asked(call).unwrap_or_else(|| fail(libc::EBADF)))
}

/// A buffer to be filled.
///
/// # Safety
///
/// `buffer` is valid for writes of `size` bytes while the slice lives, or `size` is 0.
unsafe fn to_fill<'a>(buffer: *mut c_void, size: size_t) -> &'a mut [u8] {
    // SAFETY: as the caller promises. The bytes may be uninitialised: they are written before they are read.
    if size == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(buffer.cast(), size) } }
}

/// Bytes to be written.
///
/// # Safety
///
/// `buffer` is valid for reads of `size` bytes while the slice lives, or `size` is 0.
unsafe fn to_take<'a>(buffer: *const c_void, size: size_t) -> &'a [u8] {
    // SAFETY: as the caller promises.
    if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(buffer.cast(), size) } }
}

/// Reads into several buffers in turn.
///
/// # Safety
///
/// `list` has `count` buffers, each valid for writes.
unsafe fn read_all(fd: c_int, list: *const iovec, count: c_int, at: Option<i64>) -> ssize_t {
    // SAFETY: as the caller promises.
    let list = unsafe { std::slice::from_raw_parts(list, usize::try_from(count).unwrap_or(0)) };
    let wanted = list.iter().map(|part| part.iov_len).sum();
    let mut bytes = vec![0; wanted];
    let read = asked_of(fd, || FileCall::Read { fd, buffer: &mut bytes, at }).unwrap_or(-1);
    let mut rest = &bytes[..usize::try_from(read).unwrap_or(0)];
    for part in list {
        let (now, later) = rest.split_at(part.iov_len.min(rest.len()));
        // SAFETY: as the caller promises.
        unsafe { to_fill(part.iov_base, now.len()) }.copy_from_slice(now);
        rest = later;
    }
    read as ssize_t
}

/// Writes several buffers as one.
///
/// # Safety
///
/// `list` has `count` buffers, each valid for reads.
unsafe fn write_all(fd: c_int, list: *const iovec, count: c_int, at: Option<i64>) -> ssize_t {
    // SAFETY: as the caller promises.
    let list = unsafe { std::slice::from_raw_parts(list, usize::try_from(count).unwrap_or(0)) };
    let mut bytes = Vec::new();
    for part in list {
        // SAFETY: as the caller promises.
        bytes.extend_from_slice(unsafe { to_take(part.iov_base, part.iov_len) });
    }
    asked_of(fd, || FileCall::Write { fd, data: &bytes, at }).unwrap_or(-1) as ssize_t
}

/// Defines calls whose first argument is a descriptor, each with what it asks of a simulated file.
macro_rules! calls {
    ($table:ident; $(
        $name:ident ( $fd:ident : c_int $(, $arg:ident : $ty:ty)* ) -> $ret:ty , $call:expr;
    )+) => {
        interpose! {
            $table;
            $(
                fn $name($fd: c_int $(, $arg: $ty)*) -> $ret {
                    // SAFETY: buffers are the caller's, valid as its call asks.
                    if let Some(answer) = asked_of($fd, || $call) {
                        return answer as $ret;
                    }
                    // SAFETY: the caller's own arguments, unchanged.
                    unsafe { real::$name($fd $(, $arg)*) }
                }
            )+
        }
    };
}

calls! {
    FILE_CALLS;
    // SAFETY: the caller's buffer, valid for as many bytes as it says, here and below.
    read(fd: c_int, buffer: *mut c_void, size: size_t) -> ssize_t, FileCall::Read { fd, buffer: unsafe { to_fill(buffer, size) }, at: None };
    // SAFETY: as above.
    pread(fd: c_int, buffer: *mut c_void, size: size_t, at: off_t) -> ssize_t, FileCall::Read { fd, buffer: unsafe { to_fill(buffer, size) }, at: Some(at) };
    // SAFETY: as above.
    pread64(fd: c_int, buffer: *mut c_void, size: size_t, at: off64_t) -> ssize_t, FileCall::Read { fd, buffer: unsafe { to_fill(buffer, size) }, at: Some(at) };
    // SAFETY: as above.
    write(fd: c_int, buffer: *const c_void, size: size_t) -> ssize_t, FileCall::Write { fd, data: unsafe { to_take(buffer, size) }, at: None };
    // SAFETY: as above.
    pwrite(fd: c_int, buffer: *const c_void, size: size_t, at: off_t) -> ssize_t, FileCall::Write { fd, data: unsafe { to_take(buffer, size) }, at: Some(at) };
    // SAFETY: as above.
    pwrite64(fd: c_int, buffer: *const c_void, size: size_t, at: off64_t) -> ssize_t, FileCall::Write { fd, data: unsafe { to_take(buffer, size) }, at: Some(at) };
    lseek(fd: c_int, offset: off_t, whence: c_int) -> off_t, FileCall::Seek { fd, offset, whence };
    lseek64(fd: c_int, offset: off64_t, whence: c_int) -> off64_t, FileCall::Seek { fd, offset, whence };
    fsync(fd: c_int) -> c_int, FileCall::Sync { fd, data_only: false };
    fdatasync(fd: c_int) -> c_int, FileCall::Sync { fd, data_only: true };
    syncfs(fd: c_int) -> c_int, FileCall::Sync { fd, data_only: false };
    sync_file_range(fd: c_int, offset: off64_t, len: off64_t, flags: libc::c_uint) -> c_int, FileCall::SyncRange { fd, offset, len, flags };
    ftruncate(fd: c_int, len: off_t) -> c_int, FileCall::SetLen { fd, len };
    ftruncate64(fd: c_int, len: off64_t) -> c_int, FileCall::SetLen { fd, len };
    fallocate(fd: c_int, mode: c_int, offset: off_t, len: off_t) -> c_int, FileCall::Allocate { fd, mode, offset, len };
    fallocate64(fd: c_int, mode: c_int, offset: off64_t, len: off64_t) -> c_int, FileCall::Allocate { fd, mode, offset, len };
    fchmod(fd: c_int, mode: mode_t) -> c_int, FileCall::SetModeOf { fd, mode };
    fchown(fd: c_int, owner: libc::uid_t, group: libc::gid_t) -> c_int, FileCall::CloseOnExec { fd, set: None };
    dup(fd: c_int) -> c_int, FileCall::Duplicate { fd, to: None, close_on_exec: false };
    dup2(fd: c_int, to: c_int) -> c_int, FileCall::Duplicate { fd, to: Some(to), close_on_exec: false };
    dup3(fd: c_int, to: c_int, flags: c_int) -> c_int, FileCall::Duplicate { fd, to: Some(to), close_on_exec: flags & libc::O_CLOEXEC != 0 };
    flock(fd: c_int, operation: c_int) -> c_int, FileCall::Lock { fd, operation };
}

/// Calls that answer otherwise than with -1 and errno, or take more than a buffer.
pub(super) mod others {
    use super::*;

    interpose! {
        FILE_OTHERS;

        fn close(fd: c_int) -> c_int {
            if fd >= FILE_DESCRIPTOR_MIN {
                // Outside its simulation a descriptor is closed already, and whoever drops it cannot know.
                return asked(|| FileCall::Close { fd }).unwrap_or(0) as c_int;
            }
            // SAFETY: the caller's own argument, unchanged.
            unsafe { real::close(fd) }
        }

        fn readv(fd: c_int, list: *const iovec, count: c_int) -> ssize_t {
            if fd >= FILE_DESCRIPTOR_MIN {
                // SAFETY: the caller's list of buffers.
                return unsafe { read_all(fd, list, count, None) };
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::readv(fd, list, count) }
        }

        fn writev(fd: c_int, list: *const iovec, count: c_int) -> ssize_t {
            if fd >= FILE_DESCRIPTOR_MIN {
                // SAFETY: the caller's list of buffers.
                return unsafe { write_all(fd, list, count, None) };
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::writev(fd, list, count) }
        }

        fn preadv(fd: c_int, list: *const iovec, count: c_int, at: off_t) -> ssize_t {
            if fd >= FILE_DESCRIPTOR_MIN {
                // SAFETY: the caller's list of buffers.
                return unsafe { read_all(fd, list, count, Some(at)) };
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::preadv(fd, list, count, at) }
        }

        fn pwritev(fd: c_int, list: *const iovec, count: c_int, at: off_t) -> ssize_t {
            if fd >= FILE_DESCRIPTOR_MIN {
                // SAFETY: the caller's list of buffers.
                return unsafe { write_all(fd, list, count, Some(at)) };
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::pwritev(fd, list, count, at) }
        }

        fn posix_fallocate(fd: c_int, offset: off_t, len: off_t) -> c_int {
            match asked_of(fd, || FileCall::Allocate { fd, mode: 0, offset, len }) {
                Some(0) => 0,
                // It answers the error number itself.
                Some(_) => std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
                // SAFETY: the caller's own arguments, unchanged.
                None => unsafe { real::posix_fallocate(fd, offset, len) },
            }
        }

        fn posix_fadvise(fd: c_int, offset: off_t, len: off_t, advice: c_int) -> c_int {
            if fd >= FILE_DESCRIPTOR_MIN {
                return 0;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::posix_fadvise(fd, offset, len, advice) }
        }

        fn futimens(fd: c_int, times: *const timespec) -> c_int {
            // SAFETY: null, or two times.
            let (accessed_ns, modified_ns) = unsafe { times_ns(times) };
            let set = || FileCall::SetTimes { dir: fd, path: None, accessed_ns, modified_ns, flags: 0 };
            if let Some(answer) = asked_of(fd, set) {
                return answer as c_int;
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::futimens(fd, times) }
        }

        fn copy_file_range(
            from: c_int,
            from_at: *mut off64_t,
            to: c_int,
            to_at: *mut off64_t,
            len: size_t,
            flags: libc::c_uint,
        ) -> ssize_t {
            if from >= FILE_DESCRIPTOR_MIN || to >= FILE_DESCRIPTOR_MIN {
                // As of a file system that does not have it: who asks copies by reading and writing.
                return fail(libc::EXDEV);
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::copy_file_range(from, from_at, to, to_at, len, flags) }
        }

        fn sendfile(to: c_int, from: c_int, offset: *mut off_t, len: size_t) -> ssize_t {
            if from >= FILE_DESCRIPTOR_MIN || to >= FILE_DESCRIPTOR_MIN {
                return fail(libc::EINVAL);
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::sendfile(to, from, offset, len) }
        }

        fn sendfile64(to: c_int, from: c_int, offset: *mut off64_t, len: size_t) -> ssize_t {
            if from >= FILE_DESCRIPTOR_MIN || to >= FILE_DESCRIPTOR_MIN {
                return fail(libc::EINVAL);
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::sendfile64(to, from, offset, len) }
        }

        fn mmap(at: *mut c_void, len: size_t, protection: c_int, flags: c_int, fd: c_int, offset: off_t) -> *mut c_void {
            if fd >= FILE_DESCRIPTOR_MIN {
                return refuse_map();
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::mmap(at, len, protection, flags, fd, offset) }
        }

        fn mmap64(at: *mut c_void, len: size_t, protection: c_int, flags: c_int, fd: c_int, offset: off64_t) -> *mut c_void {
            if fd >= FILE_DESCRIPTOR_MIN {
                return refuse_map();
            }
            // SAFETY: the caller's own arguments, unchanged.
            unsafe { real::mmap64(at, len, protection, flags, fd, offset) }
        }
    }

    /// A simulated file cannot be mapped: stores to memory are no calls, so nobody would see them.
    fn refuse_map() -> *mut c_void {
        if current::is_simulated() {
            crate::seal::leak::record("mmap", || "a simulated file; read and write it instead".to_owned());
        }
        set_errno(libc::ENODEV);
        libc::MAP_FAILED
    }
}
