//! How long operations take: latency, bandwidth and operations per second of a device, stalls; and a slow disk slows only
//! its own node.

mod common;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{NodeId, Options, Simulation, VirtualTime, with};

const US: u64 = 1_000;

fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// A disk on which nothing takes time but what a test gives some.
fn instant() -> DiskOptions {
    let none = || us(0)..=us(0);
    DiskOptions {
        read_latency: none(),
        write_latency: none(),
        name_latency: none(),
        sync_latency: none(),
        cache_bytes_per_us: 0,
        device_bytes_per_us: 0,
        ..DiskOptions::default()
    }
}

fn now_ns() -> u64 {
    with(|u| u.kernel.now().as_nanos())
}

/// How long each of some operations took on `n1` and on `n2`, in nanoseconds, with the disks set up by `set`.
fn took<F>(
    options: DiskOptions,
    set: impl FnOnce(&mut Disk, NodeId),
    program: impl Fn(Rc<RefCell<Vec<u64>>>) -> F + Clone + 'static,
) -> [Vec<u64>; 2]
where
    F: Future<Output = ()> + 'static,
{
    let mut simulation = Simulation::new(Options::new(11));
    simulation.universe().insert(Disk::new(options));
    let mut nodes = Vec::new();
    let mut taken = Vec::new();
    for name in ["n1", "n2"] {
        let node = simulation.universe().kernel.add_node(name).expect("a new name");
        let times = Rc::new(RefCell::new(Vec::new()));
        let (program, mine) = (program.clone(), Rc::clone(&times));
        simulation.set_program(node, Rc::new(move || Box::pin(program(Rc::clone(&mine)))));
        nodes.push(node);
        taken.push(times);
    }
    let (disk, _) = simulation.universe().get::<Disk>().expect("just inserted");
    set(disk, nodes[0]);
    let report = simulation.run(async move {
        nodes.iter().for_each(|&node| _ = with(|u| u.kernel.boot(node)));
        sleep(Duration::from_secs(60)).await;
    });
    report.outcome.expect("nothing fails");
    assert!(report.ended_at > VirtualTime::ZERO);
    [taken[0].take(), taken[1].take()]
}

/// Fifty reads, writes of 4 KiB, and syncs, each timed.
async fn read_write_sync(times: Rc<RefCell<Vec<u64>>>) {
    let file = open("/f", OpenFlags { read: true, ..CREATE }).await.expect("there is room");
    let key = file.key().expect("open");
    for _ in 0..50 {
        for request in [
            Request::Write(key, 0, vec![7; 4_096]),
            Request::ReadAt(key, 0, 4_096, Vec::new()),
            Request::Sync(key, true),
        ] {
            let begun = now_ns();
            ask(request).await.expect("no fault is on");
            times.borrow_mut().push(now_ns() - begun);
        }
    }
}

/// What polls and wakes add to an operation, at most.
const OVERHEAD_NS: u64 = 500;

fn within(times: impl Iterator<Item = u64>, range: RangeInclusive<u64>) {
    let times: Vec<u64> = times.collect();
    let fits = times.iter().all(|ns| *range.start() <= *ns && *ns <= *range.end() + OVERHEAD_NS);
    assert!(fits, "{times:?} are not all in {range:?}");
}

fn each(times: &[u64], which: usize) -> impl Iterator<Item = u64> + '_ {
    times.iter().skip(which).step_by(3).copied()
}

#[test]
fn each_kind_of_operation_has_its_latency_drawn_anew_each_time() {
    let options = DiskOptions {
        read_latency: us(10)..=us(20),
        write_latency: us(30)..=us(40),
        sync_latency: us(500)..=us(900),
        ..instant()
    };
    let [times, _] = took(options, |_, _| {}, read_write_sync);
    within(each(&times, 0), 30 * US..=40 * US);
    within(each(&times, 1), 10 * US..=20 * US);
    within(each(&times, 2), 500 * US..=900 * US);
    for which in 0..3 {
        let distinct: std::collections::BTreeSet<u64> = each(&times, which).collect();
        assert!(distinct.len() > 25, "each operation draws its own: {distinct:?}");
    }
}

#[test]
fn bytes_take_time_in_the_cache_and_on_the_device() {
    let options = DiskOptions { cache_bytes_per_us: 64, device_bytes_per_us: 16, ..instant() };
    let [times, _] = took(options, |_, _| {}, read_write_sync);
    within(each(&times, 0), 64 * US..=64 * US);
    within(each(&times, 1), 64 * US..=64 * US);
    // A sync takes what was written since the last one to the device.
    within(each(&times, 2), 256 * US..=256 * US);
}

/// Ten syncs at once, on ten handles.
async fn syncs_at_once(times: Rc<RefCell<Vec<u64>>>) {
    let mut handles = Vec::new();
    for n in 0..10 {
        handles.push(open(&format!("/f{n}"), CREATE).await.expect("there is room"));
    }
    let begun = now_ns();
    let syncs: Vec<_> = handles
        .iter()
        .map(|handle| submit(Request::Sync(handle.key().expect("open"), true)).expect("there is a disk"))
        .collect();
    for sync in syncs {
        sync.await.expect("no fault is on");
        times.borrow_mut().push(now_ns() - begun);
    }
}

#[test]
fn a_device_does_so_many_operations_in_a_second_one_after_the_other() {
    let options = DiskOptions { sync_latency: us(10)..=us(10), ..instant() };
    let [free, _] = took(options.clone(), |_, _| {}, syncs_at_once);
    within(free.iter().copied(), 10 * US..=10 * US);
    let [queued, _] = took(DiskOptions { device_operations_per_s: Some(1_000), ..options }, |_, _| {}, syncs_at_once);
    let expected: Vec<u64> = (1..=10).map(|n| n * 1_000 * US + 10 * US).collect();
    for (took, expected) in queued.iter().zip(&expected) {
        within([*took].into_iter(), *expected..=*expected);
    }
}

#[test]
fn a_slow_disk_slows_only_its_own_node() {
    let plain = DiskOptions {
        read_latency: us(10)..=us(10),
        write_latency: us(10)..=us(10),
        sync_latency: us(10)..=us(10),
        ..instant()
    };
    let [alone, _] = took(plain.clone(), |_, _| {}, read_write_sync);
    within(alone.iter().copied(), 10 * US..=10 * US);
    for (injection, expected) in
        [(Injection::Slow { thousandths: 30_000 }, 300 * US), (Injection::stall(Duration::from_millis(7)), 7_010 * US)]
    {
        let [struck, spared] = took(plain.clone(), |disk, node| disk.inject(1, node, injection), read_write_sync);
        within(struck.iter().copied(), expected..=expected);
        assert_eq!(spared, took(plain.clone(), |_, _| {}, read_write_sync)[1], "{injection:?} is the other node's");
    }
}

#[test]
fn a_throttled_device_takes_so_many_bytes_in_a_time() {
    let throttle = Injection::Throttle { bytes_per_ms: 4_096 };
    let [struck, spared] = took(instant(), |disk, node| disk.inject(1, node, throttle), read_write_sync);
    // The page cache knows nothing of it; the device takes a millisecond for each block.
    within(each(&struck, 0).chain(each(&struck, 1)), 0..=0);
    within(each(&struck, 2), 1_000 * US..=1_000 * US);
    within(spared.into_iter(), 0..=0);
}

#[test]
fn devices_may_differ() {
    let slow = DiskOptions { sync_latency: us(5_000)..=us(5_000), ..instant() };
    let [struck, spared] = took(instant(), |disk, node| disk.set_device(node, slow), read_write_sync);
    within(each(&struck, 2), 5_000 * US..=5_000 * US);
    within(spared.into_iter(), 0..=0);
}
