//! Threads that a program starts itself, and what is built of them.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::{process, thread};

use os_thread_local::ThreadLocal;
use rayon::prelude::*;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::animal::{Nature, animals};

const MANY: usize = 8;

/// What `f` gives on a thread that may block.
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    spawn_blocking(f).await.ok()
}

/// Numbers below [`MANY`] in the order in which threads that start together note them.
fn noted(threads: impl FnOnce(&Mutex<Vec<usize>>)) -> Vec<usize> {
    let order = Mutex::new(Vec::new());
    threads(&order);
    order.into_inner().expect("nobody panics")
}

/// Tells when it is dropped.
struct LastWords {
    n: usize,
    tell: std::sync::mpsc::Sender<usize>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let _ = self.tell.send(self.n);
    }
}

/// By a key of POSIX, whose destructor drops it.
static LAST_WORDS: LazyLock<ThreadLocal<RefCell<Option<LastWords>>>> =
    LazyLock::new(|| ThreadLocal::new(|| RefCell::new(None)));

animals! {
    std_thread: Nature::Stable, constant, {
        let (tell, told) = oneshot::channel();
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(move || {
            let named = thread::current().name().map(str::to_owned);
            let _ = tell.send((named, process::id(), thread::available_parallelism().ok()));
        });
        [(thread.is_ok(), told.await.ok())]
    };
    std_thread_ids: Nature::Shared, constant, {
        // std counts the threads of a process.
        let (tell, told) = oneshot::channel();
        drop(thread::spawn(move || tell.send(format!("{:?}", thread::current().id()))));
        [told.await.ok()]
    };
    std_thread_joined_in_a_task: Nature::Refused(&["pthread_join"]), constant, {
        [thread::spawn(|| thread::sleep(std::time::Duration::from_millis(1))).join().is_ok()]
    };
    std_thread_that_panics: Nature::Stable, constant, {
        [blocking(|| thread::spawn(|| panic!("on purpose")).join().is_err()).await]
    };
    pthread_keys_of_threads: Nature::Stable, constant, {
        // What a key holds is dropped when its thread ends, before whoever joins it goes on.
        [blocking(|| {
            let (tell, told) = std::sync::mpsc::channel();
            let threads = [1, 2].map(|n| {
                let tell = tell.clone();
                thread::spawn(move || LAST_WORDS.with(|words| words.replace(Some(LastWords { n, tell })).is_none()))
            });
            let fresh = threads.map(|thread| thread.join().ok());
            drop(tell);
            let mut told: Vec<_> = told.into_iter().collect();
            told.sort_unstable();
            (fresh, told)
        }).await]
    };
    std_scoped_threads: Nature::Stable, varies, {
        [blocking(|| noted(|order| thread::scope(|scope| {
            for n in 0..MANY {
                scope.spawn(move || order.lock().map(|mut order| order.push(n)).is_ok());
            }
        }))).await]
    };
    std_channels_and_condition_variables: Nature::Stable, varies, {
        [blocking(|| {
            let (tell, told) = std::sync::mpsc::sync_channel(1);
            let go = Arc::new((Mutex::new(false), Condvar::new()));
            for n in 0..MANY {
                let (tell, go) = (tell.clone(), Arc::clone(&go));
                drop(thread::spawn(move || {
                    let started = go.1.wait_while(go.0.lock().expect("nobody panics"), |go| !*go);
                    drop(started);
                    tell.send(n)
                }));
            }
            drop(tell);
            *go.0.lock().expect("nobody panics") = true;
            go.1.notify_all();
            told.into_iter().collect::<Vec<_>>()
        }).await]
    };
    // Its queues of waiting threads lie in one table of the process, by the addresses of locks.
    parking_lot_locks: Nature::Shared, varies, (by_address), {
        [blocking(|| {
            let shared = Arc::new((parking_lot::Mutex::new(Vec::new()), parking_lot::Condvar::new()));
            for n in 0..MANY {
                let shared = Arc::clone(&shared);
                drop(thread::spawn(move || {
                    let mut order = shared.0.lock();
                    thread::yield_now();
                    order.push(n);
                    shared.1.notify_all();
                }));
            }
            let mut order = shared.0.lock();
            while order.len() < MANY {
                shared.1.wait(&mut order);
            }
            order.clone()
        }).await]
    };
    crossbeam_channels: Nature::Stable, varies, {
        [blocking(|| {
            let (tell, told) = crossbeam_channel::bounded(2);
            for n in 0..MANY {
                let tell = tell.clone();
                drop(thread::spawn(move || tell.send(n)));
            }
            drop(tell);
            let never = crossbeam_channel::never::<usize>();
            let mut heard = Vec::new();
            loop {
                let item = crossbeam_channel::select! { recv(told) -> item => item, recv(never) -> item => item };
                match item {
                    Ok(item) => heard.push(item),
                    Err(_) => return heard,
                }
            }
        }).await]
    };
    rayon_pool: Nature::Stable, constant, {
        [blocking(|| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().ok()?;
            let sum: u64 = pool.install(|| (0..1_000_u64).into_par_iter().map(|n| n * n).sum());
            let (left, right) = pool.join(process::id, process::id);
            Some((sum, left == right && left == process::id()))
        }).await]
    };
    rayon_global_pool: Nature::Shared, constant, {
        // Its threads belong to the node that used it first.
        [blocking(|| rayon::broadcast(|_| process::id())).await]
    };
}
