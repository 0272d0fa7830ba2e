//! A million short tasks, and a million timers that are made and dropped, leave nothing behind.

use std::time::Duration;

use stormglass_kernel::{Footprint, Options, Simulation, VirtualTime, mix, run_blocking, with};
use stormglass_tokio::runtime::Builder;
use stormglass_tokio::task::JoinSet;
use stormglass_tokio::time::{sleep, timeout};
use stormglass_tokio::{spawn, task};

fn footprint() -> Footprint {
    with(|u| u.kernel.footprint())
}

fn simulate(program: impl Future<Output = ()> + 'static) {
    let mut options = Options::new(1);
    options.limits.virtual_time = VirtualTime::from_nanos(u64::MAX / 2);
    let report = Simulation::new(options).run(program);
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
}

#[test]
fn a_million_short_tasks_leave_nothing_behind() {
    simulate(async {
        let before = footprint();
        for _ in 0..10_000 {
            let mut set = JoinSet::new();
            for _ in 0..25 {
                set.spawn(async {});
            }
            set.join_all().await;
            for _ in 0..25 {
                spawn(task::yield_now()).await.expect("no panic");
            }
            // Detached, and aborted.
            let all: Vec<_> = (0..25).map(|_| spawn(async {})).collect();
            drop(all);
            for _ in 0..25 {
                spawn(std::future::pending::<()>()).abort();
            }
            sleep(Duration::from_micros(20)).await;
        }
        let after = footprint();
        assert_eq!(after.tasks, before.tasks, "{after:?}");
        assert!(after.task_slots <= 100, "{after:?}");
        assert!(after.events <= before.events + 2, "{after:?}");
    });
}

#[test]
fn a_million_timers_leave_nothing_behind() {
    simulate(async {
        for n in 0..500_000_u64 {
            let wait = Duration::from_nanos(1 + mix(1, n) % 1_000_000_000);
            let mut long = Box::pin(sleep(wait));
            let _ = futures::poll!(long.as_mut());
            let polled = timeout(Duration::from_secs(5), async {}).await;
            assert_eq!(polled, Ok(()));
            let mut timed = Box::pin(timeout(Duration::from_secs(5), std::future::pending::<()>()));
            let _ = futures::poll!(timed.as_mut());
        }
        sleep(Duration::from_secs(10)).await;
        let after = footprint();
        assert!(after.timer_slots <= 4, "{after:?}");
        assert!(after.timer_entries <= 64, "{after:?}");
        assert!(after.events <= 2, "{after:?}");
    });
}

#[test]
fn tasks_of_a_built_runtime_leave_nothing_behind() {
    simulate(async {
        let before = footprint();
        run_blocking(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            for _ in 0..100 {
                runtime.block_on(async {
                    let all: Vec<_> = (0..100).map(|n| spawn(async move { vec![n; 10] })).collect();
                    for (n, task) in all.into_iter().enumerate() {
                        // Some are awaited, the others detached.
                        if n % 2 == 0 {
                            assert_eq!(task.await.expect("no panic"), vec![n; 10]);
                        }
                    }
                });
            }
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(task::yield_now());
            }
        })
        .await;
        let after = footprint();
        assert_eq!(after.tasks, before.tasks, "{after:?}");
        assert!(after.task_slots <= 210, "{after:?}");
    });
}
