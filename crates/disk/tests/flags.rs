//! What the flags of open(2) and the calls that write out parts of a file promise: O_SYNC, O_DSYNC, O_DIRECT, sync_file_range,
//! fallocate; told by a power loss after which nothing is kept but what was durable.
#![cfg(target_os = "linux")]

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{Down, Options, Simulation, with};

/// Of any pending change, nothing.
const LOST: [&str; 6] = ["disk.mood", "disk.keep", "disk.grow", "disk.size", "disk.resize", "disk.commit"];

/// Runs `program` on a node with a durable file of two pages of ones, takes its power away and gives what is then in the file.
fn after_power_loss<F>(file_system: CrashModel, program: impl Fn(HandleKey) -> F + Clone + 'static) -> Vec<u8>
where
    F: Future<Output = ()> + 'static,
{
    let line = |point: &str, site: &str, n: u64| format!("{point} {site} @{n} = 0").parse().expect("well formed");
    let sites = ["n1", "n1:/file"];
    let overrides =
        LOST.iter().flat_map(|point| sites.map(|site| (0..40).map(move |n| line(point, site, n)))).flatten();
    let mut simulation = Simulation::new(Options { overrides: overrides.collect(), ..Options::new(1) });
    simulation.universe().insert(Disk::new(DiskOptions { crash_model: file_system, ..DiskOptions::default() }));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let (disk, kernel) = simulation.universe().get::<Disk>().expect("just inserted");
    disk.write_file(kernel, node, "/file", &[1; 8_192]).expect("an empty disk");
    simulation.set_program(
        node,
        Rc::new(move || {
            let program = program.clone();
            Box::pin(async move {
                if with(|u| u.kernel.node(node).incarnation().number()) == 1 {
                    let file = open("/file", OpenFlags { write: true, ..READ }).await.expect("it is there");
                    program(file.key().expect("just opened")).await;
                    drop(file);
                }
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(Duration::from_millis(50)).await;
        with(|u| u.kernel.take_down(node, Down::PowerLoss));
        sleep(Duration::from_millis(1)).await;
        with(|u| u.get::<Disk>().map(|(disk, kernel)| disk.read_file(kernel, node, "/file")))
    });
    report.outcome.expect("it ends by itself").expect("there is a disk").expect("its name is durable")
}

const MODELS: [CrashModel; 3] = [CrashModel::Strict, CrashModel::Ext4Ordered, CrashModel::Xfs];

async fn write_with(flags: OpenFlags) {
    let file = open("/file", OpenFlags { write: true, ..flags }).await.expect("it is there");
    let key = file.key().expect("just opened");
    ask(Request::Put(key, Some(512), vec![2; 512])).await.expect("there is room");
}

fn untouched(bytes: &[u8]) -> bool {
    bytes == [1; 8_192]
}

#[test]
fn a_write_is_lost_that_nothing_made_durable() {
    for model in MODELS {
        assert!(untouched(&after_power_loss(model, |_| write_with(READ))), "{model:?}");
    }
}

#[test]
fn a_write_to_a_file_opened_with_o_sync_or_o_dsync_is_durable_when_it_returns() {
    for model in MODELS {
        for synced in [Synced::Data, Synced::All] {
            let bytes = after_power_loss(model, move |_| write_with(OpenFlags { synced, ..READ }));
            assert_eq!(bytes[512..1_024], [2; 512], "{model:?}, {synced:?}");
            assert!(bytes[..512].iter().chain(&bytes[1_024..]).all(|&byte| byte == 1));
        }
    }
}

#[test]
fn o_direct_goes_past_the_page_cache_in_whole_sectors_and_promises_nothing_without_a_sync() {
    for model in MODELS {
        assert!(untouched(&after_power_loss(model, |_| write_with(OpenFlags { direct: true, ..READ }))), "{model:?}");
    }
    let took = Rc::new(RefCell::new(Vec::new()));
    let times = Rc::clone(&took);
    after_power_loss(CrashModel::Strict, move |_| {
        let times = Rc::clone(&times);
        async move {
            let file = open("/file", OpenFlags { write: true, direct: true, ..READ }).await.expect("it is there");
            let key = file.key().expect("just opened");
            for (offset, len) in [(3, 512), (512, 100)] {
                let refused = ask(Request::Put(key, Some(offset), vec![2; len])).await.expect_err("not whole sectors");
                assert_eq!(refused.raw_os_error(), Some(libc_einval()));
            }
            for request in [Request::Put(key, Some(0), vec![2; 512]), Request::ReadAt(key, 0, 512, Vec::new())] {
                let begun = with(|u| u.kernel.now());
                ask(request).await.expect("whole sectors");
                times.borrow_mut().push(with(|u| u.kernel.now()) - begun);
            }
        }
    });
    let fastest = *DiskOptions::default().sync_latency.start();
    assert_eq!(took.borrow().len(), 2);
    assert!(took.borrow().iter().all(|took| *took >= fastest), "the device takes {fastest:?} at least: {took:?}");
}

fn libc_einval() -> i32 {
    22
}

#[test]
fn sync_file_range_makes_nothing_durable() {
    // SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER.
    const ALL: u32 = 7;
    for model in MODELS {
        let write = |synced: bool| {
            move |_| async move {
                // O_RDWR.
                let fd = posix::open((-100, Path::new("/file")), 2, 0).expect("it is there");
                assert_eq!(posix::write(fd, Some(0), &[2; 512]), Ok(512));
                posix::sync_range(fd, 0, 512, ALL).expect("a regular file");
                if synced {
                    posix::sync(fd, true).expect("no fault is on");
                }
                posix::close(fd).expect("it is open");
            }
        };
        assert!(untouched(&after_power_loss(model, write(false))), "{model:?}");
        assert_eq!(after_power_loss(model, write(true))[..512], [2; 512], "{model:?}");
    }
}

#[test]
fn a_hole_and_a_reservation_are_there_when_they_were_synced() {
    for model in MODELS {
        let change = |how: Allocation, synced: bool| {
            move |key| async move {
                ask(Request::Allocate(key, how, 4_096, 8_192)).await.expect("there is room");
                if synced {
                    ask(Request::Sync(key, false)).await.expect("no fault is on");
                }
            }
        };
        assert!(untouched(&after_power_loss(model, change(Allocation::PunchHole, false))), "{model:?}");
        let punched = after_power_loss(model, change(Allocation::PunchHole, true));
        assert_eq!((punched.len(), &punched[..4_096]), (8_192, &[1; 4_096][..]), "{model:?}");
        assert!(punched[4_096..].iter().all(|&byte| byte == 0), "{model:?}");
        assert!(untouched(&after_power_loss(model, change(Allocation::Extend, false))), "{model:?}");
        assert_eq!(after_power_loss(model, change(Allocation::Extend, true)).len(), 12_288, "{model:?}");
    }
}
