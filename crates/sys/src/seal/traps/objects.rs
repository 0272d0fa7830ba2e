//! Where the code of loaded objects lies in memory.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

use libc::{dl_phdr_info, size_t};

/// What is looked for, and the answer.
struct Search {
    wanted: Wanted,
    found: Option<Range<usize>>,
}

enum Wanted {
    Holding(usize),
    Named(&'static [u8]),
}

/// The executable segment that holds `address`.
pub(super) fn code_at(address: usize) -> Option<Range<usize>> {
    search(Wanted::Holding(address))
}

/// The executable segment of the first object whose path has `part` in it.
pub(super) fn code_of(part: &'static [u8]) -> Option<Range<usize>> {
    search(Wanted::Named(part))
}

fn search(wanted: Wanted) -> Option<Range<usize>> {
    let mut search = Search { wanted, found: None };
    // SAFETY: the callback fits the type and gets back the `Search` that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

unsafe extern "C" fn look(info: *mut dl_phdr_info, _size: size_t, data: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid record.
    let info = unsafe { &*info };
    // SAFETY: `data` is the `Search` given to `dl_iterate_phdr`, which nobody else touches meanwhile.
    let search = unsafe { &mut *data.cast::<Search>() };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the record's own array of program headers, and its length.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let named = match search.wanted {
        Wanted::Holding(_) => true,
        Wanted::Named(_) if info.dlpi_name.is_null() => false,
        Wanted::Named(part) => {
            // SAFETY: not null, so a C string that lives as long as the callback.
            let name = unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes();
            name.windows(part.len()).any(|window| window == part)
        }
    };
    let code = headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0);
    let mut ranges = code.filter_map(|header| {
        let start = usize::try_from(info.dlpi_addr.wrapping_add(header.p_vaddr)).ok()?;
        Some(start..start.checked_add(usize::try_from(header.p_memsz).ok()?)?)
    });
    search.found = ranges.find(|range| match search.wanted {
        Wanted::Holding(address) => range.contains(&address),
        Wanted::Named(_) => named,
    });
    c_int::from(search.found.is_some())
}
