//! Calls that block a thread: tokio's own on its channels and locks, and std's. In a simulation they run on threads of a
//! node, sealed as a scenario's are, and what they wait for is done by tasks.

use std::sync::mpsc::{RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use stormglass_tokio::runtime::Handle;
use stormglass_tokio::sync::{Mutex as TokioMutex, RwLock, broadcast, mpsc, oneshot};
use stormglass_tokio::task::{block_in_place, spawn, spawn_blocking, yield_now};
use stormglass_tokio::time::{Instant, sleep, timeout};

use crate::seeing::{one, several};
use crate::{behaviours, saw};

const SOON: Duration = Duration::from_millis(10);

behaviours! {
    blocking_recv_of_what_is_there => ["Some(1)", "Some(2)", "None"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(4);
            tell.send(1).await.expect("received");
            tell.send(2).await.expect("received");
            drop(tell);
            let all = spawn_blocking(move || [told.blocking_recv(), told.blocking_recv(), told.blocking_recv()]);
            for item in all.await.expect("no panic") {
                saw!(saw, item);
            }
        });
    }
    blocking_recv_of_what_comes => ["Some(1)", "Some(2)", "None"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            let all = spawn_blocking(move || [told.blocking_recv(), told.blocking_recv(), told.blocking_recv()]);
            sleep(SOON).await;
            tell.send(1).await.expect("received");
            sleep(SOON).await;
            tell.send(2).await.expect("received");
            sleep(SOON).await;
            drop(tell);
            for item in all.await.expect("no panic") {
                saw!(saw, item);
            }
        });
    }
    blocking_recv_on_several_threads => ["10"], |saw| {
        several(async {
            let (tell, mut told) = mpsc::unbounded_channel();
            let sum = spawn_blocking(move || {
                let mut sum = 0;
                while let Some(n) = told.blocking_recv() {
                    sum += n;
                }
                sum
            });
            for n in 0..5 {
                let tell = tell.clone();
                spawn(async move {
                    sleep(SOON * n).await;
                    tell.send(n).expect("received");
                });
            }
            drop(tell);
            saw!(saw, sum.await.expect("no panic"));
        });
    }
    blocking_recv_many => ["3", "[1, 2, 3]", "0"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(4);
            let reader = spawn_blocking(move || {
                let mut all = Vec::new();
                let first = told.blocking_recv_many(&mut all, 8);
                (first, all, told.blocking_recv_many(&mut Vec::new(), 8))
            });
            sleep(SOON).await;
            // One turn, so that all come at once.
            for n in 1..=3 {
                tell.try_send(n).expect("room");
            }
            drop(tell);
            let (first, all, end) = reader.await.expect("no panic");
            saw!(saw, first, all, end);
        });
    }
    blocking_send_waits_for_room => ["Some(0)", "Some(1)", "Some(2)", "Some(3)", "None", "true"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            let writer = spawn_blocking(move || (0..4).all(|n| tell.blocking_send(n).is_ok()));
            for _ in 0..5 {
                sleep(SOON).await;
                saw!(saw, told.recv().await);
            }
            saw!(saw, writer.await.expect("no panic"));
        });
    }
    blocking_send_to_nobody => ["Err(SendError { .. })", "Err(SendError { .. })"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            tell.send(1).await.expect("room");
            let again = tell.clone();
            let writer = spawn_blocking(move || again.blocking_send(2));
            sleep(SOON).await;
            told.close();
            drop(told);
            saw!(saw, writer.await.expect("no panic"));
            saw!(saw, spawn_blocking(move || tell.blocking_send(3)).await.expect("no panic"));
        });
    }
    oneshot_blocking_recv => ["Ok(7)", "Ok(8)", "Err(RecvError(()))"], |saw| {
        several(async {
            let (tell, told) = oneshot::channel();
            tell.send(7).expect("received");
            saw!(saw, spawn_blocking(move || told.blocking_recv()).await.expect("no panic"));
            let (tell, told) = oneshot::channel();
            let later = spawn_blocking(move || told.blocking_recv());
            sleep(SOON).await;
            tell.send(8).expect("received");
            saw!(saw, later.await.expect("no panic"));
            let (tell, told) = oneshot::channel::<u8>();
            let never = spawn_blocking(move || told.blocking_recv());
            sleep(SOON).await;
            drop(tell);
            saw!(saw, never.await.expect("no panic"));
        });
    }
    broadcast_blocking_recv => ["Ok(1)", "Err(Lagged(1))", "Ok(3)", "Ok(4)", "Err(Closed)"], |saw| {
        one(async {
            let (tell, mut told) = broadcast::channel(2);
            let first = spawn_blocking(move || (told.blocking_recv(), told));
            sleep(SOON).await;
            tell.send(1).expect("heard");
            let (first, mut told) = first.await.expect("no panic");
            saw!(saw, first);
            for n in 2..=4 {
                tell.send(n).expect("heard");
            }
            let rest = spawn_blocking(move || [(); 4].map(|()| told.blocking_recv()));
            sleep(SOON).await;
            drop(tell);
            for item in rest.await.expect("no panic") {
                saw!(saw, item);
            }
        });
    }
    blocking_lock_waits_for_a_task => ["[\"task\", \"thread\"]"], |saw| {
        one(async {
            let lock = Arc::new(TokioMutex::new(Vec::new()));
            let mut held = lock.clone().lock_owned().await;
            let other = lock.clone();
            let waiting = spawn_blocking(move || other.blocking_lock().push("thread"));
            sleep(SOON).await;
            held.push("task");
            drop(held);
            waiting.await.expect("no panic");
            saw!(saw, *lock.lock().await);
        });
    }
    a_task_waits_for_a_blocking_lock => ["true", "2"], |saw| {
        one(async {
            let lock = Arc::new(TokioMutex::new(0));
            let other = lock.clone();
            let (begin, begun) = oneshot::channel();
            let holder = spawn_blocking(move || {
                let mut held = other.blocking_lock_owned();
                begin.send(()).expect("awaited");
                thread::sleep(SOON);
                *held += 1;
            });
            begun.await.expect("it begins");
            saw!(saw, lock.try_lock().is_err());
            *lock.lock().await += 1;
            holder.await.expect("no panic");
            saw!(saw, *lock.lock().await);
        });
    }
    blocking_read_and_write => ["5", "6", "true"], |saw| {
        several(async {
            let lock = Arc::new(RwLock::new(5));
            let write = lock.clone().write_owned().await;
            let other = lock.clone();
            let reading = spawn_blocking(move || *other.blocking_read());
            sleep(SOON).await;
            drop(write);
            saw!(saw, reading.await.expect("no panic"));
            let read = lock.clone().read_owned().await;
            let other = lock.clone();
            let writing = spawn_blocking(move || *other.blocking_write() += 1);
            sleep(SOON).await;
            drop(read);
            writing.await.expect("no panic");
            saw!(saw, *lock.read().await, lock.try_write().is_ok());
        });
    }
    blocking_in_place_of_the_main_future => ["Some(3)"], |saw| {
        several(async {
            let (tell, mut told) = mpsc::channel(1);
            spawn(async move {
                sleep(SOON).await;
                tell.send(3).await.expect("received");
            });
            saw!(saw, block_in_place(|| told.blocking_recv()));
        });
    }
    a_thread_blocks_on_a_future_and_on_a_channel => ["Ok(1)", "Ok(2)", "Err(Elapsed(()))"], |saw| {
        one(async {
            let (tell, told) = sync_channel(1);
            let handle = Handle::current();
            let both = spawn_blocking(move || {
                let first = told.recv();
                handle.block_on(sleep(SOON));
                let second = told.recv();
                let never = handle.block_on(async { timeout(SOON, std::future::pending::<()>()).await });
                (first, second, never)
            });
            sleep(SOON).await;
            tell.send(1).expect("received");
            sleep(SOON * 3).await;
            tell.send(2).expect("received");
            let (first, second, never) = both.await.expect("no panic");
            saw!(saw, first, second, never);
        });
    }
    a_sender_that_panics => ["None", "true"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel::<u8>(1);
            let reader = spawn_blocking(move || told.blocking_recv());
            let task = spawn(async move {
                let _tell = tell;
                sleep(SOON).await;
                panic!("no word");
            });
            saw!(saw, reader.await.expect("no panic"), task.await.is_err_and(|error| error.is_panic()));
        });
    }
    a_thread_that_panics_after_waiting => ["true", "\"panic: one\"", "Err(SendError { .. })"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel::<u8>(1);
            let reader = spawn_blocking(move || match told.blocking_recv() {
                Some(1) => panic!("one"),
                other => other,
            });
            sleep(SOON).await;
            tell.send(1).await.expect("received");
            let error = reader.await.expect_err("a panic");
            saw!(saw, error.is_panic(), crate::seeing::words(&*error.into_panic()), tell.send(2).await);
        });
    }
    an_aborted_thread_goes_on_waiting => ["false", "Some(1)"], |saw| {
        one(async {
            let (tell, mut told) = mpsc::channel(1);
            let reader = spawn_blocking(move || told.blocking_recv());
            sleep(SOON).await;
            reader.abort();
            sleep(SOON).await;
            saw!(saw, reader.is_finished());
            tell.send(1).await.expect("it still waits");
            saw!(saw, reader.await.expect("blocking code cannot be aborted"));
        });
    }
    std_channel => ["Ok(1)", "Err(RecvError)", "true"], |saw| {
        one(async {
            let (tell, told) = sync_channel(0);
            let start = Instant::now();
            let reader = spawn_blocking(move || (told.recv(), told.recv()));
            let writer = spawn_blocking(move || {
                thread::sleep(SOON);
                tell.send(1).expect("received");
                thread::sleep(SOON);
            });
            let (first, second) = reader.await.expect("no panic");
            writer.await.expect("no panic");
            saw!(saw, first, second, start.elapsed() >= SOON * 2);
        });
    }
    std_channel_with_a_limit => ["Err(Timeout)", "Ok(1)", "Err(Disconnected)", "true"], |saw| {
        one(async {
            let (tell, told) = sync_channel(1);
            let reader = spawn_blocking(move || {
                let start = std::time::Instant::now();
                let first = told.recv_timeout(SOON);
                let late = start.elapsed() >= SOON;
                (first, told.recv_timeout(Duration::from_secs(60)), told.recv_timeout(Duration::from_secs(60)), late)
            });
            sleep(SOON * 4).await;
            tell.send(1).expect("received");
            sleep(SOON).await;
            drop(tell);
            let (first, second, third, late): (Result<u8, RecvTimeoutError>, _, _, _) = reader.await.expect("no panic");
            saw!(saw, first, second, third, late);
        });
    }
    std_mutex_between_threads => ["4000"], |saw| {
        several(async {
            let sum = Arc::new(Mutex::new(0));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let sum = sum.clone();
                    spawn_blocking(move || {
                        for n in 0..1_000 {
                            let mut held = sum.lock().expect("not poisoned");
                            if n % 250 == 0 {
                                thread::sleep(Duration::from_millis(1));
                            }
                            *held += 1;
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.await.expect("no panic");
            }
            saw!(saw, *sum.lock().expect("not poisoned"));
        });
    }
    std_mutex_is_poisoned => ["true", "1"], |saw| {
        one(async {
            let lock = Arc::new(Mutex::new(0));
            let (holder, waiter) = (lock.clone(), lock.clone());
            let holder = spawn_blocking(move || {
                let mut held = holder.lock().expect("new");
                thread::sleep(SOON * 2);
                *held = 1;
                panic!("with the lock");
            });
            sleep(SOON).await;
            let waiter = spawn_blocking(move || waiter.lock().map(|held| *held).map_err(|error| *error.into_inner()));
            saw!(saw, holder.await.is_err(), waiter.await.expect("no panic").expect_err("poisoned"));
        });
    }
    std_condvar => ["(true, false)", "true", "true"], |saw| {
        one(async {
            let pair = Arc::new((Mutex::new(false), Condvar::new()));
            let other = pair.clone();
            let waiter = spawn_blocking(move || {
                let (lock, told) = &*other;
                let start = std::time::Instant::now();
                let (held, out) = told.wait_timeout(lock.lock().expect("new"), SOON).expect("not poisoned");
                let first = (out.timed_out(), *held);
                let late = start.elapsed() >= SOON;
                let held = told.wait_while(held, |done| !*done).expect("not poisoned");
                (first, late, *held)
            });
            sleep(SOON * 3).await;
            *pair.0.lock().expect("not poisoned") = true;
            pair.1.notify_all();
            let (first, late, done) = waiter.await.expect("no panic");
            saw!(saw, first, late, done);
        });
    }
    std_barrier_and_once => ["1", "true"], |saw| {
        several(async {
            let (barrier, once) = (Arc::new(Barrier::new(3)), Arc::new(OnceLock::new()));
            let threads: Vec<_> = (0..3)
                .map(|n| {
                    let (barrier, once) = (barrier.clone(), once.clone());
                    spawn_blocking(move || {
                        let leads = barrier.wait().is_leader();
                        let first = *once.get_or_init(|| {
                            thread::sleep(SOON);
                            n
                        });
                        (usize::from(leads), first)
                    })
                })
                .collect();
            let mut ends = Vec::new();
            for thread in threads {
                ends.push(thread.await.expect("no panic"));
            }
            saw!(saw, ends.iter().map(|(leads, _)| leads).sum::<usize>(), ends.iter().all(|end| end.1 == ends[0].1));
        });
    }
    std_park => ["true", "true"], |saw| {
        one(async {
            let (tell, told) = oneshot::channel();
            let parked = spawn_blocking(move || {
                tell.send(thread::current()).expect("awaited");
                let start = std::time::Instant::now();
                thread::park_timeout(Duration::from_secs(60));
                let woken = start.elapsed() < Duration::from_secs(50);
                let start = std::time::Instant::now();
                // May return early on the real machine.
                while start.elapsed() < SOON {
                    thread::park_timeout(SOON);
                }
                (woken, start.elapsed() >= SOON)
            });
            let thread = told.await.expect("it begins");
            sleep(SOON).await;
            thread.unpark();
            let (woken, late) = parked.await.expect("no panic");
            saw!(saw, woken, late);
        });
    }
    std_sleep => ["true", "true"], |saw| {
        one(async {
            let start = Instant::now();
            let (inner, ticks) = (spawn_blocking(|| {
                let start = std::time::Instant::now();
                // Long beside four ticks, whatever else the machine does.
                thread::sleep(SOON * 40);
                start.elapsed() >= SOON * 40
            }), spawn(async {
                // Tasks go on meanwhile.
                for _ in 0..4 {
                    sleep(Duration::from_millis(1)).await;
                }
            }));
            ticks.await.expect("no panic");
            let meanwhile = start.elapsed() < SOON * 40;
            saw!(saw, meanwhile, inner.await.expect("no panic"));
        });
    }
    a_channel_without_an_end_is_empty => ["Err(Empty)", "Err(Disconnected)"], |saw| {
        one(async {
            let (tell, told) = sync_channel::<u8>(1);
            yield_now().await;
            let first: Result<u8, TryRecvError> = told.try_recv();
            drop(tell);
            saw!(saw, first, told.try_recv());
        });
    }
}
