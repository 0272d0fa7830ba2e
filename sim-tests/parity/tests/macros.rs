//! Macros: `select!`, `join!`, `try_join!`, `pin!`, `#[main]` and `#[test]`.

use std::future::{pending, ready};
use std::time::Duration;

use stormglass_tokio as tokio;
use stormglass_tokio::time::{Instant, sleep};
use stormglass_tokio::{join, pin, select, try_join};

use crate::seeing::{one, paused};
use crate::{behaviours, saw};

#[tokio::main(flavor = "current_thread", crate = "stormglass_tokio")]
async fn main_of_one() -> u8 {
    tokio::spawn(async { 1 }).await.expect("no panic")
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2, crate = "stormglass_tokio")]
async fn main_of_several() -> usize {
    tokio::runtime::Handle::current().metrics().num_workers()
}

#[tokio::main(flavor = "current_thread", start_paused = true, crate = "stormglass_tokio")]
async fn main_paused() -> Duration {
    let start = Instant::now();
    sleep(Duration::from_secs(1)).await;
    start.elapsed()
}

#[tokio::main(flavor = "local", crate = "stormglass_tokio")]
async fn main_local() -> u8 {
    tokio::task::spawn_local(async { *std::rc::Rc::new(4) }).await.expect("no panic")
}

#[tokio::test(crate = "stormglass_tokio")]
async fn test_runs_on_one_thread() {
    assert!(tokio::spawn(async { true }).await.expect("no panic"));
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 1);
}

#[tokio::test(start_paused = true, crate = "stormglass_tokio")]
async fn test_begins_paused() {
    let start = Instant::now();
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(3_600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3, crate = "stormglass_tokio")]
async fn test_runs_on_several_threads() {
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 3);
}

behaviours! {
    select_takes_the_branch_that_is_ready => ["2"], |saw| {
        one(async {
            let n = select! {
                () = pending() => 1,
                () = ready(()) => 2,
            };
            saw!(saw, n);
        });
    }
    a_biased_select_takes_the_first => ["1"], |saw| {
        one(async {
            let n = select! {
                biased;
                () = ready(()) => 1,
                () = ready(()) => 2,
            };
            saw!(saw, n);
        });
    }
    select_skips_branches_that_do_not_match => ["\"else\"", "3"], |saw| {
        one(async {
            let word = select! {
                Some(_) = ready(None::<u8>) => "some",
                else => "else",
            };
            saw!(saw, word);
            let n = select! {
                n = ready(3), if true => n,
                n = ready(4), if false => n,
            };
            saw!(saw, n);
        });
    }
    select_takes_each_of_several_ready_branches_at_times => ["true"], |saw| {
        one(async {
            let mut seen = [0_u32; 3];
            for _ in 0..300 {
                let n = select! {
                    () = ready(()) => 0,
                    () = ready(()) => 1,
                    () = ready(()) => 2,
                };
                seen[n] += 1;
            }
            saw!(saw, seen.iter().all(|&count| count > 50));
        });
    }
    join_waits_for_all => ["(1, 2)", "10ms"], |saw| {
        paused(async {
            let start = Instant::now();
            let both = join!(
                async { sleep(Duration::from_millis(10)).await; 1 },
                async { sleep(Duration::from_millis(5)).await; 2 },
            );
            saw!(saw, both, start.elapsed());
        });
    }
    try_join_ends_with_the_first_error => ["Err(3)", "5ms"], |saw| {
        paused(async {
            let start = Instant::now();
            let both: Result<((), ()), u8> = try_join!(
                async { sleep(Duration::from_millis(10)).await; Ok(()) },
                async { sleep(Duration::from_millis(5)).await; Err(3) },
            );
            saw!(saw, both, start.elapsed());
        });
    }
    pin_pins => ["7"], |saw| {
        one(async {
            let future = async { 7 };
            pin!(future);
            saw!(saw, future.as_mut().await);
        });
    }
    main_builds_its_runtime => ["1", "2", "1s", "4"], |saw| {
        saw!(saw, main_of_one(), main_of_several(), main_paused(), main_local());
    }
}
