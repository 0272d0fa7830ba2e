//! Single rules of the disk, each by itself: what a sync promises, what faults do, what an override decides.

mod common;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{Down, NodeId, Options, Override, Simulation, with};

/// Runs `program` on a node, takes it down `after` its boot, and gives what `look` then sees on the disk.
fn crash<F, T>(
    options: Options,
    how: Down,
    after: Duration,
    inject: Option<Injection>,
    program: impl Fn() -> F + 'static,
    look: impl Fn(&mut Disk, &stormglass_kernel::Kernel, NodeId) -> T + 'static,
) -> T
where
    F: Future<Output = ()> + 'static,
    T: 'static,
{
    let mut simulation = Simulation::new(options);
    let mut disk = Disk::new(DiskOptions { handles_max: 64, ..DiskOptions::default() });
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    inject.into_iter().for_each(|injection| disk.inject(7, node, injection));
    simulation.universe().insert(disk);
    simulation.set_program(
        node,
        Rc::new(move || {
            let future = program();
            Box::pin(async move {
                future.await;
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(after).await;
        with(|u| u.kernel.take_down(node, how));
        sleep(Duration::from_micros(1)).await;
        with(|u| {
            let (disk, kernel) = u.get::<Disk>().expect("there is a disk");
            look(disk, kernel, node)
        })
    });
    report.outcome.expect("the scenario ends by itself")
}

const LATER: Duration = Duration::from_millis(50);

fn content(disk: &mut Disk, kernel: &stormglass_kernel::Kernel, node: NodeId) -> Option<Vec<u8>> {
    disk.read_file(kernel, node, "/wal").ok()
}

async fn write_wal(data: &[u8]) -> io::Result<Handle> {
    let file = open("/wal", CREATE).await?;
    write_at(file.key()?, 0, data.to_vec()).await?;
    Ok(file)
}

#[test]
fn what_is_synced_with_its_name_is_there_after_every_power_loss() {
    for seed in 0..300 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let file = write_wal(&[7; 3_000]).await.expect("an empty disk");
                sync(&file).await.expect("no fault is on");
                sync_path("/").await.expect("no fault is on");
            },
            content,
        );
        assert_eq!(found, Some(vec![7; 3_000]), "seed {seed}");
    }
}

#[test]
fn a_synced_file_without_a_synced_name_may_vanish_and_may_stay_and_is_whole_if_it_stays() {
    let mut seen = [0, 0];
    for seed in 0..100 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let file = write_wal(&[7; 3_000]).await.expect("an empty disk");
                sync(&file).await.expect("no fault is on");
            },
            content,
        );
        seen[usize::from(found.is_some())] += 1;
        assert!(found.is_none_or(|f| f == [7; 3_000]), "seed {seed}");
    }
    assert!(seen[0] > 10 && seen[1] > 10, "vanished and stayed: {seen:?}");
}

#[test]
fn a_sync_that_has_not_completed_protects_nothing() {
    let mut lost = 0;
    for seed in 0..200 {
        lost += crash(
            Options::new(seed),
            Down::PowerLoss,
            Duration::from_micros(2_500),
            None,
            || async {
                let file = write_wal(&[1; 100]).await.expect("an empty disk");
                sync(&file).await.expect("no fault is on");
                sync_path("/").await.expect("no fault is on");
                // Far longer than any sync takes: the next one begins at a known instant and is cut off.
                let so_far = with(|u| u.kernel.now());
                sleep(Duration::from_nanos(2_450_000 - so_far.as_nanos())).await;
                write_at(file.key().expect("open"), 0, vec![2; 100]).await.expect("there is room");
                let _cut_off = sync(&file).await;
            },
            |disk, kernel, node| u32::from(content(disk, kernel, node) == Some(vec![1; 100])),
        );
    }
    assert!((20..180).contains(&lost), "{lost} of 200 writes lost under a sync that was cut off");
}

#[test]
fn overrides_by_path_decide_what_a_power_loss_keeps() {
    let found = |lines: &[&str]| {
        let overrides: Vec<Override> = lines.iter().map(|line| line.parse().expect("a well-formed override")).collect();
        crash(
            Options { overrides, ..Options::new(3) },
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let _open = write_wal(&[9; 1_500]).await.expect("an empty disk");
            },
            content,
        )
    };
    let named = "disk.name n1:/ @0 = 1";
    assert_eq!(found(&["disk.name n1:/ @0 = 0"]), None);
    assert_eq!(found(&[named, "disk.keep n1:/wal @0 = 1", "disk.grow n1:/wal @0 = 1"]), Some(vec![9; 1_500]));
    assert_eq!(found(&[named, "disk.keep n1:/wal @0 = 0", "disk.grow n1:/wal @0 = 1"]), Some(vec![0; 1_500]));
    assert_eq!(found(&[named, "disk.keep n1:/wal @0 = 1", "disk.grow n1:/wal @0 = 0"]), Some(vec![]));
    let short = [named, "disk.keep n1:/wal @0 = 1", "disk.grow n1:/wal @0 = 2", "disk.short n1:/wal @0 = 2"];
    assert_eq!(found(&short), Some(vec![9; 1_024]));
    let cut = [named, "disk.keep n1:/wal @0 = 3", "disk.cut n1:/wal @0 = 700", "disk.grow n1:/wal @0 = 1"];
    assert_eq!(found(&cut), Some([vec![9; 700], vec![0; 800]].concat()));
    let sectors = "disk.sector n1:/wal @0 = 0\ndisk.sector n1:/wal @1 = 1\ndisk.sector n1:/wal @2 = 2";
    let mut lines = vec![named, "disk.keep n1:/wal @0 = 2", "disk.grow n1:/wal @0 = 1", "disk.tear n1:/wal @2 = 10"];
    lines.extend(sectors.lines());
    let expected = [vec![0; 512], vec![9; 522], vec![0; 466]].concat();
    assert_eq!(found(&lines), Some(expected));
}

#[test]
fn writing_a_whole_file_can_be_killed_between_the_cut_and_the_write() {
    let mut seen = std::collections::BTreeSet::new();
    for us in 0..60 {
        let after = Duration::from_micros(us);
        seen.insert(crash(
            Options::new(5),
            Down::Kill,
            after,
            None,
            || async {
                for data in ["old", "new"] {
                    ask(Request::WriteFile("/wal".into(), data.into())).await.expect("there is room");
                }
            },
            content,
        ));
    }
    let expected = [Some(vec![]), Some(b"new".to_vec()), Some(b"old".to_vec())];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_lying_sync_says_yes_breaks_promises_and_counts_its_hits() {
    let (mut broken, mut hits) = (0, 0);
    for seed in 0..100 {
        let (losses, hit) = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            Some(Injection::LyingSync),
            || async {
                let file = write_wal(&[7; 3_000]).await.expect("an empty disk");
                sync(&file).await.expect("a lie is a success");
                sync_path("/").await.expect("a lie is a success");
            },
            |disk, _, node| (disk.losses(node), disk.fault_hits(7)),
        );
        broken += losses.broken_promises;
        hits += hit;
    }
    assert!(broken > 20, "{broken} broken promises in 100 power losses");
    assert_eq!(hits, 200);
}

#[test]
fn an_honest_sync_after_a_lying_one_covers_what_was_lied_about() {
    for seed in 0..50 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            Some(Injection::LyingSync),
            || async {
                let file = write_wal(&[7; 3_000]).await.expect("an empty disk");
                sync(&file).await.expect("a lie is a success");
                with(|u| u.get::<Disk>().expect("there is a disk").0.heal(7));
                sync(&file).await.expect("no fault is on");
                sync_path("/").await.expect("no fault is on");
            },
            content,
        );
        assert_eq!(found, Some(vec![7; 3_000]), "seed {seed}");
    }
}

#[test]
fn after_a_failed_sync_the_pages_are_clean_and_lost_and_a_second_sync_succeeds() {
    for seed in 0..50 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let file = write_wal(&[1; 600]).await.expect("an empty disk");
                sync(&file).await.expect("no fault is on");
                sync_path("/").await.expect("no fault is on");
                with(|u| u.get::<Disk>().expect("there is a disk").0.inject(8, u_node(), Injection::FailingSync));
                write_at(file.key().expect("open"), 0, vec![2; 600]).await.expect("there is room");
                let failed = sync(&file).await.expect_err("the fault is on");
                assert_eq!(failed.raw_os_error(), Some(5));
                with(|u| u.get::<Disk>().expect("there is a disk").0.heal(8));
                assert_eq!(read("/wal").await.expect("the page cache has it"), vec![2; 600]);
                sync(&file).await.expect("nothing is dirty");
            },
            content,
        );
        assert_eq!(found, Some(vec![1; 600]), "seed {seed}");
    }
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_there_with_the_length_it_needs() {
    for seed in 0..50 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let file = write_wal(&[1; 600]).await.expect("an empty disk");
                sync(&file).await.expect("no fault is on");
                sync_path("/").await.expect("no fault is on");
                with(|u| u.get::<Disk>().expect("there is a disk").0.inject(8, u_node(), Injection::FailingSync));
                let key = file.key().expect("open");
                write_at(key, 600, vec![2; 3_000]).await.expect("there is room");
                sync(&file).await.expect_err("the fault is on");
                with(|u| u.get::<Disk>().expect("there is a disk").0.heal(8));
                // The file is as long by now, so that this makes it no longer.
                write_at(key, 600, vec![2; 2_000]).await.expect("there is room");
                sync(&file).await.expect("no fault is on");
            },
            content,
        );
        assert_eq!(found, Some([vec![1; 600], vec![2; 2_000]].concat()), "seed {seed}");
    }
}

fn u_node() -> NodeId {
    NodeId::from_index(1)
}

#[test]
fn a_full_device_refuses_new_room_and_new_names_and_takes_overwrites() {
    crash(
        Options::new(1),
        Down::Kill,
        LATER,
        None,
        || async {
            let file = write_wal(&[1; 600]).await.expect("an empty disk");
            with(|u| u.get::<Disk>().expect("there is a disk").0.inject(7, u_node(), Injection::Full));
            let key = file.key().expect("open");
            write_at(key, 0, vec![2; 600]).await.expect("an overwrite needs no room");
            let errno = |e: io::Error| e.raw_os_error();
            write_at(key, 500, vec![2; 100]).await.expect("its last page has room");
            assert_eq!(write_at(key, 500, vec![2; 4_096]).await.map_err(errno), Err(Some(28)));
            assert_eq!(ask(Request::CreateDir("/d".into(), false)).await.map_err(errno), Err(Some(28)));
            assert_eq!(open("/other", CREATE).await.map(drop).map_err(errno), Err(Some(28)));
            assert_eq!(read("/wal").await.expect("reads go on"), vec![2; 600]);
        },
        |disk, _, _| assert_eq!(disk.fault_hits(7), 3),
    );
}

#[test]
fn handles_run_out_and_come_back() {
    crash(
        Options::new(1),
        Down::Kill,
        LATER,
        None,
        || async {
            let mut open_files = Vec::new();
            for _ in 0..64 {
                open_files.push(open("/wal", CREATE).await.expect("64 handles"));
            }
            let refused = open("/wal", CREATE).await.map(drop).map_err(|e| e.raw_os_error());
            assert_eq!(refused, Err(Some(24)));
            open_files.pop();
            open("/wal", CREATE).await.expect("one was closed");
        },
        |disk, _, node| assert_eq!(disk.open_files(node), 0, "a kill closes every handle"),
    );
}

#[test]
fn a_handle_of_before_the_crash_is_refused_by_name() {
    let kept = Rc::new(RefCell::new(None::<Handle>));
    let mut simulation = Simulation::new(Options::new(1));
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let (place, messages) = (Rc::clone(&kept), Rc::new(RefCell::new(Vec::new())));
    let seen = Rc::clone(&messages);
    simulation.set_program(
        node,
        Rc::new(move || {
            let (place, seen) = (Rc::clone(&place), Rc::clone(&seen));
            Box::pin(async move {
                let old = place.borrow_mut().take();
                if let Some(old) = old {
                    seen.borrow_mut().extend(old.key().err().map(|e| e.to_string()));
                }
                *place.borrow_mut() = open("/wal", CREATE).await.ok();
                std::future::pending::<()>().await;
            })
        }),
    );
    let other = Rc::clone(&kept);
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(Duration::from_millis(1)).await;
        let elsewhere = other.borrow().as_ref().and_then(|handle| handle.key().err()).map(|e| e.to_string());
        with(|u| u.kernel.take_down(node, Down::Kill));
        with(|u| u.kernel.boot(node));
        sleep(Duration::from_millis(1)).await;
        elsewhere
    });
    let elsewhere = report.outcome.expect("the scenario ends by itself");
    assert!(elsewhere.is_some_and(|e| e.contains("another node")));
    assert!(messages.borrow()[0].contains("before its node went down"), "{messages:?}");
    assert!(kept.take().is_some_and(|handle| handle.key().is_err_and(|e| e.to_string().contains("outside"))));
}

#[test]
fn a_wiped_disk_is_empty_and_a_running_node_keeps_its_disk() {
    let wiped = crash(
        Options::new(1),
        Down::Kill,
        LATER,
        None,
        || async {
            let _open = write_wal(&[1; 600]).await.expect("an empty disk");
            let busy = with(|u| {
                let (disk, kernel) = u.get::<Disk>().expect("there is a disk");
                disk.wipe(kernel, u_node()).is_err()
            });
            assert!(busy);
        },
        |disk, kernel, node| {
            let before = disk.list(kernel, node, "/").expect("a root");
            disk.wipe(kernel, node).expect("the node is down");
            (before, disk.list(kernel, node, "/").expect("a root"))
        },
    );
    assert_eq!(wiped, (vec!["/wal".into()], vec![]));
}

#[test]
fn many_unsynced_changes_stay_bounded() {
    crash(
        Options::new(1),
        Down::Kill,
        Duration::from_secs(10),
        None,
        || async {
            let file = write_wal(&[1; 600]).await.expect("an empty disk");
            for i in 0..40_000_u64 {
                write_at(file.key().expect("open"), i % 500, vec![2; 10]).await.expect("there is room");
            }
            for i in 0..20_000 {
                ask(Request::Rename("/wal".into(), format!("/wal{i}").into())).await.expect("it is there");
                ask(Request::Rename(format!("/wal{i}").into(), "/wal".into())).await.expect("it is there");
            }
        },
        |disk, _, node| {
            let bound = DiskOptions::default();
            let most = bound.pending_writes_max + bound.pending_names_max;
            assert_eq!(disk.unsynced(node), most);
        },
    );
}

#[test]
fn a_sync_covers_what_was_written_before_it_was_issued_and_nothing_after() {
    let mut lost = 0;
    for seed in 0..100 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let file = write_wal(&[1; 512]).await.expect("an empty disk");
                sync_path("/").await.expect("no fault is on");
                let key = file.key().expect("open");
                let syncing = submit(Request::Sync(key, false)).expect("a running node");
                // The write completes long before the sync does: a sync takes at least 100 µs.
                ask(Request::Write(key, 0, vec![2; 512])).await.expect("there is room");
                syncing.await.expect("no fault is on");
            },
            content,
        );
        let found = found.expect("its name was synced");
        assert_eq!(found[..512], [1; 512], "seed {seed}");
        lost += u32::from(found[512..] != [2; 512]);
    }
    assert!((20..100).contains(&lost), "{lost} of 100 writes after the sync lost");
}

#[test]
fn an_operation_whose_future_is_dropped_goes_on() {
    for seed in 0..100 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                let file = open("/wal", CREATE).await.expect("an empty disk");
                sync_path("/").await.expect("no fault is on");
                let key = file.key().expect("open");
                drop(submit(Request::Write(key, 0, vec![3; 700])));
                drop(submit(Request::Sync(key, false)));
            },
            content,
        );
        assert_eq!(found, Some(vec![3; 700]), "seed {seed}");
    }
}

#[test]
fn a_synced_rename_over_the_place_of_a_moved_file_does_not_swallow_that_file() {
    for seed in 0..100 {
        let found = crash(
            Options::new(seed),
            Down::PowerLoss,
            LATER,
            None,
            || async {
                for dir in ["/from", "/to", "/away"] {
                    ask(Request::CreateDir(dir.into(), false)).await.expect("an empty disk");
                }
                ask(Request::WriteFile("/to/x".into(), b"old".to_vec())).await.expect("there is room");
                ask(Request::WriteFile("/from/x".into(), b"new".to_vec())).await.expect("there is room");
                for path in ["/to/x", "/from/x", "/to", "/from", "/"] {
                    sync_path(path).await.expect("no fault is on");
                }
                ask(Request::Rename("/to/x".into(), "/away/x".into())).await.expect("it is there");
                ask(Request::Rename("/from/x".into(), "/to/x".into())).await.expect("it is there");
                // Settles the second rename, by its source; the first one has touched neither this directory nor a sync.
                sync_path("/from").await.expect("no fault is on");
            },
            |disk, kernel, node| ["/to/x", "/away/x"].map(|path| disk.read_file(kernel, node, path).ok()),
        );
        assert_eq!(found, [Some(b"new".to_vec()), Some(b"old".to_vec())], "seed {seed}");
    }
}
