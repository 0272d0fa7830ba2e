//! Where the thread-locals of the calling thread are: a block for each object that is loaded, the executable's first.
//!
//! The loader tells, at the price of a look at the headers of all objects. Whoever forks off cases asks once before: a child
//! goes on with the thread that forked it, and so with the same blocks at the same places.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ops::Range;

use libc::{dl_phdr_info, size_t};

/// What the loader tells of this thread.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Where the executable is in memory.
    pub(super) executable_at: usize,
    /// Its block; empty if it has none.
    pub(super) of_executable: Range<usize>,
    /// Those of all objects, its own among them.
    pub(super) all: Vec<Range<usize>>,
    past_first: bool,
}

thread_local! {
    static KNOWN: Cell<Option<&'static Blocks>> = const { Cell::new(None) };
}

/// Asks once for all that is done on this thread and on those that forked children make of it. Takes a little memory for ever.
pub(crate) fn know_blocks() {
    if KNOWN.get().is_none() {
        KNOWN.set(Some(Box::leak(Box::new(find()))));
    }
}

/// Runs `look` with the blocks of this thread.
pub(super) fn with_blocks<R>(look: impl FnOnce(&Blocks) -> R) -> R {
    match KNOWN.get() {
        Some(known) => look(known),
        None => look(&find()),
    }
}

fn find() -> Blocks {
    let mut blocks = Blocks::default();
    // SAFETY: the callback fits the type and gets back the record that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut blocks).cast()) };
    blocks
}

/// Notes the calling thread's block of one loaded object.
unsafe extern "C" fn note(info: *mut dl_phdr_info, size: size_t, data: *mut c_void) -> c_int {
    // SAFETY: `data` is the record given to `dl_iterate_phdr`, which nobody else touches meanwhile.
    let blocks = unsafe { &mut *data.cast::<Blocks>() };
    // SAFETY: the loader passes a valid record, of which every loader has the beginning.
    let address = unsafe { (*info).dlpi_addr };
    let first = !std::mem::replace(&mut blocks.past_first, true);
    if first {
        blocks.executable_at = usize::try_from(address).unwrap_or(0);
    }
    // Older loaders end the record before this field.
    if size < offset_of!(dl_phdr_info, dlpi_tls_data) + size_of::<*mut c_void>() {
        return 0;
    }
    // SAFETY: the loader passes a valid record of at least that size.
    let info = unsafe { &*info };
    if info.dlpi_tls_data.is_null() || info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the record's own array of program headers, and its length.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    if let Some(header) = headers.iter().find(|header| header.p_type == libc::PT_TLS)
        && let Ok(length) = usize::try_from(header.p_memsz)
    {
        let start = info.dlpi_tls_data as usize;
        if first {
            blocks.of_executable = start..start + length;
        }
        blocks.all.push(start..start + length);
    }
    0
}
