//! The thread of a fork server, whose part of the heap is the same in every process.
//!
//! Where a thread finds memory depends on what was freed into its lists before: also what another thread took, whose heap
//! may look like anything (the main thread's has seen the environment, which differs in size). So the server's thread is
//! the first of its process, it is started from a thread that has a heap of its own and not from the main one, and it frees
//! nothing that the main thread took.

use std::ffi::c_void;
use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Result as ThreadResult};

use crate::seal::spawn_simulation_thread;

/// What the thread is told. Kept for as long as the process lives, so that the thread frees nothing of it.
#[derive(Default)]
struct Post {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether the thread has taken memory, so that it has a part of the heap which nobody else will get.
    has_heap: bool,
    word: Option<Word>,
    thread: Option<io::Result<JoinHandle<()>>>,
}

/// What to do.
enum Word {
    Work(&'static mut (dyn FnMut() + Send)),
    Leave,
}

impl Post {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `look` finds something.
    fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return found;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The life of the thread.
    fn sit(&self) {
        drop(black_box(Box::new(0_u64)));
        self.change(|state| state.has_heap = true);
        match self.wait(|state| state.word.take()) {
            Word::Work(work) => work(),
            Word::Leave => {}
        }
    }
}

/// A thread that waits to be a [`ForkServer`](super::ForkServer)'s. Make it first of all, when the process has one thread
/// and has done as little as possible: the heap that cases find is then the same in every process.
pub struct ForkSeat {
    post: &'static Post,
    thread: Option<JoinHandle<()>>,
    stack_bytes: usize,
}

impl std::fmt::Debug for ForkSeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForkSeat").field("stack_bytes", &self.stack_bytes).finish_non_exhaustive()
    }
}

/// The stack of the thread that starts the other one. Not left to the system: its size would move what is mapped later.
const STARTER_STACK_BYTES: usize = 256 << 10;

impl ForkSeat {
    /// A thread with `stack_bytes` of stack, which is what a case has. It keeps a little memory for ever.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot start a thread.
    pub fn new(stack_bytes: usize) -> io::Result<ForkSeat> {
        let post: &'static Post = Box::leak(Box::default());
        start_and_join(Box::leak(Box::new(Starter { post, stack_bytes })))?;
        let thread = post.lock().thread.take().unwrap_or_else(|| Err(io::ErrorKind::Other.into()))?;
        Ok(ForkSeat { post, thread: Some(thread), stack_bytes })
    }

    /// The stack of the thread, in bytes.
    pub(super) fn stack_bytes(&self) -> usize {
        self.stack_bytes
    }

    /// Has the thread do `work`, and waits for its end.
    pub(super) fn work<T: Send + 'static>(mut self, work: impl FnOnce() -> T + Send + 'static) -> ThreadResult<T> {
        let done: &'static Mutex<Option<T>> = Box::leak(Box::new(Mutex::new(None)));
        let mut work = Some(work);
        let work = Box::leak(Box::new(move || {
            if let Some(work) = work.take() {
                let result = work();
                *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }
        }));
        self.post.change(|state| state.word = Some(Word::Work(work)));
        self.thread.take().map_or(Ok(()), JoinHandle::join)?;
        let done = done.lock().unwrap_or_else(PoisonError::into_inner).take();
        done.ok_or_else(|| Box::new("the thread of a fork server did not work") as _)
    }
}

impl Drop for ForkSeat {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.post.change(|state| state.word = Some(Word::Leave));
            // It has done nothing that could panic.
            let _ = thread.join();
        }
    }
}

/// What the starting thread is given.
struct Starter {
    post: &'static Post,
    stack_bytes: usize,
}

impl Starter {
    fn start(&self) {
        let post = self.post;
        let thread = spawn_simulation_thread(self.stack_bytes, move || post.sit());
        if thread.is_ok() {
            // Until then this thread's part of the heap must not be free for others.
            post.wait(|state| state.has_heap.then_some(()));
        }
        post.change(|state| state.thread = Some(thread));
    }
}

/// Runs a thread that has nothing of the main thread's to free, and waits for its end.
fn start_and_join(starter: &'static Starter) -> io::Result<()> {
    let mut attributes = MaybeUninit::uninit();
    let attributes = attributes.as_mut_ptr();
    let mut thread = MaybeUninit::uninit();
    let raw = ptr::from_ref(starter).cast_mut().cast::<c_void>();
    // SAFETY: the attributes are initialised before they are used and destroyed after; what the thread is given lives for
    // ever; the thread is joined once, and only if it was started.
    let error = unsafe {
        libc::pthread_attr_init(attributes);
        libc::pthread_attr_setstacksize(attributes, STARTER_STACK_BYTES);
        let mut error = libc::pthread_create(thread.as_mut_ptr(), attributes, begin, raw);
        libc::pthread_attr_destroy(attributes);
        if error == 0 {
            error = libc::pthread_join(thread.assume_init(), ptr::null_mut());
        }
        error
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

extern "C" fn begin(raw: *mut c_void) -> *mut c_void {
    // SAFETY: what `start_and_join` was given, which lives for ever.
    let starter = unsafe { &*raw.cast::<Starter>() };
    starter.start();
    ptr::null_mut()
}
