//! Linux error numbers: what a file operation can fail with, as `errno(3)` numbers them.

use std::io;

/// An error number of Linux, the same on x86-64 and aarch64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

impl Errno {
    /// Operation not permitted.
    pub const EPERM: Self = Self(1);
    /// No such file or directory.
    pub const ENOENT: Self = Self(2);
    /// Interrupted system call.
    pub const EINTR: Self = Self(4);
    /// Input/output error.
    pub const EIO: Self = Self(5);
    /// No such device or address: no data or hole at or beyond an offset.
    pub const ENXIO: Self = Self(6);
    /// Bad file descriptor: not open, or not open for this.
    pub const EBADF: Self = Self(9);
    /// Resource temporarily unavailable: a lock that another holds.
    pub const EAGAIN: Self = Self(11);
    /// Cannot allocate memory.
    pub const ENOMEM: Self = Self(12);
    /// Permission denied.
    pub const EACCES: Self = Self(13);
    /// Device or resource busy.
    pub const EBUSY: Self = Self(16);
    /// File exists.
    pub const EEXIST: Self = Self(17);
    /// Invalid cross-device link.
    pub const EXDEV: Self = Self(18);
    /// No such device: the file cannot be mapped.
    pub const ENODEV: Self = Self(19);
    /// Not a directory.
    pub const ENOTDIR: Self = Self(20);
    /// Is a directory.
    pub const EISDIR: Self = Self(21);
    /// Invalid argument.
    pub const EINVAL: Self = Self(22);
    /// Too many open files.
    pub const EMFILE: Self = Self(24);
    /// File too large.
    pub const EFBIG: Self = Self(27);
    /// No space left on device.
    pub const ENOSPC: Self = Self(28);
    /// Illegal seek: an offset where there are none.
    pub const ESPIPE: Self = Self(29);
    /// Read-only file system.
    pub const EROFS: Self = Self(30);
    /// Numerical result out of range: a buffer is too small.
    pub const ERANGE: Self = Self(34);
    /// Resource deadlock avoided.
    pub const EDEADLK: Self = Self(35);
    /// File name too long.
    pub const ENAMETOOLONG: Self = Self(36);
    /// Function not implemented.
    pub const ENOSYS: Self = Self(38);
    /// Directory not empty.
    pub const ENOTEMPTY: Self = Self(39);
    /// Too many levels of symbolic links, or one where none may be.
    pub const ELOOP: Self = Self(40);
    /// Operation not supported.
    pub const EOPNOTSUPP: Self = Self(95);
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}
