//! Thread-locals made as new on a thread that lives on: what is kept in them is dropped as at the end of a thread, and their
//! memory is then what a new thread begins with. A tenth of what a new thread costs.
//!
//! All of it is libc's own order: destructors of thread-locals, the last first, those that they register included; then those
//! of keys, in up to four rounds (pthread_key_create(3)). What cannot be made as new by this is said, and wants a new thread:
//! thread-locals of shared objects, keys that nobody saw made, threads that the last user left behind. libc's own state of a
//! thread stays, but for what programs can set: `errno`, the locale and whether it may be cancelled. What a new thread would
//! inherit from the one that makes it (its signal mask, its name, its rounding mode) stays too.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::ptr;

use libc::{dl_phdr_info, size_t};

use super::current::host;
use super::symbols::thread_ends::{self, Destructor};

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    fn pthread_setcanceltype(kind: c_int, before: *mut c_int) -> c_int;
}

/// `LC_GLOBAL_LOCALE`.
const GLOBAL_LOCALE: libc::locale_t = ptr::without_provenance_mut(usize::MAX);
const PTHREAD_CANCEL_ENABLE: c_int = 0;
const PTHREAD_CANCEL_DEFERRED: c_int = 0;

/// Rounds of destructors of keys (`PTHREAD_DESTRUCTOR_ITERATIONS`).
const ROUNDS: usize = 4;

/// How often a thread more than there was may be one that is about to end.
const LOOKS: usize = 32;

/// A destructor that waits, in memory of libc's: whoever allocates for Rust may itself be about to begin on this thread.
struct End {
    routine: Destructor,
    object: *mut c_void,
    /// An address in the object that asked for it, as libc wants it.
    dso: *mut c_void,
    /// The one that was noted before.
    before: *mut End,
}

/// The destructors of a thread.
struct Ends {
    last: Cell<*mut End>,
    /// Where the executable is in memory.
    executable: Range<usize>,
}

thread_local! {
    /// Where destructors are noted; null where they are libc's.
    static NOTED: Cell<*const Ends> = const { Cell::new(ptr::null()) };
}

/// Has a destructor.
struct Trial;

impl Drop for Trial {
    fn drop(&mut self) {
        std::hint::black_box(self);
    }
}

thread_local! {
    static TRIAL: Trial = const { Trial };
}

/// Notes a destructor of a thread-local, if this thread's are noted and not libc's.
pub(in crate::seal) fn note(routine: Destructor, object: *mut c_void, dso: *mut c_void) -> bool {
    let ends = NOTED.get();
    if ends.is_null() {
        return false;
    }
    // SAFETY: the `Renewal` of this thread owns it and takes it out of the cell before it goes.
    let ends = unsafe { &*ends };
    // What is of a shared object must not outlive it; libc sees to that. Its thread-locals cannot be made as new.
    let noted =
        ends.executable.contains(&(dso as usize)) && ends.push(End { routine, object, dso, before: ends.last.get() });
    if !noted {
        ends.leave_to_libc();
    }
    noted
}

impl Ends {
    fn push(&self, end: End) -> bool {
        // SAFETY: takes a number; memory that is given is ours.
        let place = unsafe { libc::malloc(size_of::<End>()) }.cast::<End>();
        if place.is_null() {
            return false;
        }
        // SAFETY: new memory of this size, aligned for everything.
        unsafe { place.write(end) };
        self.last.set(place);
        true
    }

    fn pop(&self) -> Option<End> {
        let place = self.last.get();
        if place.is_null() {
            return None;
        }
        // SAFETY: made by `push`, and taken out of the list here.
        let end = unsafe { place.read() };
        self.last.set(end.before);
        // SAFETY: of `malloc`, and nobody's any more.
        unsafe { libc::free(place.cast()) };
        Some(end)
    }

    /// From now on this thread's destructors are libc's, those that were noted among them, in their order.
    #[cold]
    fn leave_to_libc(&self) {
        NOTED.set(ptr::null());
        // The first that was noted goes first: the list is turned round.
        let (mut rest, mut first) = (self.last.get(), ptr::null_mut::<End>());
        while !rest.is_null() {
            // SAFETY: made by `push`, and nobody else's.
            let before = unsafe { &raw mut (*rest).before };
            // SAFETY: as above.
            rest = unsafe { before.replace(std::mem::replace(&mut first, rest)) };
        }
        self.last.set(first);
        while let Some(End { routine, object, dso, .. }) = self.pop() {
            thread_ends::leave_to_libc(routine, object, dso);
        }
    }
}

/// Forked children go on with the thread that forked them, and end with it: nobody runs the destructors of its thread-locals
/// unless somebody calls `exit`. To tell libc of them takes the loader's locks and notes in the loader's memory, five pages in
/// all that the child would have to fault in or copy. While this lives they are noted here.
pub(crate) struct Forgone {
    ends: Box<Ends>,
    not_send: PhantomData<*const ()>,
}

impl Forgone {
    /// From here on the destructors of this thread are noted. `None` where they cannot be.
    pub(crate) fn begin() -> Option<Forgone> {
        extern "C" fn run_noted() {
            let ends = NOTED.replace(ptr::null());
            if ends.is_null() {
                return;
            }
            // SAFETY: whoever calls `exit` does not return to where its owner is.
            let ends = unsafe { &*ends };
            while let Some(End { routine, object, .. }) = ends.pop() {
                // SAFETY: as libc calls it when a thread calls `exit`, once.
                unsafe { routine(object) };
            }
        }
        let executable = Executable::find()?.range;
        // SAFETY: a function that may be called then, and that finds nothing to do on other threads.
        if unsafe { libc::atexit(run_noted) } != 0 {
            return None;
        }
        let forgone =
            Forgone { ends: Box::new(Ends { last: Cell::new(ptr::null_mut()), executable }), not_send: PhantomData };
        NOTED.set(&raw const *forgone.ends);
        Some(forgone)
    }
}

impl Drop for Forgone {
    fn drop(&mut self) {
        if NOTED.get() == &raw const *self.ends {
            self.ends.leave_to_libc();
        }
    }
}

/// A thread whose thread-locals can be made as new.
pub(crate) struct Renewal {
    ends: Box<Ends>,
    executable: Executable,
    /// `/proc/self/task`, which has a link per thread.
    tasks: File,
    /// How many there are where nobody left one: the fewest that were ever seen.
    threads: Cell<u64>,
    not_send: PhantomData<*const ()>,
}

impl Renewal {
    /// Prepares the calling thread, which nothing was kept in yet. `None` where its thread-locals cannot be made as new.
    /// `threads` of the process there are beside whoever may be about to end; as many as there are now, if `None`.
    pub(crate) fn begin(threads: Option<u64>) -> Option<Renewal> {
        let executable = Executable::find()?;
        let tasks = host(|| File::open("/proc/self/task")).ok()?;
        let threads = Cell::new(threads.or_else(|| count(&tasks))?);
        let renewal = Renewal {
            ends: Box::new(Ends { last: Cell::new(ptr::null_mut()), executable: executable.range.clone() }),
            executable,
            tasks,
            threads,
            not_send: PhantomData,
        };
        NOTED.set(&raw const *renewal.ends);
        // Which definition the standard library calls is the linker's decision.
        TRIAL.with(|_| ());
        let is_ours = !renewal.ends.last.get().is_null();
        is_ours.then_some(renewal)
    }

    /// Drops what this thread's thread-locals and keys hold, and makes them as new. `false`: only a new thread is as new; what
    /// is still to be dropped is when this one ends.
    ///
    /// Nobody on this thread may hold a reference to a thread-local.
    #[inline(never)]
    pub(crate) fn renew(&self) -> bool {
        if NOTED.get().is_null() {
            return false;
        }
        if self.leftover()
            || loaded() != self.executable.loaded
            || any_value(|key| thread_ends::destructor(key).is_none())
        {
            self.ends.leave_to_libc();
            return false;
        }
        while let Some(End { routine, object, .. }) = self.ends.pop() {
            // SAFETY: as libc calls it at the end of the thread, once.
            unsafe { routine(object) };
        }
        end_keys();
        // What was registered meanwhile libc would not run either.
        while self.ends.pop().is_some() {}
        if NOTED.get().is_null() || any_value(|_| true) {
            NOTED.set(ptr::null());
            return false;
        }
        // SAFETY: nobody holds a reference into it, says the caller, and nothing in it is to be dropped any more.
        unsafe { self.executable.renew() };
        // SAFETY: numbers, a locale that always is, and a place of this thread.
        unsafe {
            libc::uselocale(GLOBAL_LOCALE);
            pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, ptr::null_mut());
            pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, ptr::null_mut());
            *libc::__errno_location() = 0;
        }
        NOTED.set(&raw const *self.ends);
        true
    }
}

impl Renewal {
    /// How many threads the process has.
    pub(crate) fn threads(&self) -> Option<u64> {
        count(&self.tasks)
    }

    /// Whether there is a thread more than there was. One that was joined may be about to end, still.
    fn leftover(&self) -> bool {
        for _ in 0..LOOKS {
            match count(&self.tasks) {
                Some(threads) if threads <= self.threads.get() => {
                    self.threads.set(threads);
                    return false;
                }
                Some(_) => std::thread::yield_now(),
                None => return true,
            }
        }
        true
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if NOTED.get() == &raw const *self.ends {
            self.ends.leave_to_libc();
        }
    }
}

fn count(tasks: &File) -> Option<u64> {
    host(|| tasks.metadata()).ok().map(|tasks| tasks.nlink())
}

fn any_value(which: impl Fn(libc::pthread_key_t) -> bool) -> bool {
    // SAFETY: glibc answers null for keys that are none.
    thread_ends::keys().any(|key| !unsafe { libc::pthread_getspecific(key) }.is_null() && which(key))
}

/// What libc does for keys at the end of a thread.
fn end_keys() {
    for _ in 0..ROUNDS {
        let mut again = false;
        for key in thread_ends::keys() {
            // SAFETY: as in `any_value`.
            let value = unsafe { libc::pthread_getspecific(key) };
            if value.is_null() {
                continue;
            }
            again = true;
            // SAFETY: a key with a value is one.
            unsafe { libc::pthread_setspecific(key, ptr::null()) };
            if let Some(Some(destructor)) = thread_ends::destructor(key) {
                // SAFETY: the key's own, with a value of it, once.
                unsafe { destructor(value) };
            }
        }
        if !again {
            return;
        }
    }
}

/// Where the executable has its thread-locals: this thread's block, and what a new one begins with, which is shorter where
/// the rest is zero.
#[derive(Debug)]
struct Executable {
    /// All of it in memory.
    range: Range<usize>,
    block: *mut u8,
    block_bytes: usize,
    image: *const u8,
    image_bytes: usize,
    /// How many objects had been loaded.
    loaded: u64,
}

/// What is looked for, and whether an object has thread-locals that cannot be made as new.
#[derive(Default)]
struct Search {
    executable: Option<Executable>,
    others: bool,
    past_first: bool,
}

impl Executable {
    /// `None` where it has none, or where a shared object other than libc has some.
    fn find() -> Option<Executable> {
        let mut search = Search::default();
        // SAFETY: the callback fits the type and gets back the record that outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
        search.executable.filter(|_| !search.others)
    }

    /// # Safety
    ///
    /// It is this thread's, nobody holds a reference into it, and nothing in it is to be dropped.
    unsafe fn renew(&self) {
        // SAFETY: both lie where the program headers say, the image in memory of the executable that is only read once it is
        // loaded. As the caller says, nobody looks on.
        unsafe {
            ptr::copy_nonoverlapping(self.image, self.block, self.image_bytes);
            ptr::write_bytes(self.block.add(self.image_bytes), 0, self.block_bytes - self.image_bytes);
        }
    }
}

unsafe extern "C" fn look(info: *mut dl_phdr_info, _size: size_t, data: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid record; glibc's has had all its fields since 2.4.
    let info = unsafe { &*info };
    // SAFETY: `data` is the record given to `dl_iterate_phdr`, which nobody else touches meanwhile.
    let search = unsafe { &mut *data.cast::<Search>() };
    let first = !std::mem::replace(&mut search.past_first, true);
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the record's own array of program headers, and its length.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let Some(locals) = headers.iter().find(|header| header.p_type == libc::PT_TLS) else { return 0 };
    let at = |address: u64| usize::try_from(address).unwrap_or(0);
    let base = at(info.dlpi_addr);
    let segments = || {
        let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        loaded.map(|header| base + at(header.p_vaddr)..base + at(header.p_vaddr) + at(header.p_memsz))
    };
    if first {
        let (start, end) = (segments().map(|s| s.start).min(), segments().map(|s| s.end).max());
        search.executable = (!info.dlpi_tls_data.is_null()).then(|| Executable {
            range: start.unwrap_or(0)..end.unwrap_or(0),
            block: info.dlpi_tls_data.cast(),
            block_bytes: at(locals.p_memsz),
            image: (base + at(locals.p_vaddr)) as *const u8,
            image_bytes: at(locals.p_filesz),
            loaded: info.dlpi_adds,
        });
        return 0;
    }
    // SAFETY: it takes nothing.
    let in_libc = unsafe { libc::gnu_get_libc_version() } as usize;
    let is_libc = segments().any(|segment| segment.contains(&in_libc));
    search.others |= !is_libc;
    0
}

/// How many objects have been loaded so far.
fn loaded() -> u64 {
    unsafe extern "C" fn adds(info: *mut dl_phdr_info, _size: size_t, data: *mut c_void) -> c_int {
        // SAFETY: the loader's record and the number given to `dl_iterate_phdr`.
        unsafe { *data.cast::<u64>() = (*info).dlpi_adds };
        1
    }
    let mut loaded = 0_u64;
    // SAFETY: the callback fits the type and gets back the number that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(adds), (&raw mut loaded).cast()) };
    loaded
}
