//! Bodies whose runtime is of several threads: while a thread is blocked, every task that is not polled on it goes on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use stormglass_tokio as tokio;
use tokio::runtime::{Handle, RuntimeFlavor, worker_index};
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::sleep;

const SOON: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn a_task_sends_to_a_body_that_waits() {
    let (tell, told) = mpsc::channel();
    let task = tokio::spawn(async move {
        for n in 0..5 {
            sleep(SOON / 5).await;
            tell.send(n).expect("somebody receives");
        }
        "done"
    });
    assert_eq!(told.iter().collect::<Vec<u32>>(), [0, 1, 2, 3, 4]);
    assert_eq!(task.await.expect("no panic"), "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn a_body_sends_to_a_task_that_waits() {
    let (tell, told) = mpsc::channel();
    let task = tokio::spawn(async move { told.iter().sum::<u32>() });
    sleep(SOON).await;
    for n in 0..5 {
        tell.send(n).expect("somebody receives");
        sleep(SOON / 5).await;
    }
    drop(tell);
    assert_eq!(task.await.expect("no panic"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn tasks_and_a_body_meet() {
    let barrier = Arc::new(Barrier::new(4));
    let leaders = Arc::new(AtomicU32::new(0));
    let meet = |barrier: &Barrier, leaders: &AtomicU32| {
        for _ in 0..3 {
            leaders.fetch_add(u32::from(barrier.wait().is_leader()), Ordering::SeqCst);
        }
    };
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (barrier, leaders) = (Arc::clone(&barrier), Arc::clone(&leaders));
            tokio::spawn(async move {
                meet(&barrier, &leaders);
                sleep(SOON).await;
                meet(&barrier, &leaders);
            })
        })
        .collect();
    meet(&barrier, &leaders);
    sleep(SOON).await;
    meet(&barrier, &leaders);
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(leaders.load(Ordering::SeqCst), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn waits_that_end_in_another_order_than_they_began() {
    let (tell_first, first) = mpsc::channel();
    let (tell_second, second) = mpsc::channel();
    let one = tokio::spawn(async move { first.recv() });
    sleep(SOON).await;
    let other = tokio::spawn(async move {
        let heard = second.recv();
        tell_first.send(2).expect("somebody receives");
        heard
    });
    sleep(SOON).await;
    tell_second.send(1).expect("somebody receives");
    assert_eq!(one.await.expect("no panic"), Ok(2));
    assert_eq!(other.await.expect("no panic"), Ok(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn an_output_of_the_time_when_the_body_was_blocked() {
    let (tell, told) = oneshot::channel::<u32>();
    let outer = tokio::spawn(async move {
        let inner = tokio::spawn(async { vec![1, 2, 3] });
        let list = inner.await.expect("no panic");
        let _ = tell.send(6);
        list
    });
    thread::sleep(SOON);
    assert!(outer.is_finished(), "a worker has polled it");
    assert_eq!(outer.await.expect("no panic"), [1, 2, 3]);
    assert_eq!(told.await, Ok(6));
    let dropped = tokio::spawn(async { vec![4] });
    thread::sleep(SOON);
    drop(dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn blocking_in_place() {
    let (tell, told) = mpsc::channel();
    let task = tokio::spawn(async move { block_in_place(|| told.recv()) });
    let other = tokio::spawn(async move {
        sleep(SOON).await;
        tell.send(8)
    });
    assert_eq!(task.await.expect("no panic"), Ok(8));
    assert_eq!(other.await.expect("no panic"), Ok(()));
    assert_eq!(block_in_place(|| thread::spawn(|| 5).join().expect("no panic")), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn blocking_on_a_future_in_place() {
    let task = tokio::spawn(async {
        let (tell, told) = oneshot::channel();
        let other = tokio::spawn(async move {
            sleep(SOON).await;
            tell.send(8)
        });
        let heard = block_in_place(|| Handle::current().block_on(told));
        sleep(SOON).await;
        (heard, other.await.expect("no panic"))
    });
    let here =
        block_in_place(|| Handle::current().block_on(async { tokio::spawn(async { 3 }).await.expect("no panic") }));
    assert_eq!(here, 3);
    assert_eq!(task.await.expect("no panic"), (Ok(8), Ok(())));
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
    assert_eq!(worker_index(), None);
    assert!(tokio::spawn(async { worker_index() }).await.expect("no panic").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn an_abort_of_a_task_that_is_blocked() {
    let (tell, told) = mpsc::channel::<()>();
    let (said, heard) = mpsc::channel();
    let task = tokio::spawn(async move {
        let _ = told.recv();
        said.send("after the wait").expect("somebody receives");
        std::future::pending::<()>().await;
    });
    sleep(SOON).await;
    task.abort();
    sleep(SOON).await;
    assert!(!task.is_finished(), "it is in the midst of a poll");
    tell.send(()).expect("it waits");
    assert_eq!(heard.recv(), Ok("after the wait"));
    assert!(task.await.expect_err("it was aborted").is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn a_task_that_panics_after_a_wait() {
    let task = tokio::spawn(async {
        thread::spawn(|| thread::sleep(SOON)).join().expect("no panic");
        panic!("on purpose");
    });
    let waits = tokio::spawn(async { thread::sleep(SOON * 2) });
    assert!(task.await.expect_err("it panics").is_panic());
    waits.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4, crate = "stormglass_tokio")]
async fn many_threads_are_blocked_at_once() {
    let (tell, told) = mpsc::channel::<mpsc::Sender<u32>>();
    let tasks: Vec<_> = (0..2)
        .map(|n| {
            let tell = tell.clone();
            tokio::spawn(async move {
                let (answer, answered) = mpsc::channel();
                tell.send(answer).expect("somebody receives");
                let heard = answered.recv().expect("an answer");
                thread::sleep(SOON);
                heard + n
            })
        })
        .collect();
    let asked: Vec<_> = told.iter().take(2).collect();
    asked.into_iter().rev().for_each(|answer| answer.send(10).expect("somebody receives"));
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no panic");
    }
    assert_eq!(sum, 21);
}
