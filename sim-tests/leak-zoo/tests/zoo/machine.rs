//! What a machine says of itself, and what a process is given by whoever starts it.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, process, thread};

use os_thread_local::ThreadLocal;

use crate::animal::{Nature, animals};

static COUNTER: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOCAL_COUNTER: Cell<u64> = const { Cell::new(7) };
    // Made at its first use, and dropped at the end of its thread.
    static LOCAL_LIST: RefCell<Vec<usize>> = RefCell::new(vec![1]);
}

/// By a key of POSIX: made at its first use, and dropped at the end of its thread.
static KEYED_LIST: LazyLock<ThreadLocal<RefCell<Vec<usize>>>> =
    LazyLock::new(|| ThreadLocal::new(|| RefCell::new(vec![1])));

animals! {
    environment: Nature::Stable, constant, {
        // Two variables may be passed on to those who want backtraces.
        let all = env::vars().filter(|(name, _)| !name.starts_with("RUST_"));
        all.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    time_zone_and_language: Nature::Stable, constant, {
        ["TZ", "LANG", "LC_ALL", "HOME"].map(|name| env::var(name).ok())
    };
    home_and_temporary_folder: Nature::Stable, constant, {
        [env::home_dir(), Some(env::temp_dir())]
    };
    working_folder: Nature::Stable, constant, { [env::current_dir().ok()] };
    process_ids: Nature::Stable, constant, { [process::id(), std::os::unix::process::parent_id()] };
    thread_id: Nature::Stable, constant, {
        let thread = thread::current();
        [format!("{:?}", thread.id()), format!("{:?}", thread.name())]
    };
    available_parallelism: Nature::Stable, constant, { [thread::available_parallelism().map_or(0, usize::from)] };
    static_counter: Nature::Shared, constant, {
        // A static is the process's, and so each seed's own; nodes of one simulation share it.
        [COUNTER.fetch_add(1, Ordering::Relaxed), COUNTER.fetch_add(1, Ordering::Relaxed)]
    };
    thread_local_counter: Nature::Shared, constant, {
        [LOCAL_COUNTER.replace(LOCAL_COUNTER.get() + 1), LOCAL_COUNTER.get()]
    };
    thread_local_with_a_destructor: Nature::Shared, constant, {
        LOCAL_LIST.with_borrow_mut(|list| {
            list.push(list.len());
            [list.clone(), list.clone()]
        })
    };
    pthread_key_with_a_destructor: Nature::Shared, constant, {
        KEYED_LIST.with(|list| {
            let mut list = list.borrow_mut();
            let length = list.len();
            list.push(length);
            [list.clone(), list.clone()]
        })
    };
    backtrace_text: Nature::Stable, constant, {
        let text = std::backtrace::Backtrace::force_capture().to_string();
        [text.contains("backtrace_text") || text.contains("machine.rs")]
    };
}
