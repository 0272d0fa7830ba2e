//! The memory in which a case leaves its result: shared by the server and its children, so that a result is neither copied
//! nor waited for.

use std::io;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The beginning of the memory.
#[repr(C)]
struct Head {
    /// How many bytes have been written after it.
    length: AtomicUsize,
    state: AtomicU32,
}

const PART: u32 = 0;
const WHOLE: u32 = 1;
const TOO_MUCH: u32 = 2;

/// How much of a result there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Perhaps not all of it.
    Part,
    /// All of it.
    Whole,
    /// More than fits.
    TooMuch,
}

/// Where the bytes begin: on a cache line of their own.
const BYTES_AT: usize = 64;

/// What a small result leaves resident, for the next one. More is given back.
const KEPT_BYTES: usize = 1 << 20;

/// Memory for one result at a time.
#[derive(Debug)]
pub(super) struct Region {
    start: NonNull<u8>,
    bytes_max: usize,
}

// SAFETY: the memory belongs to the region as a box's does to the box.
unsafe impl Send for Region {}

impl Region {
    pub(super) fn new(bytes_max: usize) -> io::Result<Region> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new memory at an address of the system's choice.
        let start = unsafe { libc::mmap(ptr::null_mut(), BYTES_AT + bytes_max, protection, flags, -1, 0) };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast::<libc::c_void>() != libc::MAP_FAILED => Ok(Region { start, bytes_max }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn head(&self) -> &Head {
        // SAFETY: mapped, aligned to a page, zero to begin with, and only ever used as a head, by atomics.
        unsafe { self.start.cast::<Head>().as_ref() }
    }

    /// Forgets what was written.
    pub(super) fn clear(&mut self) {
        let written = self.head().length.swap(0, Ordering::Relaxed).min(self.bytes_max);
        self.head().state.store(PART, Ordering::Relaxed);
        if written > KEPT_BYTES {
            // SAFETY: whole pages of ours that nobody refers to. Where it is refused the memory stays, which does no harm.
            unsafe { libc::madvise(self.start.as_ptr().cast(), BYTES_AT + self.bytes_max, libc::MADV_REMOVE) };
        }
    }

    /// Adds to what is written.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let at = self.head().length.load(Ordering::Relaxed);
        if self.bytes_max - at < bytes.len() {
            self.head().state.store(TOO_MUCH, Ordering::Relaxed);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // SAFETY: so many bytes are left from there on, and nobody else refers to them.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(BYTES_AT + at), bytes.len()) };
        self.head().length.store(at + bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    /// Says that this was all.
    pub(super) fn finish(&mut self) {
        // Release: the bytes before it. If there was too much, that stays said.
        let _ = self.head().state.compare_exchange(PART, WHOLE, Ordering::Release, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> Written {
        match self.head().state.load(Ordering::Acquire) {
            WHOLE => Written::Whole,
            PART => Written::Part,
            // Also what a stray write of a case has left there.
            _ => Written::TooMuch,
        }
    }

    /// What is written.
    pub(super) fn bytes(&self) -> &[u8] {
        let length = self.head().length.load(Ordering::Relaxed).min(self.bytes_max);
        // SAFETY: so many bytes are mapped, and whoever wrote them is gone.
        unsafe { slice::from_raw_parts(self.start.as_ptr().add(BYTES_AT), length) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, with that length, and no longer referred to.
        unsafe { libc::munmap(self.start.as_ptr().cast(), BYTES_AT + self.bytes_max) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_until_it_is_cleared() {
        let mut region = Region::new(2 << 20).unwrap();
        for fill in [1, 2] {
            assert_eq!((region.written(), region.bytes()), (Written::Part, &[][..]));
            let large = vec![fill; (1 << 20) + 1];
            assert_eq!(region.append(&large).unwrap(), large.len());
            assert_eq!(region.append(b"end").unwrap(), 3);
            assert_eq!(region.written(), Written::Part);
            region.finish();
            assert_eq!(region.written(), Written::Whole);
            assert!(region.bytes() == [&large[..], b"end"].concat());
            region.clear();
        }
    }

    #[test]
    fn too_much_is_never_whole() {
        let mut region = Region::new(4).unwrap();
        assert_eq!(region.append(b"1234").unwrap(), 4);
        assert_eq!(region.append(b"5").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        region.finish();
        assert_eq!(region.written(), Written::TooMuch);
        region.clear();
        assert_eq!(region.written(), Written::Part);
    }
}
