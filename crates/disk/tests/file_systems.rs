//! What tells the file systems apart, and faults of devices that stay where they are.

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{Down, NodeId, Options, Simulation, with};

/// Runs `program` on a node, cuts its power, and gives what `look` then finds.
fn lose_power<F, T>(
    file_system: CrashModel,
    seed: u64,
    program: impl Fn() -> F + 'static,
    look: impl Fn(&mut Disk, &stormglass_kernel::Kernel, NodeId) -> T + 'static,
) -> T
where
    F: Future<Output = ()> + 'static,
    T: 'static,
{
    let mut simulation = Simulation::new(Options::new(seed));
    let options = DiskOptions { crash_model: file_system, ..DiskOptions::default() };
    simulation.universe().insert(Disk::new(options));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let (disk, kernel) = simulation.universe().get::<Disk>().expect("just inserted");
    disk.write_file(kernel, node, "/a", &[1; 600]).expect("an empty disk");
    simulation.set_program(
        node,
        Rc::new(move || {
            let program = program();
            Box::pin(async move {
                program.await;
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(Duration::from_millis(50)).await;
        with(|u| u.kernel.take_down(node, Down::PowerLoss));
        sleep(Duration::from_micros(1)).await;
        with(|u| {
            let (disk, kernel) = u.get::<Disk>().expect("there is a disk");
            look(disk, kernel, node)
        })
    });
    report.outcome.expect("nothing fails")
}

fn exists(disk: &mut Disk, kernel: &stormglass_kernel::Kernel, node: NodeId) -> bool {
    disk.read_file(kernel, node, "/b").is_ok()
}

/// Makes `/b`, overwrites a byte of `/a`, and syncs that.
async fn make_and_sync(data_only: bool) {
    open("/b", CREATE).await.map(drop).expect("there is room");
    let a = open("/a", CREATE).await.expect("it is there");
    write_at(a.key().expect("open"), 0, vec![2]).await.expect("there is room");
    ask(Request::Sync(a.key().expect("open"), data_only)).await.expect("no fault is on");
}

#[test]
fn a_sync_of_one_file_covers_other_names_where_there_is_a_journal() {
    let kept = |file_system, data_only| {
        (0..60).filter(|&seed| lose_power(file_system, seed, move || make_and_sync(data_only), exists)).count()
    };
    assert_eq!(kept(CrashModel::Ext4Ordered, false), 60, "fsync flushes the whole journal");
    assert!(kept(CrashModel::Ext4Ordered, true) < 60, "fdatasync of bytes in place asks nothing of it");
    assert!(kept(CrashModel::Xfs, false) < 60, "the log is flushed up to the file's own last entry");
    assert!(kept(CrashModel::Strict, false) < 60);
}

/// Replaces `/a` by a new file without any sync.
async fn replace() {
    let new = open("/new", CREATE).await.expect("there is room");
    write_at(new.key().expect("open"), 0, vec![3; 9_000]).await.expect("there is room");
    ask(Request::Rename("/new".into(), "/a".into())).await.expect("it is there");
}

#[test]
fn a_rename_over_a_file_takes_the_data_along_on_ext4_alone() {
    let broken = |file_system| {
        let whole = |disk: &mut Disk, kernel: &stormglass_kernel::Kernel, node| {
            let a = disk.read_file(kernel, node, "/a").expect("a rename is old or new, never neither");
            a == vec![1; 600] || a == vec![3; 9_000]
        };
        (0..120).filter(|&seed| !lose_power(file_system, seed, replace, whole)).count()
    };
    assert_eq!(broken(CrashModel::Ext4Ordered), 0);
    assert!(broken(CrashModel::Xfs) > 0, "the name is there and its bytes are not");
    assert!(broken(CrashModel::Strict) > 0);
}

#[test]
fn what_was_lost_can_be_asked_for_by_its_place() {
    let lost = (0..60).find_map(|seed| {
        let program = || async {
            let a = open("/a", CREATE).await.expect("it is there");
            write_at(a.key().expect("open"), 100, vec![2; 50]).await.expect("there is room");
        };
        let found = lose_power(CrashModel::Strict, seed, program, |disk, _, node| {
            (disk.explain(node, "/a", 120, 1), disk.explain(node, "/a", 0, 10), disk.injuries(node).to_vec())
        });
        (!found.2.is_empty()).then_some(found)
    });
    let (there, elsewhere, _) = lost.expect("some seed loses the write");
    assert_eq!((there[0].offset, there[0].len), (100, 50));
    assert!(matches!(there[0].harm, Harm::Lost | Harm::Torn));
    assert!(there[0].to_string().starts_with("bytes 100..150 of /a were "), "{}", there[0]);
    assert_eq!(elsewhere, [], "bytes beside it were not hurt");
}

#[test]
fn rot_stays_put_and_can_be_taken_away() {
    let program = || async {
        let node = with(|u| u.kernel.current_node());
        let disk = |f: &dyn Fn(&mut Disk)| with(|u| f(u.get::<Disk>().expect("there is a disk").0));
        disk(&|d| d.inject(9, node, Injection::BitRot { per_million: 1_000_000 }));
        let rotten = read("/a").await.expect("rot is no error");
        assert_ne!(rotten, vec![1; 600]);
        disk(&|d| assert!(d.heal(9)));
        assert_eq!(read("/a").await.expect("readable"), rotten, "what has rotted stays so");
        disk(&|d| assert_eq!(d.ablate(9, node), 2));
        assert_eq!(read("/a").await.expect("readable"), vec![1; 600]);
        disk(&|d| assert_eq!(d.fault_hits(9), 2));
    };
    lose_power(CrashModel::Strict, 1, program, |disk, _, node| {
        assert!(disk.injuries(node).iter().all(|i| i.harm == Harm::Rotten && i.fault == Some(9)));
    });
}

#[test]
fn a_read_only_disk_and_little_room_say_so_and_lose_nothing() {
    let program = || async {
        let node = with(|u| u.kernel.current_node());
        let disk = |f: &dyn Fn(&mut Disk)| with(|u| f(u.get::<Disk>().expect("there is a disk").0));
        let a = open("/a", CREATE).await.expect("it is there");
        let key = a.key().expect("open");
        disk(&|d| d.inject(1, node, Injection::ReadOnly));
        let errno = |e: std::io::Error| e.raw_os_error();
        assert_eq!(write_at(key, 0, vec![2]).await.map_err(errno), Err(Some(30)));
        assert_eq!(open("/b", CREATE).await.map(drop).map_err(errno), Err(Some(30)));
        assert_eq!(ask(Request::RemoveFile("/a".into())).await.map(drop).map_err(errno), Err(Some(30)));
        disk(&|d| assert!(d.heal(1)));
        disk(&|d| d.inject(2, node, Injection::Space { bytes: 8_192 }));
        let put = ask(Request::Put(key, Some(0), vec![5; 40_000])).await;
        assert!(matches!(put, Ok(Reply::Position(12_288))), "a page that it had, and two new ones: {put:?}");
        let put = ask(Request::Put(key, Some(12_288), vec![5; 10])).await;
        assert_eq!(put.map(drop).map_err(errno), Err(Some(28)));
        assert_eq!(read("/a").await.expect("readable"), vec![5; 12_288]);
    };
    lose_power(CrashModel::Strict, 1, program, |_, _, _| ());
}
