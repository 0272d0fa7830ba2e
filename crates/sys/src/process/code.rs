//! The code of a fork server, in huge pages, so that its children need not fault it in piece by piece.
//!
//! A fork leaves out the pages of files: a child finds its code again by a fault for every few of them, and for a short case
//! that is a quarter to a third of what it costs. To give those pages to the child one by one costs as much. So the server moves what it
//! executes and only reads into huge pages of its own, in place, of which a fork copies one entry per 2 MiB.
//!
//! Code that does not fill such a page, where the executable's code begins and ends, gets a part of one: its pages are mapped
//! one by one then, but a fork copies the entries of pages that belong together in one go, at a third of what the faults cost.
//! Constants that do not fill one stay where they are, and those that share one with code become executable with it. Whoever
//! reads `/proc/PID/maps` finds no file there any more: `perf` cannot name what runs in it, and [`STAY`] leaves it alone.

use std::ops::Range;

/// Set, to whatever, the code stays in the pages of its file.
pub(super) const STAY: &str = "STORMGLASS_CODE_STAYS";

/// A huge page: what fork copies whole.
const HUGE_BYTES: usize = 2 << 20;

/// More than this is not moved: each server would have it for itself.
const BYTES_MAX: usize = 32 << 20;

/// Part of the executable that is mapped and not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    range: Range<usize>,
    executable: bool,
}

/// What is moved at once: whole huge pages, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    range: Range<usize>,
    executable: bool,
}

/// The huge pages that `segments` fill, in order, as many as may be. Where the executable begins stays: whoever asks the
/// system for the file of an address asks for that one.
fn blocks(segments: &[Segment]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let Some(first) = segments.iter().map(|segment| segment.range.start).min() else { return blocks };
    let Some(last) = segments.iter().map(|segment| segment.range.end).max() else { return blocks };
    let mut start = (first + 1).next_multiple_of(HUGE_BYTES);
    while start + HUGE_BYTES <= last {
        let page = start..start + HUGE_BYTES;
        start = page.end;
        let within = |segment: &&Segment| segment.range.start < page.end && page.start < segment.range.end;
        let inside = segments.iter().filter(within);
        let filled = |segment: &Segment| segment.range.end.min(page.end) - segment.range.start.max(page.start);
        if inside.clone().map(filled).sum::<usize>() < HUGE_BYTES {
            continue;
        }
        let executable = inside.clone().any(|segment| segment.executable);
        match blocks.last_mut() {
            Some(before) if before.range.end == page.start && before.executable == executable => {
                before.range.end = page.end;
            }
            _ => blocks.push(Block { range: page, executable }),
        }
    }
    let mut bytes = 0;
    blocks.retain(|block| {
        bytes += block.range.len();
        bytes <= BYTES_MAX
    });
    blocks
}

/// Less than this is not worth a mapping: the kernel maps as much around each page of a file that is asked for.
const REST_BYTES_MIN: usize = 64 << 10;

/// What is executed and not in `blocks`, in pieces that fill no huge page. The executable's first page is none of it.
fn rests(segments: &[Segment], blocks: &[Block]) -> Vec<Block> {
    let first = segments.iter().map(|segment| segment.range.start).min().unwrap_or(0);
    let mut rests = Vec::new();
    for segment in segments.iter().filter(|segment| segment.executable && segment.range.start > first) {
        let Range { mut start, end } = segment.range;
        let within = |block: &&Block| segment.range.start < block.range.end && block.range.start < end;
        for block in blocks.iter().filter(within) {
            rests.push(start..block.range.start.max(start));
            start = block.range.end;
        }
        rests.push(start..end.max(start));
    }
    rests.retain(|rest| (REST_BYTES_MIN..HUGE_BYTES).contains(&rest.len()));
    rests.into_iter().map(|range| Block { range, executable: true }).collect()
}

/// Moves the code of this process into huge pages, where the system has them. Whatever is refused leaves it as it was. Takes
/// no memory that stays.
///
/// # Safety
///
/// No other thread maps anything meanwhile, nor writes to what is only read.
pub(super) unsafe fn move_to_huge_pages() {
    // What is copied there elsewhere must be made known to the processor's cache of instructions.
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    // SAFETY: as the caller promises.
    unsafe {
        imp::move_to_huge_pages();
    }
}

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod imp {
    use std::ffi::{c_int, c_void};
    use std::fs;
    use std::io;
    use std::ptr::{self, NonNull};

    use libc::{dl_phdr_info, size_t};

    use super::{Block, HUGE_BYTES, STAY, Segment, blocks, rests};
    use crate::seal::host;

    const PAGE_BYTES: usize = 4_096;

    pub(super) unsafe fn move_to_huge_pages() {
        if std::env::var_os(STAY).is_some() || huge_page_bytes() != Some(HUGE_BYTES) {
            return;
        }
        let segments = segments();
        let whole = blocks(&segments);
        let rests = rests(&segments, &whole);
        for block in whole.into_iter().chain(rests) {
            let Ok(copy) = Copy::of(&block) else { return };
            // SAFETY: as the caller promises; the copy is of this block.
            if unsafe { copy.replace(&block) }.is_err() {
                return;
            }
        }
    }

    /// How large the huge pages are that the system gives without being asked for each.
    fn huge_page_bytes() -> Option<usize> {
        let size = host(|| fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")).ok()?;
        size.trim().parse().ok()
    }

    /// The executable's mappings that are not written to.
    fn segments() -> Vec<Segment> {
        let mut segments = Vec::new();
        // SAFETY: the callback fits the type and gets back the list that outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(note_first), (&raw mut segments).cast()) };
        segments
    }

    /// Notes the segments of the first object, which is the executable.
    unsafe extern "C" fn note_first(info: *mut dl_phdr_info, _size: size_t, data: *mut c_void) -> c_int {
        // SAFETY: the loader passes a valid record.
        let info = unsafe { &*info };
        // SAFETY: `data` is the list given to `dl_iterate_phdr`, which nobody else touches meanwhile.
        let segments = unsafe { &mut *data.cast::<Vec<Segment>>() };
        if info.dlpi_phdr.is_null() {
            return 1;
        }
        // SAFETY: the record's own array of program headers, and its length.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let at = |address: u64| usize::try_from(address).unwrap_or(0);
        for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
            let start = at(info.dlpi_addr) + at(header.p_vaddr);
            // The loader maps whole pages.
            let range = start & !(PAGE_BYTES - 1)..(start + at(header.p_memsz)).next_multiple_of(PAGE_BYTES);
            segments.push(Segment { range, executable: header.p_flags & libc::PF_X != 0 });
        }
        1
    }

    /// Huge pages that begin with what a block holds, elsewhere yet.
    struct Copy {
        start: NonNull<u8>,
        /// Whole huge pages.
        bytes: usize,
    }

    impl Copy {
        /// Fails where the system gives no huge pages.
        fn of(block: &Block) -> io::Result<Copy> {
            let copy = Copy::room_for(block.range.len().next_multiple_of(HUGE_BYTES))?;
            let before = huge_bytes()?;
            // SAFETY: whole pages of ours.
            check(unsafe { libc::madvise(copy.start.as_ptr().cast(), copy.bytes, libc::MADV_HUGEPAGE) })?;
            // SAFETY: mapped and readable over its whole length, and no longer than the copy; the two are apart.
            unsafe {
                ptr::copy_nonoverlapping(
                    ptr::with_exposed_provenance::<u8>(block.range.start),
                    copy.start.as_ptr(),
                    block.range.len(),
                );
            }
            if huge_bytes()?.saturating_sub(before) < copy.bytes {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            let protection = if block.executable { libc::PROT_READ | libc::PROT_EXEC } else { libc::PROT_READ };
            // SAFETY: whole pages of ours.
            check(unsafe { libc::mprotect(copy.start.as_ptr().cast(), copy.bytes, protection) })?;
            Ok(copy)
        }

        /// New memory that begins where a huge page does.
        fn room_for(bytes: usize) -> io::Result<Copy> {
            let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let most = bytes + HUGE_BYTES;
            // SAFETY: new memory at an address of the system's choice.
            let mapped = unsafe { libc::mmap(ptr::null_mut(), most, protection, flags, -1, 0) };
            if mapped == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let before = mapped.align_offset(HUGE_BYTES);
            let (start, after) = (mapped.wrapping_byte_add(before), most - before - bytes);
            // SAFETY: what was just mapped, without the part in its midst.
            unsafe {
                if before > 0 {
                    libc::munmap(mapped, before);
                }
                if after > 0 {
                    libc::munmap(start.wrapping_byte_add(bytes), after);
                }
            }
            NonNull::new(start.cast())
                .map(|start| Copy { start, bytes })
                .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
        }

        /// Puts it where the block is.
        ///
        /// # Safety
        ///
        /// It is a copy of the block, and nobody has written to that since.
        unsafe fn replace(self, block: &Block) -> io::Result<()> {
            let to = ptr::with_exposed_provenance_mut::<c_void>(block.range.start);
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            let bytes = block.range.len();
            // SAFETY: what was there is there again when the call is over, code of this function included.
            let moved = unsafe { libc::mremap(self.start.as_ptr().cast(), bytes, bytes, flags, to) };
            if moved == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let left = self.bytes - bytes;
            if left > 0 {
                // SAFETY: what has not been moved.
                unsafe { libc::munmap(self.start.as_ptr().add(bytes).cast(), left) };
            }
            std::mem::forget(self);
            Ok(())
        }
    }

    impl Drop for Copy {
        fn drop(&mut self) {
            // SAFETY: mapped by `room_for`, with that length, and nobody's.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        }
    }

    /// How much of this process's memory lies in huge pages (`AnonHugePages` of proc_pid_smaps_rollup(5)).
    fn huge_bytes() -> io::Result<usize> {
        let sums = host(|| fs::read_to_string("/proc/self/smaps_rollup"))?;
        let line = sums.lines().find_map(|line| line.strip_prefix("AnonHugePages:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok());
        kib.map(|kib| kib * 1_024).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn check(answer: c_int) -> io::Result<()> {
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Block, HUGE_BYTES, REST_BYTES_MIN, Segment, blocks, rests};

    const PAGE: usize = 4_096;

    fn segment(start: usize, end: usize, executable: bool) -> Segment {
        Segment { range: start..end, executable }
    }

    #[test]
    fn only_huge_pages_that_are_filled_are_moved() {
        let at = 5 * HUGE_BYTES;
        let constants = segment(at + PAGE, at + HUGE_BYTES + 7 * PAGE, false);
        let code = segment(at + HUGE_BYTES + 7 * PAGE, at + 4 * HUGE_BYTES - PAGE, true);
        let moved = Block { range: at + HUGE_BYTES..at + 3 * HUGE_BYTES, executable: true };
        assert_eq!(blocks(&[constants.clone(), code.clone()]), [moved]);
        let hole = segment(code.range.start + PAGE, code.range.end, true);
        let moved = Block { range: at + 2 * HUGE_BYTES..at + 3 * HUGE_BYTES, executable: true };
        assert_eq!(blocks(&[constants, hole]), [moved]);
    }

    #[test]
    fn constants_by_themselves_stay_constants_and_the_first_page_stays() {
        let at = 8 * HUGE_BYTES;
        let segments =
            [segment(at, at + 2 * HUGE_BYTES, false), segment(at + 2 * HUGE_BYTES, at + 4 * HUGE_BYTES, true)];
        let constants = Block { range: at + HUGE_BYTES..at + 2 * HUGE_BYTES, executable: false };
        let code = Block { range: at + 2 * HUGE_BYTES..at + 4 * HUGE_BYTES, executable: true };
        assert_eq!(blocks(&segments), [constants, code]);
    }

    #[test]
    fn what_is_small_or_too_much_stays() {
        assert_eq!(blocks(&[]), []);
        assert_eq!(blocks(&[segment(HUGE_BYTES + PAGE, 3 * HUGE_BYTES - PAGE, true)]), []);
        assert_eq!(blocks(&[segment(PAGE, 2 * HUGE_BYTES + BYTES_MAX, true)]), []);
    }
    #[test]
    fn code_that_fills_no_huge_page_is_a_rest() {
        let at = 5 * HUGE_BYTES;
        let constants = segment(at, at + HUGE_BYTES / 2, false);
        let code = segment(at + HUGE_BYTES / 2, at + 2 * HUGE_BYTES + REST_BYTES_MIN, true);
        let segments = [constants, code];
        let whole = blocks(&segments);
        let rest = |start, end| Block { range: start..end, executable: true };
        // The first huge page has the first page of the executable in it, and stays as such.
        assert_eq!(whole, [rest(at + HUGE_BYTES, at + 2 * HUGE_BYTES)]);
        let before = rest(at + HUGE_BYTES / 2, at + HUGE_BYTES);
        assert_eq!(rests(&segments, &whole), [before, rest(at + 2 * HUGE_BYTES, at + 2 * HUGE_BYTES + REST_BYTES_MIN)]);
        // Too little, and too much.
        assert_eq!(rests(&[segment(0, PAGE, false), segment(at, at + REST_BYTES_MIN - PAGE, true)], &[]), []);
        assert_eq!(rests(&[segment(0, PAGE, false), segment(at, at + HUGE_BYTES, true)], &[]), []);
        assert_eq!(rests(&[segment(at, at + HUGE_BYTES / 2, true)], &[]), []);
    }
}
