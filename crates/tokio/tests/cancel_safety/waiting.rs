//! What waits in a queue (places in a channel, locks, permits), what hears of an end, and what reads from a folder or
//! writes: given up at every point. A place in a queue may be lost, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation};
use stormglass_tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, duplex};
use stormglass_tokio::sync::{Notify, RwLock, Semaphore, SetOnce, mpsc, oneshot, watch};
use stormglass_tokio::task::{JoinSet, LocalSet, spawn_local, yield_now};
use stormglass_tokio::{fs, spawn, time};

use crate::cut::cut;
use crate::{ITEMS, SEEDS, pause, under_every_seed};

#[test]
fn many_are_received_at_once_and_none_is_lost() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = mpsc::unbounded_channel();
        spawn(async move {
            for n in 0..ITEMS {
                tell.send(n).expect("it is received");
                pause(n).await;
            }
        });
        let mut seen = Vec::new();
        while cut(&cuts, told.recv_many(&mut seen, 2)).await != Some(0) {}
        assert_eq!(seen, (0..ITEMS).collect::<Vec<_>>());
    });
}

#[test]
fn a_send_that_is_given_up_sends_nothing_and_one_that_is_done_sends_once() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = mpsc::channel(1);
        let reader = spawn(async move {
            let mut seen = Vec::new();
            while let Some(n) = told.recv().await {
                seen.push(n);
                pause(n).await;
            }
            seen
        });
        let mut sent = Vec::new();
        for n in 0..ITEMS * 2 {
            if cut(&cuts, tell.send(n)).await.is_some() {
                sent.push(n);
            }
        }
        drop(tell);
        assert_eq!(reader.await.expect("no panic"), sent);
    });
}

#[test]
fn places_that_are_reserved_come_back() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = mpsc::channel(3);
        let other = tell.clone();
        let rival = spawn(async move {
            for n in 0..ITEMS {
                drop(other.reserve_many(2).await.expect("open"));
                pause(n).await;
            }
        });
        for n in 0..ITEMS {
            loop {
                let done = match n % 3 {
                    0 => cut(&cuts, tell.reserve()).await.map(|permit| permit.expect("open").send(n)),
                    1 => {
                        cut(&cuts, tell.clone().reserve_owned()).await.map(|permit| drop(permit.expect("open").send(n)))
                    }
                    _ => cut(&cuts, tell.reserve_many(2)).await.map(|permits| {
                        permits.expect("open").next().expect("two").send(n);
                    }),
                };
                if done.is_some() {
                    break;
                }
            }
            assert_eq!(told.recv().await, Some(n));
        }
        rival.await.expect("no panic");
        assert_eq!(tell.capacity(), 3, "a place is lost");
    });
}

#[test]
fn an_end_is_heard() {
    under_every_seed(|cuts| async move {
        let (one, one_told) = mpsc::channel::<u8>(1);
        let (two, two_told) = watch::channel(0);
        let (mut three, three_told) = oneshot::channel::<u8>();
        spawn(async move {
            time::sleep(Duration::from_nanos(900)).await;
            drop((one_told, two_told, three_told));
        });
        while cut(&cuts, one.closed()).await.is_none() {}
        while cut(&cuts, two.closed()).await.is_none() {}
        while cut(&cuts, three.closed()).await.is_none() {}
        assert!(one.is_closed() && two.is_closed() && three.is_closed());
    });
}

#[test]
fn a_value_that_is_waited_for_is_seen() {
    under_every_seed(|cuts| async move {
        let (tell, mut told) = watch::channel(0);
        let once = Arc::new(SetOnce::new());
        let set = Arc::clone(&once);
        spawn(async move {
            for n in 1..=ITEMS {
                pause(n).await;
                tell.send(n).expect("watched");
            }
            set.set(ITEMS).expect("new");
            std::future::pending::<()>().await;
            drop(tell);
        });
        loop {
            if let Some(found) = cut(&cuts, told.wait_for(|n| *n >= ITEMS)).await {
                assert_eq!(*found.expect("open"), ITEMS);
                break;
            }
        }
        while cut(&cuts, once.wait()).await.is_none() {}
        assert_eq!(once.get(), Some(&ITEMS));
    });
}

#[test]
fn a_set_gives_each_task_once_with_its_id() {
    under_every_seed(|cuts| async move {
        let mut set = JoinSet::new();
        let ids: BTreeSet<_> = (0..ITEMS)
            .map(|n| {
                let handle = set.spawn(async move { pause(n).await });
                handle.id().to_string()
            })
            .collect();
        let mut seen = BTreeSet::new();
        loop {
            match cut(&cuts, set.join_next_with_id()).await {
                Some(Some(done)) => assert!(seen.insert(done.expect("no panic").0.to_string()), "a task came twice"),
                Some(None) => break,
                None => {}
            }
        }
        assert_eq!(seen, ids);
    });
}

#[test]
fn readers_and_writers_come_and_go() {
    under_every_seed(|cuts| async move {
        let lock = Arc::new(RwLock::new(0));
        let mut set = JoinSet::new();
        for n in 0..ITEMS {
            let (lock, cuts) = (Arc::clone(&lock), cuts.clone());
            set.spawn(async move {
                while cut(&cuts, lock.clone().read_owned()).await.is_none() {}
                let before = loop {
                    if let Some(read) = cut(&cuts, lock.read()).await {
                        break *read;
                    }
                };
                let mut write = loop {
                    if let Some(write) = cut(&cuts, lock.write()).await {
                        break write;
                    }
                };
                assert!(*write >= before);
                pause(n).await;
                *write += 1;
            });
        }
        set.join_all().await;
        assert_eq!(lock.try_write().map(|sum| *sum).expect("nobody holds it"), ITEMS);
    });
}

#[test]
fn several_permits_at_once_are_not_lost() {
    under_every_seed(|cuts| async move {
        let gate = Arc::new(Semaphore::new(3));
        let mut set = JoinSet::new();
        for n in 0..ITEMS {
            let (gate, cuts) = (Arc::clone(&gate), cuts.clone());
            set.spawn(async move {
                loop {
                    let held = if n % 2 == 0 {
                        cut(&cuts, gate.acquire_many(2)).await.map(|p| drop(p.expect("open")))
                    } else {
                        cut(&cuts, gate.clone().acquire_many_owned(3)).await.map(|p| drop(p.expect("open")))
                    };
                    if held.is_some() {
                        break;
                    }
                    pause(n).await;
                }
            });
        }
        set.join_all().await;
        assert_eq!(gate.available_permits(), 3);
    });
}

#[test]
fn a_notice_that_nobody_heard_goes_to_the_next() {
    under_every_seed(|cuts| async move {
        let notify = Arc::new(Notify::new());
        let mut told = 0;
        for n in 0..ITEMS {
            let teller = Arc::clone(&notify);
            spawn(async move {
                pause(n).await;
                teller.notify_one();
            });
            while cut(&cuts, notify.clone().notified_owned()).await.is_none() {}
            told += 1;
        }
        assert_eq!(told, ITEMS);
    });
}

#[test]
fn a_local_set_goes_on_where_it_was() {
    under_every_seed(|cuts| async move {
        let local = LocalSet::new();
        let (tell, mut told) = mpsc::unbounded_channel();
        local.spawn_local(async move {
            for n in 0..ITEMS {
                pause(n).await;
                let tell = tell.clone();
                spawn_local(async move { tell.send(n) });
                yield_now().await;
            }
        });
        let mut seen = Vec::new();
        loop {
            match cut(&cuts, local.run_until(told.recv())).await {
                Some(Some(n)) => seen.push(n),
                Some(None) => break,
                None => {}
            }
        }
        assert_eq!(seen, (0..ITEMS).collect::<Vec<_>>());
    });
}

#[test]
fn lines_come_whole() {
    under_every_seed(|cuts| async move {
        let (mut far, near) = duplex(8);
        spawn(async move {
            for n in 0..ITEMS {
                far.write_all(format!("line {n}\n").as_bytes()).await.expect("it is read");
                pause(n).await;
            }
        });
        let mut lines = BufReader::new(near).lines();
        let mut seen = Vec::new();
        loop {
            match cut(&cuts, lines.next_line()).await {
                Some(Ok(Some(line))) => seen.push(line),
                Some(done) => {
                    assert!(matches!(done, Ok(None)), "{done:?}");
                    break;
                }
                None => {}
            }
        }
        assert_eq!(seen, (0..ITEMS).map(|n| format!("line {n}")).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_written_is_written_once() {
    under_every_seed(|cuts| async move {
        let (mut near, mut far) = duplex(4);
        let reader = spawn(async move {
            let (mut seen, mut byte) = (Vec::new(), [0; 1]);
            while far.read(&mut byte).await.expect("open") == 1 {
                seen.push(byte[0]);
                pause(byte[0].into()).await;
            }
            seen
        });
        let sent: Vec<u8> = (0..24).collect();
        let mut at = 0;
        while at < sent.len() {
            let rest = &sent[at..];
            let wrote = match at % 3 {
                0 => cut(&cuts, near.write(rest)).await,
                1 => cut(&cuts, near.write_vectored(&[std::io::IoSlice::new(rest)])).await,
                _ => cut(&cuts, near.write_buf(&mut &*rest)).await,
            };
            at += wrote.map_or(0, |wrote| wrote.expect("open"));
            while cut(&cuts, near.flush()).await.is_none() {}
        }
        drop(near);
        assert_eq!(reader.await.expect("no panic"), sent);
    });
}

#[test]
fn a_folder_shows_each_entry_once() {
    let mut cuts = 0;
    for seed in 0..SEEDS {
        let mine = crate::cut::Cuts::new(seed);
        let counted = mine.clone();
        let mut simulation = Simulation::new(Options::new(seed));
        simulation.universe().insert(Disk::new(DiskOptions::default()));
        let report = simulation.run(async move {
            fs::create_dir("/many").await.expect("a new folder");
            for n in 0..ITEMS {
                fs::write(format!("/many/{n}"), b"").await.expect("room");
            }
            let mut entries = fs::read_dir("/many").await.expect("a folder");
            let mut seen = Vec::new();
            loop {
                match cut(&mine, entries.next_entry()).await {
                    Some(Ok(Some(entry))) => seen.push(entry.file_name().into_string().expect("digits")),
                    Some(done) => {
                        assert!(matches!(done, Ok(None)), "{done:?}");
                        break;
                    }
                    None => {}
                }
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..ITEMS).map(|n| n.to_string()).collect::<Vec<_>>());
        });
        assert_eq!(report.outcome, Ok(()), "seed {seed}: {:?}", report.waiting);
        cuts += counted.count();
    }
    assert!(cuts > SEEDS / 3, "only {cuts} operations were cut");
}
