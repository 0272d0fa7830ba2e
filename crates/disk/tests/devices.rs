//! The devices of `/dev`: their entropy belongs to the machine and the seed, and nothing that befalls a disk reaches them.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{Down, NodeId, Options, Simulation, with};

const NODES: [&str; 2] = ["n1", "n2"];

/// What was drawn by each node, draw by draw.
type Drawn = Rc<RefCell<[Vec<Vec<u8>>; 2]>>;

async fn draw(path: &str, bytes: usize) -> Vec<u8> {
    let device = open(path, READ).await.expect("every machine has it");
    match ask(Request::Read(device.key().expect("it is open"), bytes, Vec::new())).await {
        Ok(Reply::Bytes(bytes)) => bytes,
        other => panic!("a device gave {other:?}"),
    }
}

/// Two nodes that each boot and draw twice; between boots the story happens to them.
fn drawn(
    seed: u64,
    n2_draws: usize,
    story: impl Fn(&mut Disk, &stormglass_kernel::Kernel, [NodeId; 2]) + 'static,
) -> [Vec<Vec<u8>>; 2] {
    let mut simulation = Simulation::new(Options::new(seed));
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let drawn = Drawn::default();
    let nodes = NODES.map(|name| simulation.universe().kernel.add_node(name).expect("a new name"));
    for (which, node) in nodes.into_iter().enumerate() {
        let drawn = Rc::clone(&drawn);
        let program = move || -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
            let drawn = Rc::clone(&drawn);
            Box::pin(async move {
                for _ in 0..if which == 1 { n2_draws } else { 1 } {
                    let one = draw("/dev/urandom", 13).await;
                    let other = draw("/dev/random", 16).await;
                    drawn.borrow_mut()[which].extend([one, other]);
                }
                std::future::pending::<()>().await;
            })
        };
        simulation.set_program(node, Rc::new(program));
    }
    let report = simulation.run(async move {
        let boot = move || nodes.iter().for_each(|&node| assert!(with(|u| u.kernel.boot(node))));
        for how in [Down::PowerLoss, Down::Kill] {
            boot();
            sleep(Duration::from_millis(1)).await;
            nodes.iter().for_each(|&node| _ = with(|u| u.kernel.take_down(node, how)));
            with(|u| {
                let (disk, kernel) = u.get::<Disk>().expect("there is a disk");
                story(disk, kernel, nodes);
            });
        }
        boot();
        sleep(Duration::from_millis(1)).await;
    });
    report.outcome.expect("it ends by itself");
    drawn.take()
}

fn nothing(_: &mut Disk, _: &stormglass_kernel::Kernel, _: [NodeId; 2]) {}

#[test]
fn entropy_is_the_seeds_and_the_machines_and_never_comes_again() {
    let [n1, n2] = drawn(1, 1, nothing);
    assert_eq!([n1.clone(), n2.clone()], drawn(1, 1, nothing));
    assert_ne!(drawn(2, 1, nothing)[0], n1);
    assert_eq!((n1.len(), n1[0].len(), n1[1].len()), (6, 13, 16));
    let mut all: Vec<&[u8]> = n1.iter().chain(&n2).map(|bytes| &bytes[..13]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 12, "each draw is another, over nodes and boots");
}

#[test]
fn what_one_machine_draws_does_not_change_another_one() {
    let [n1, n2] = drawn(3, 1, nothing);
    let [as_before, more] = drawn(3, 4, nothing);
    assert_eq!(n1, as_before);
    assert_eq!(n2[..2], more[..2]);
    assert_eq!(more.len(), 24);
}

#[test]
fn a_new_disk_or_that_of_another_machine_changes_no_entropy() {
    let plain = drawn(4, 1, nothing);
    let wiped = drawn(4, 1, |disk, kernel, [n1, n2]| {
        disk.wipe(kernel, n1).expect("it is down");
        disk.swap(kernel, n1, n2).expect("both are down");
    });
    assert_eq!(plain, wiped);
}

#[test]
fn no_fault_of_the_disk_reaches_a_device_and_no_operation_is_counted() {
    let mut simulation = Simulation::new(Options::new(5));
    simulation.universe().insert(Disk::new(DiskOptions { capacity_bytes: Some(0), ..DiskOptions::default() }));
    let report = simulation.run(async move {
        let node = with(|u| u.kernel.current_node());
        with(|u| {
            let (disk, _) = u.get::<Disk>().expect("there is a disk");
            let faults = [
                Injection::ReadOnly,
                Injection::Full,
                Injection::FailingReads,
                Injection::FailingWrites,
                Injection::FailingSync,
                Injection::BitRot { per_million: 1_000_000 },
                Injection::Stall { extra_ns: 1_000_000_000 },
            ];
            (1..).zip(faults).for_each(|(fault, injection)| disk.inject(fault, node, injection));
        });
        let begun = with(|u| u.kernel.now());
        assert_eq!(draw("/dev/zero", 700).await, vec![0; 700]);
        assert_eq!(draw("/dev/urandom", 700).await.len(), 700);
        let null = open("/dev/null", CREATE).await.expect("a device is no file of the disk");
        let written = ask(Request::Put(null.key().expect("open"), None, vec![1; 5_000])).await;
        assert_eq!(written.ok(), Some(Reply::Position(5_000)));
        let took = with(|u| u.kernel.now()).as_nanos() - begun.as_nanos();
        assert!(took < 10_000, "{took} ns: less than any operation of a disk that stalls");
        assert!(read("/dev/urandom").await.is_err_and(|error| error.kind() == std::io::ErrorKind::OutOfMemory));
        let (hits, counters) = with(|u| {
            let (disk, _) = u.get::<Disk>().expect("there is a disk");
            let hits: u64 = (1..=7).map(|fault| disk.fault_hits(fault)).sum();
            (hits, stormglass_kernel::Subsystem::counters(disk))
        });
        // The reading of a whole device asks the disk for its path alone.
        (hits, counters)
    });
    let (hits, counters) = report.outcome.expect("it ends by itself");
    assert!(hits <= 1, "{hits} hits");
    let of = |name| counters.iter().find(|(counter, _)| *counter == name).map(|(_, count)| *count);
    assert_eq!((of("bytes_read"), of("bytes_written"), of("syncs")), (Some(0), Some(0), Some(0)));
    assert!(of("operations").is_some_and(|count| count <= 1), "{counters:?}");
}

/// What a user who is not root gets; paths between `/dev` and the disk lead over a mount point.
#[test]
fn nobody_changes_the_names_in_dev() {
    let mut simulation = Simulation::new(Options::new(6));
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let report = simulation.run(async {
        ask(Request::WriteFile("/file".into(), vec![1])).await.expect("the disk takes files");
        let error = async |request| ask(request).await.err().and_then(|error| error.raw_os_error());
        let (accessible, busy, missing, across) = (Some(13), Some(16), Some(2), Some(18));
        let path = std::path::PathBuf::from;
        let refused = [
            (Request::Open(path("/dev/new"), CREATE), accessible),
            (Request::WriteFile(path("/dev/new"), vec![1]), accessible),
            (Request::CreateDir(path("/dev/new"), false), accessible),
            (Request::CreateDir(path("/dev/new/er"), true), accessible),
            (Request::Symlink(path("null"), path("/dev/new")), accessible),
            (Request::HardLink(path("/dev/null"), path("/dev/new")), accessible),
            (Request::RemoveFile(path("/dev/null")), accessible),
            (Request::Rename(path("/dev/null"), path("/dev/new")), accessible),
            (Request::Rename(path("/dev/zero"), path("/dev/null")), accessible),
            (Request::RemoveDir(path("/dev")), busy),
            (Request::RemoveDirAll(path("/dev")), busy),
            (Request::Rename(path("/dev"), path("/elsewhere")), busy),
            (Request::RemoveFile(path("/dev/new")), missing),
            (Request::Rename(path("/dev/new"), path("/dev/newer")), missing),
            (Request::Rename(path("/file"), path("/dev/file")), across),
            (Request::Rename(path("/dev/null"), path("/null")), across),
            (Request::HardLink(path("/dev/null"), path("/null")), across),
        ];
        for (request, expected) in refused {
            let asked = format!("{request:?}");
            assert_eq!(error(request).await, expected, "{asked}");
        }
        match ask(Request::ReadDir("/dev".into())).await {
            Ok(Reply::Entries(entries)) => {
                entries.into_iter().map(|(name, ..)| name).collect::<std::collections::BTreeSet<_>>()
            }
            other => panic!("a listing gave {other:?}"),
        }
    });
    let names = report.outcome.expect("it ends by itself");
    assert_eq!(
        names.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>(),
        ["full", "null", "random", "urandom", "zero"]
    );
}
