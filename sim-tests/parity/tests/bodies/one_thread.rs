//! Bodies whose runtime is of one thread: while that is blocked, the body's tasks stand still and everything else goes on.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, LocalRuntime, RuntimeFlavor, worker_index};
use tokio::sync::{Notify, oneshot};
use tokio::task::{LocalSet, block_in_place, spawn_blocking, spawn_local};
use tokio::time::sleep;

const SOON: Duration = Duration::from_millis(20);

#[tokio::test(crate = "stormglass_tokio")]
async fn a_channel_of_std() {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for n in 0..10 {
            thread::sleep(SOON / 20);
            tell.send(n).expect("somebody receives");
        }
    });
    assert_eq!(told.iter().collect::<Vec<u32>>(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_channel_that_is_full() {
    let (tell, told) = mpsc::sync_channel(1);
    let sum = thread::spawn(move || told.iter().sum::<u32>());
    for n in 0..50 {
        tell.send(n).expect("somebody receives");
    }
    drop(tell);
    assert_eq!(sum.join().expect("no panic"), 1_225);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_join() {
    let slept = thread::spawn(|| {
        thread::sleep(SOON);
        7
    });
    assert_eq!(slept.join().expect("no panic"), 7);
    let panicked = thread::spawn(|| -> () { panic!("on purpose") });
    assert!(panicked.join().is_err());
    let items = [1, 2, 3];
    let sum: u32 = thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || item * 2)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(sum, 12);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_barrier() {
    let barrier = Arc::new(Barrier::new(4));
    let leaders = Arc::new(AtomicU32::new(0));
    let meet = |barrier: &Barrier, leaders: &AtomicU32| {
        for _ in 0..5 {
            leaders.fetch_add(u32::from(barrier.wait().is_leader()), Ordering::SeqCst);
        }
    };
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (barrier, leaders) = (Arc::clone(&barrier), Arc::clone(&leaders));
            thread::spawn(move || meet(&barrier, &leaders))
        })
        .collect();
    meet(&barrier, &leaders);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!(leaders.load(Ordering::SeqCst), 5);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_condition_and_a_lock_that_is_held() {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let counts = Arc::clone(&shared);
    let counter = thread::spawn(move || {
        for _ in 0..3 {
            let mut count = counts.0.lock().expect("nobody panics");
            thread::sleep(SOON / 10);
            *count += 1;
            drop(count);
            counts.1.notify_all();
        }
    });
    let count = shared.0.lock().expect("nobody panics");
    assert_eq!(*shared.1.wait_while(count, |count| *count < 3).expect("nobody panics"), 3);
    counter.join().expect("no panic");
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_park() {
    let parked = thread::current();
    let go = Arc::new(AtomicBool::new(false));
    let may_go = Arc::clone(&go);
    thread::spawn(move || {
        thread::sleep(SOON);
        may_go.store(true, Ordering::SeqCst);
        parked.unpark();
    });
    while !go.load(Ordering::SeqCst) {
        thread::park();
    }
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_spin_that_yields() {
    let go = Arc::new(AtomicBool::new(false));
    let may_go = Arc::clone(&go);
    let thread = thread::spawn(move || may_go.store(true, Ordering::SeqCst));
    while !go.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    thread.join().expect("no panic");
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_sleep_and_a_wait_that_times_out() {
    let start = Instant::now();
    thread::sleep(SOON);
    let (_tell, told) = mpsc::channel::<()>();
    assert_eq!(told.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Timeout));
    assert!(start.elapsed() >= SOON * 2);
    // A timer that went off meanwhile.
    let before = tokio::time::Instant::now();
    let timer = sleep(SOON);
    thread::sleep(SOON * 2);
    timer.await;
    assert!(before.elapsed() >= SOON * 2);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn blocking_code_of_the_pool() {
    let (tell, told) = mpsc::channel();
    let blocking = spawn_blocking(move || {
        thread::sleep(SOON);
        tell.send(3).expect("somebody receives");
        4
    });
    assert_eq!(told.recv(), Ok(3));
    assert_eq!(blocking.await.expect("no panic"), 4);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn tasks_of_the_body_stand_still_meanwhile() {
    let ran = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&ran);
    let task = tokio::spawn(async move { runs.store(true, Ordering::SeqCst) });
    let timed = Arc::clone(&ran);
    let timer = tokio::spawn(async move {
        sleep(SOON / 4).await;
        timed.load(Ordering::SeqCst)
    });
    for _ in 0..3 {
        thread::spawn(|| thread::sleep(SOON)).join().expect("no panic");
        assert!(!ran.load(Ordering::SeqCst), "its thread is blocked");
    }
    task.await.expect("no panic");
    assert!(timer.await.expect("no panic") && ran.load(Ordering::SeqCst));
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_task_that_blocks_keeps_the_body_from_running() {
    let done = Arc::new(AtomicBool::new(false));
    let does = Arc::clone(&done);
    let (begun, has_begun) = oneshot::channel();
    let task = tokio::spawn(async move {
        let _ = begun.send(());
        thread::spawn(|| thread::sleep(SOON)).join().expect("no panic");
        does.store(true, Ordering::SeqCst);
    });
    has_begun.await.expect("it begins");
    assert!(done.load(Ordering::SeqCst), "both are polled on one thread");
    task.await.expect("no panic");
}

thread_local! {
    static OWN: Cell<u32> = const { Cell::new(0) };
}

#[tokio::test(crate = "stormglass_tokio")]
async fn tasks_stay_on_the_thread_of_the_body() {
    OWN.set(5);
    let here = thread::current().id();
    for round in 0..3 {
        thread::spawn(|| assert_eq!(OWN.get(), 0)).join().expect("no panic");
        let task = tokio::spawn(async move {
            tokio::task::yield_now().await;
            OWN.set(OWN.get() + 1);
            thread::current().id()
        });
        assert_eq!(task.await.expect("no panic"), here);
        assert_eq!(OWN.get(), 6 + round);
    }
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_runtime_of_another_thread_goes_on() {
    let (tell, told) = mpsc::channel();
    let (go, gone) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        let runtime = LocalRuntime::new().expect("a runtime");
        tell.send(runtime.handle().clone()).expect("somebody receives");
        runtime.block_on(async { spawn_local(async { gone.await.is_ok() }).await.expect("no panic") })
    });
    let handle = told.recv().expect("it sends");
    let (tell, told) = mpsc::channel();
    handle.spawn(async move {
        sleep(SOON).await;
        tell.send(9).expect("somebody receives");
    });
    assert_eq!(told.recv(), Ok(9), "polled while the body is blocked");
    let joined = handle.spawn(async { 11 });
    thread::sleep(SOON);
    assert_eq!(joined.await.expect("no panic"), 11);
    go.send(()).expect("it waits");
    assert!(thread.join().expect("no panic"));
}

#[tokio::test(crate = "stormglass_tokio")]
async fn the_network_goes_on() {
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("an address")).expect("somebody receives");
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut text = [0; 5];
            stream.read_exact(&mut text).await.expect("five bytes");
            text
        })
    });
    let address = told.recv().expect("it sends");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(b"hello").await.expect("written");
    assert_eq!(&server.join().expect("no panic"), b"hello");
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_wake_in_the_midst_of_a_poll_that_is_blocked() {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        match polls {
            1 => {
                cx.waker().wake_by_ref();
                thread::sleep(SOON);
                Poll::Pending
            }
            2 => {
                let (tell, told) = mpsc::channel();
                let waker = cx.waker().clone();
                let thread = thread::spawn(move || {
                    waker.wake();
                    thread::sleep(SOON);
                    tell.send(()).expect("somebody receives");
                });
                told.recv().expect("it sends");
                thread.join().expect("no panic");
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    })
    .await;
}

#[tokio::test(crate = "stormglass_tokio")]
async fn tasks_that_are_woken_and_aborted_meanwhile() {
    let notify = Arc::new(Notify::new());
    let waits = Arc::clone(&notify);
    let woken = tokio::spawn(async move { waits.notified().await });
    let aborted = tokio::spawn(std::future::pending::<()>());
    tokio::task::yield_now().await;
    let abort = aborted.abort_handle();
    thread::spawn(move || {
        notify.notify_one();
        abort.abort();
    })
    .join()
    .expect("no panic");
    woken.await.expect("no panic");
    assert!(aborted.await.expect_err("it was aborted").is_cancelled());
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_task_that_another_thread_spawns_on_the_runtime_of_the_body() {
    let handle = Handle::current();
    let here = thread::current().id();
    let spawned = thread::spawn(move || {
        let task = handle.spawn(async { thread::current().id() });
        thread::sleep(SOON);
        task
    });
    let task = spawned.join().expect("no panic");
    assert!(!task.is_finished(), "its thread was blocked");
    assert_eq!(task.await.expect("no panic"), here);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn local_tasks_and_what_is_not_send() {
    let kept = Rc::new(Cell::new(1));
    let set = LocalSet::new();
    let local = Rc::clone(&kept);
    let sum = set.run_until(async move {
        let adds = Rc::clone(&local);
        let task = spawn_local(async move {
            thread::spawn(|| thread::sleep(SOON)).join().expect("no panic");
            adds.set(adds.get() + 1);
        });
        task.await.expect("no panic");
        local.get()
    });
    assert_eq!(sum.await, 2);
    assert_eq!(kept.get(), 2);
}

#[tokio::test(crate = "stormglass_tokio")]
#[should_panic(expected = "as it should")]
async fn a_panic_after_a_wait() {
    thread::spawn(|| thread::sleep(SOON)).join().expect("no panic");
    panic!("as it should");
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_task_that_panics_after_a_wait() {
    let task = tokio::spawn(async {
        thread::sleep(SOON);
        panic!("on purpose");
    });
    assert!(task.await.expect_err("it panics").is_panic());
    thread::sleep(SOON);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_runtime_that_says_that_it_is_of_one_thread() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
    assert_eq!(worker_index(), Some(0));
    assert_eq!(tokio::spawn(async { worker_index() }).await.expect("no panic"), Some(0));
    assert_eq!(spawn_blocking(worker_index).await.expect("no panic"), None);
    let blocks = tokio::spawn(async { block_in_place(|| ()) });
    assert!(blocks.await.expect_err("it may not block").is_panic());
    let drives = tokio::spawn(async { Handle::current().block_on(async {}) });
    assert!(drives.await.expect_err("it drives already").is_panic());
}
