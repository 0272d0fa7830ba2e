//! Directory streams: `opendir` and `fdopendir` of a simulated directory give a stream of ours, told from libc's by what it
//! begins with.

use std::ptr;

use libc::{DIR, c_int, c_long, dirent, dirent64};

use super::file_calls::asked_of;
use crate::seal::files::{FILE_DESCRIPTOR_MIN, FileCall, FileEntry};

/// No stream of glibc begins so: its first word is a descriptor and a lock.
const OURS: u64 = 0x7374_6f72_6d67_6c61;

#[repr(C)]
struct Stream {
    magic: u64,
    fd: c_int,
    /// None before the first look since it was opened or rewound: what is there is read when it is asked for.
    entries: Option<Vec<FileEntry>>,
    next: usize,
    entry: dirent64,
}

/// A stream of an open simulated directory, which it takes over.
pub(super) fn open(fd: c_int) -> *mut DIR {
    // SAFETY: the struct is of numbers and arrays of numbers, for which zeros are valid.
    let entry = unsafe { std::mem::zeroed() };
    Box::into_raw(Box::new(Stream { magic: OURS, fd, entries: None, next: 0, entry })).cast()
}

/// The stream behind a pointer, if it is one of ours.
///
/// # Safety
///
/// `stream` is null or came from `opendir` or `fdopendir`, and is not closed.
unsafe fn ours<'a>(stream: *mut DIR) -> Option<&'a mut Stream> {
    // SAFETY: libc's streams are longer than a word too.
    if stream.is_null() || unsafe { stream.cast::<u64>().read_unaligned() } != OURS {
        return None;
    }
    // SAFETY: only `open` makes a stream that begins so.
    Some(unsafe { &mut *stream.cast::<Stream>() })
}

fn look(fd: c_int) -> Vec<FileEntry> {
    let own = |name: &[u8]| FileEntry { name: name.to_vec(), kind: libc::DT_DIR, inode: 2 };
    let mut entries = vec![own(b"."), own(b"..")];
    let mut names = Vec::new();
    if asked_of(fd, || FileCall::Entries { fd, out: &mut names }) == Some(0) {
        entries.append(&mut names);
        return entries;
    }
    // Errno is set, and the end comes at once.
    Vec::new()
}

/// The next entry, or null at the end.
fn next(stream: &mut Stream) -> *mut dirent64 {
    let fd = stream.fd;
    let entries = stream.entries.get_or_insert_with(|| look(fd));
    let Some(found) = entries.get(stream.next) else { return ptr::null_mut() };
    stream.next += 1;
    let entry = &mut stream.entry;
    entry.d_ino = found.inode;
    entry.d_off = stream.next as i64;
    entry.d_type = found.kind;
    entry.d_reclen = size_of::<dirent64>() as u16;
    let len = found.name.len().min(entry.d_name.len() - 1);
    for (to, from) in entry.d_name.iter_mut().zip(&found.name[..len]) {
        *to = (*from).cast_signed() as libc::c_char;
    }
    entry.d_name[len] = 0;
    entry
}

interpose! {
    DIRECTORIES;

    fn fdopendir(fd: c_int) -> *mut DIR {
        if fd >= FILE_DESCRIPTOR_MIN {
            return open(fd);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::fdopendir(fd) }
    }

    fn readdir64(stream: *mut DIR) -> *mut dirent64 {
        // SAFETY: the caller's stream.
        if let Some(stream) = unsafe { ours(stream) } {
            return next(stream);
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::readdir64(stream) }
    }

    fn readdir(stream: *mut DIR) -> *mut dirent {
        // SAFETY: the caller's stream.
        if let Some(stream) = unsafe { ours(stream) } {
            // The two types are one on both targets.
            return next(stream).cast();
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::readdir(stream) }
    }

    fn closedir(stream: *mut DIR) -> c_int {
        // SAFETY: the caller's stream.
        if let Some(ours) = unsafe { ours(stream) } {
            let fd = ours.fd;
            ours.magic = 0;
            // SAFETY: `open` made it of a box, and its owner gives it back here.
            drop(unsafe { Box::from_raw(stream.cast::<Stream>()) });
            return asked_of(fd, || FileCall::Close { fd }).map_or(0, |answer| answer.max(0)) as c_int;
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::closedir(stream) }
    }

    fn dirfd(stream: *mut DIR) -> c_int {
        // SAFETY: the caller's stream.
        if let Some(stream) = unsafe { ours(stream) } {
            return stream.fd;
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::dirfd(stream) }
    }

    fn rewinddir(stream: *mut DIR) {
        // SAFETY: the caller's stream.
        if let Some(stream) = unsafe { ours(stream) } {
            (stream.entries, stream.next) = (None, 0);
            return;
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::rewinddir(stream) }
    }

    fn telldir(stream: *mut DIR) -> c_long {
        // SAFETY: the caller's stream.
        if let Some(stream) = unsafe { ours(stream) } {
            return stream.next as c_long;
        }
        // SAFETY: the caller's own argument, unchanged.
        unsafe { real::telldir(stream) }
    }

    fn seekdir(stream: *mut DIR, place: c_long) {
        // SAFETY: the caller's stream.
        if let Some(stream) = unsafe { ours(stream) } {
            stream.next = usize::try_from(place).unwrap_or(0);
            return;
        }
        // SAFETY: the caller's own arguments, unchanged.
        unsafe { real::seekdir(stream, place) }
    }
}
