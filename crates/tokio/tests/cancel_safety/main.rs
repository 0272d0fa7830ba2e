//! Operations that tokio documents as cancel-safe, cancelled at every point: before the first poll, while they wait, and
//! between a wake and the poll that it asks for. Nothing is lost and nothing comes twice.

mod cut;
mod waiting;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use cut::{Cuts, cut};
use stormglass_kernel::{Options, Simulation};
use stormglass_tokio::io::AsyncReadExt;
use stormglass_tokio::signal::unix::{SignalKind, signal};
use stormglass_tokio::sync::{Mutex, Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use stormglass_tokio::task::{JoinSet, yield_now};
use stormglass_tokio::time::{self, Instant, MissedTickBehavior};
use stormglass_tokio::{spawn, task};

pub(crate) const SEEDS: u64 = 1_000;
pub(crate) const ITEMS: u32 = 6;

/// Runs `program` under every seed, each of which cuts at other points. Says how often something was cut.
pub(crate) fn under_every_seed<F>(program: impl Fn(Cuts) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let mut cuts = 0;
    for seed in 0..SEEDS {
        let mine = Cuts::new(seed);
        let report = Simulation::new(Options::new(seed)).run(program(mine.clone()));
        assert_eq!(report.outcome, Ok(()), "seed {seed}; who waits: {:?}", report.waiting);
        cuts += mine.count();
    }
    assert!(cuts > SEEDS / 3, "only {cuts} operations were cut");
}

/// Short pauses, some of none, so that operations find what they wait for at all kinds of moments.
pub(crate) async fn pause(n: u32) {
    match n % 3 {
        0 => {}
        1 => yield_now().await,
        _ => time::sleep(Duration::from_nanos(u64::from(n) * 90)).await,
    }
}

#[test]
fn a_channel_loses_nothing() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = mpsc::channel(2);
        spawn(async move {
            for n in 0..ITEMS {
                tell.send(n).await.expect("it is received");
                pause(n).await;
            }
        });
        let mut seen = Vec::new();
        loop {
            match cut(&cuts, told.recv()).await {
                Some(Some(n)) => seen.push(n),
                Some(None) => break,
                None => {}
            }
        }
        assert_eq!(seen, (0..ITEMS).collect::<Vec<_>>());
    });
}

#[test]
fn a_broadcast_loses_nothing() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = broadcast::channel(64);
        spawn(async move {
            for n in 0..ITEMS {
                pause(n).await;
                tell.send(n).expect("somebody listens");
            }
        });
        let mut seen = Vec::new();
        loop {
            match cut(&cuts, told.recv()).await {
                Some(Ok(n)) => seen.push(n),
                Some(Err(_)) => break,
                None => {}
            }
        }
        assert_eq!(seen, (0..ITEMS).collect::<Vec<_>>());
    });
}

#[test]
fn a_watch_shows_the_last_in_the_end() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = watch::channel(0);
        spawn(async move {
            for n in 1..=ITEMS {
                pause(n).await;
                tell.send(n).expect("it is watched");
            }
        });
        let mut last = 0;
        loop {
            match cut(&cuts, told.changed()).await {
                Some(Ok(())) => {
                    let now = *told.borrow_and_update();
                    assert!(now > last, "{now} after {last}");
                    last = now;
                }
                Some(Err(_)) => break,
                None => {}
            }
        }
        assert_eq!(*told.borrow(), ITEMS);
    });
}

#[test]
fn a_oneshot_comes_once() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = oneshot::channel();
        spawn(async move {
            time::sleep(Duration::from_nanos(700)).await;
            tell.send(5).expect("it is awaited");
        });
        let five = loop {
            if let Some(result) = cut(&cuts, &mut told).await {
                break result;
            }
        };
        assert_eq!(five, Ok(5));
    });
}

#[test]
fn a_notice_finds_somebody() {
    under_every_seed(|cuts| async move {
        let notify = std::sync::Arc::new(Notify::new());
        let (count, done) = (std::sync::Arc::new(Semaphore::new(0)), ITEMS);
        for _ in 0..2 {
            let (notify, count, cuts) = (notify.clone(), count.clone(), cuts.clone());
            spawn(async move {
                loop {
                    if cut(&cuts, notify.notified()).await.is_some() {
                        count.add_permits(1);
                    }
                }
            });
        }
        for n in 0..done {
            notify.notify_one();
            // Each is taken before the next: notices do not add up.
            count.acquire().await.expect("it is open").forget();
            pause(n).await;
        }
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(count.available_permits(), 0, "a notice came twice");
    });
}

#[test]
fn a_set_gives_each_task_once() {
    under_every_seed(|cuts| async move {
        let mut set = JoinSet::new();
        for n in 0..ITEMS {
            set.spawn(async move {
                pause(n).await;
                n
            });
        }
        let mut seen = BTreeMap::new();
        loop {
            match cut(&cuts, set.join_next()).await {
                Some(Some(result)) => *seen.entry(result.expect("no panic")).or_insert(0) += 1,
                Some(None) => break,
                None => {}
            }
        }
        assert_eq!(seen, (0..ITEMS).map(|n| (n, 1)).collect());
    });
}

#[test]
fn a_join_handle_gives_its_output_once() {
    under_every_seed(|cuts| async move {
        let mut task = spawn(async {
            pause(5).await;
            7
        });
        let seven = loop {
            if let Some(result) = cut(&cuts, &mut task).await {
                break result;
            }
        };
        assert_eq!(seven.expect("no panic"), 7);
    });
}

#[test]
fn blocking_code_gives_its_output_once() {
    under_every_seed(|cuts| async move {
        let mut task = task::spawn_blocking(|| 7);
        let seven = loop {
            if let Some(result) = cut(&cuts, &mut task).await {
                break result;
            }
        };
        assert_eq!(seven.expect("no panic"), 7);
    });
}

#[test]
fn an_interval_loses_no_tick() {
    under_every_seed(|cuts| async move {
        let start = Instant::now();
        let period = Duration::from_micros(2);
        let mut interval = time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut seen = Vec::new();
        while seen.len() < ITEMS as usize {
            seen.extend(cut(&cuts, interval.tick()).await);
        }
        let due: Vec<_> = (0..ITEMS).map(|n| period * n).collect();
        let first = seen[0];
        assert!(first >= start);
        assert_eq!(seen.iter().map(|tick| *tick - first).collect::<Vec<_>>(), due);
    });
}

#[test]
fn a_sleep_keeps_its_deadline() {
    under_every_seed(|cuts| async move {
        let mut sleep = Box::pin(time::sleep(Duration::from_micros(3)));
        let deadline = sleep.deadline();
        while cut(&cuts, sleep.as_mut()).await.is_none() {}
        assert!(sleep.is_elapsed());
        let late = Instant::now() - deadline;
        assert!(late < Duration::from_micros(5), "{late:?} late");
    });
}

#[test]
fn a_signal_is_not_lost() {
    under_every_seed(|cuts| async move {
        let mut user = signal(SignalKind::user_defined1()).expect("a handler");
        spawn(async {
            time::sleep(Duration::from_micros(1)).await;
            stormglass_kernel::with(|u| {
                let node = u.kernel.current_node();
                u.kernel.signal(node, 10)
            });
        });
        while cut(&cuts, user.recv()).await.is_none() {}
    });
}

#[test]
fn a_lock_and_a_permit_are_not_lost() {
    under_every_seed(|cuts| async move {
        let lock = std::sync::Arc::new(Mutex::new(0));
        let gate = std::sync::Arc::new(Semaphore::new(2));
        let mut set = JoinSet::new();
        for n in 0..ITEMS {
            let (lock, gate, cuts) = (lock.clone(), gate.clone(), cuts.clone());
            set.spawn(async move {
                let _permit = loop {
                    if let Some(permit) = cut(&cuts, gate.acquire()).await {
                        break permit;
                    }
                };
                let mut sum = loop {
                    if let Some(sum) = cut(&cuts, lock.lock()).await {
                        break sum;
                    }
                };
                pause(n).await;
                *sum += 1;
            });
        }
        set.join_all().await;
        assert_eq!((*lock.lock().await, gate.available_permits()), (ITEMS, 2));
    });
}

#[test]
fn standard_input_loses_no_byte() {
    use stormglass_tokio::support::give_input;
    under_every_seed(|cuts| async move {
        let node = stormglass_kernel::with(|u| u.kernel.current_node());
        give_input(node, b"", true);
        spawn(async move {
            for n in 0..ITEMS {
                pause(n).await;
                give_input(node, &[b'a' + n as u8], n + 1 < ITEMS);
            }
        });
        let mut input = stormglass_tokio::io::stdin();
        let mut seen = Vec::new();
        loop {
            let mut bytes = [0; 4];
            match cut(&cuts, input.read(&mut bytes)).await {
                Some(Ok(0)) => break,
                Some(Ok(count)) => seen.extend_from_slice(&bytes[..count]),
                Some(Err(error)) => panic!("{error}"),
                None => {}
            }
        }
        assert_eq!(seen, b"abcdef");
    });
}
