//! The table of all interposed symbols.
//!
//! A linker takes a member of an archive (and an rlib is one) only for a symbol that is still undefined and strongly
//! referenced. `std` refers to some of these symbols weakly, and to others libc answers as well; so this table refers
//! to all of them strongly, and [`enter`](crate::seal::enter) refers to the table.

use super::super::interpose::Symbol;
use super::{
    descriptors, directories, file_calls, file_locks, files, memory, names, processes, random, sleep, sockets, stats,
    syscall, system, thread_ends, threads, time, users,
};

#[used]
static TABLE: [&[Symbol]; 21] = [
    time::TIME,
    random::RANDOM,
    sleep::SLEEP,
    threads::THREADS,
    thread_ends::THREAD_ENDS,
    names::NAMES,
    sockets::SOCKETS,
    file_calls::others::FILE_OTHERS,
    files::FILES,
    files::answers::ANSWERS,
    files::spaces::SPACES,
    stats::STATS,
    descriptors::DESCRIPTORS,
    directories::DIRECTORIES,
    file_calls::FILE_CALLS,
    file_locks::FILE_LOCKS,
    processes::PROCESSES,
    system::SYSTEM,
    syscall::SYSCALL,
    users::USERS,
    memory::MEMORY,
];

pub(in crate::seal) fn symbols() -> impl Iterator<Item = &'static Symbol> {
    TABLE.iter().flat_map(|table| table.iter())
}

pub(in crate::seal) fn names() -> impl Iterator<Item = &'static str> {
    symbols().map(|symbol| symbol.name)
}

/// Makes the caller's binary refer to every interposed symbol.
#[inline]
pub(in crate::seal) fn keep_linked() {
    std::hint::black_box(&TABLE);
}

/// Looks up every real function before `main`, so that no signal handler has to.
extern "C" fn resolve_all() {
    for symbol in symbols() {
        symbol.slot.get();
    }
}

#[used]
// SAFETY: the section holds pointers to functions without arguments or result that the loader calls once each; this one
// calls `dlsym` alone, which is ready by then.
#[unsafe(link_section = ".init_array")]
static RESOLVE_AT_LOAD: extern "C" fn() = resolve_all;
