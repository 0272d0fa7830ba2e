//! Operations that may be over within the poll that asks: how many are, when none is, and what a power loss in the midst of
//! such a poll leaves.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{Down, NodeId, Options, Report, Simulation, spawn_local, with};

const WRITES: u64 = 640;
const BLOCK: usize = 512;

/// What a program did: after how many of its polls each write was over, and the bytes that it read back.
#[derive(Default)]
struct Seen {
    polls: Vec<u64>,
    read: Vec<u8>,
}

fn polls() -> u64 {
    with(|u| {
        let node = u.kernel.current_node();
        u.kernel.node(node).polls()
    })
}

async fn write_and_read(seen: &RefCell<Seen>) {
    let file = open("/file", OpenFlags { read: true, ..CREATE }).await.expect("an empty disk");
    let key = file.key().expect("just opened");
    for n in 0..WRITES {
        let data = vec![n as u8; BLOCK];
        let request = Request::Put(key, Some(n * BLOCK as u64), data);
        assert_eq!(ask(request).await.expect("there is room"), Reply::Position(BLOCK as u64));
        seen.borrow_mut().polls.push(polls());
    }
    seen.borrow_mut().read = read("/file").await.expect("it was written");
}

/// Runs that on a node, after `set`; `company`: beside a task that is always ready.
fn run(overrides: &[&str], company: bool, set: impl FnOnce(&mut Disk, NodeId)) -> (Seen, Report<()>) {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let lines = overrides.iter().map(|line| line.parse().expect("a well-formed override")).collect();
    let mut simulation = Simulation::new(Options { overrides: lines, ..Options::new(5) });
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let (disk, _) = simulation.universe().get::<Disk>().expect("just inserted");
    set(disk, node);
    let mine = Rc::clone(&seen);
    simulation.set_program(
        node,
        Rc::new(move || {
            let seen = Rc::clone(&mine);
            Box::pin(async move {
                let done = Rc::new(Cell::new(false));
                if company {
                    let done = Rc::clone(&done);
                    spawn_local(async move {
                        while !done.get() {
                            sleep(Duration::ZERO).await;
                            let mut yielded = false;
                            std::future::poll_fn(|cx| {
                                if std::mem::replace(&mut yielded, true) {
                                    return std::task::Poll::Ready(());
                                }
                                cx.waker().wake_by_ref();
                                std::task::Poll::Pending
                            })
                            .await;
                        }
                    });
                }
                write_and_read(&seen).await;
                done.set(true);
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(Duration::from_millis(100)).await;
    });
    (seen.take(), report)
}

/// How many writes ended in another poll than the one before.
fn pooled(seen: &Seen) -> usize {
    seen.polls.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

fn expected() -> Vec<u8> {
    (0..WRITES).flat_map(|n| vec![n as u8; BLOCK]).collect()
}

#[test]
fn most_writes_of_a_node_that_has_nothing_else_to_do_are_over_at_once_and_some_are_not() {
    let (seen, _) = run(&[], false, |_, _| {});
    assert_eq!(seen.read, expected());
    let pooled = pooled(&seen);
    assert!((4..WRITES as usize / 10).contains(&pooled), "{pooled} of {WRITES} writes let others run");
}

#[test]
fn which_ones_is_decided_by_key() {
    let (seen, _) = run(&["disk.pool n1:/file @7 = 0"], false, |_, _| {});
    let (before, _) = run(&["disk.pool n1:/file @7 = 1"], false, |_, _| {});
    let at = |seen: &Seen| seen.polls[7] - seen.polls[6];
    assert!(at(&seen) > 0, "operation 7 of the file was to let others run");
    assert_eq!(at(&before), 0, "operation 7 of the file was to be over at once");
    assert_eq!(seen.read, before.read);
}

#[test]
fn a_task_that_is_ready_runs_before_the_next_operation_is_over() {
    let (seen, _) = run(&[], true, |_, _| {});
    assert_eq!(seen.read, expected());
    assert!(pooled(&seen) > WRITES as usize * 3 / 4, "only {} writes let the other task run", pooled(&seen));
}

#[test]
fn no_operation_on_a_device_that_something_is_wrong_with_is_over_at_once() {
    let slow = Injection::Slow { thousandths: 1_000 };
    let (seen, _) = run(&[], false, |disk, node| disk.inject(1, node, slow));
    assert_eq!(pooled(&seen) as u64, WRITES - 1);
    assert_eq!(seen.read, expected());
}

#[test]
fn one_seed_gives_one_trace() {
    let digest = || run(&[], false, |_, _| {}).1.digest;
    assert_eq!(digest(), digest());
    assert_ne!(digest(), run(&["disk.pool n1:/file @7 = 0"], false, |_, _| {}).1.digest);
}

/// Appends one byte after another in one poll, and goes down `after` its boot. Gives how many bytes the page cache then has,
/// and how many were written before that instant.
fn go_down(after: Duration) -> (usize, usize) {
    let stamps = Rc::new(RefCell::new(Vec::new()));
    // Every one is over at once.
    let overrides = (0..60).map(|n| format!("disk.pool n1:/file @{n} = 1").parse().expect("well formed")).collect();
    let mut simulation = Simulation::new(Options { overrides, ..Options::new(9) });
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    let mine = Rc::clone(&stamps);
    simulation.set_program(
        node,
        Rc::new(move || {
            let stamps = Rc::clone(&mine);
            Box::pin(async move {
                if with(|u| u.kernel.node(node).incarnation().number()) == 1 {
                    let file = open("/file", OpenFlags { append: true, ..CREATE }).await.expect("an empty disk");
                    for n in 0..60 {
                        file.write_now(0, &[n]).expect("nothing is in its way");
                        stamps.borrow_mut().push(with(|u| u.kernel.now()));
                    }
                }
                std::future::pending::<()>().await;
            })
        }),
    );
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(node));
        sleep(after).await;
        let now = with(|u| u.kernel.now());
        with(|u| u.kernel.take_down(node, Down::Kill));
        sleep(Duration::from_millis(1)).await;
        let left = with(|u| u.get::<Disk>().map(|(disk, kernel)| disk.read_file(kernel, node, "/file")));
        (now, left.and_then(Result::ok).map_or(0, |bytes| bytes.len()))
    });
    let (now, left) = report.outcome.expect("it ends by itself");
    let before = stamps.borrow().iter().filter(|stamp| **stamp <= now).count();
    (left, before)
}

#[test]
fn what_a_poll_did_after_the_node_went_down_was_never_done() {
    let mut between = 0;
    for us in (5..200).step_by(7) {
        let (left, before) = go_down(Duration::from_micros(us));
        // A write is stamped where it begins; the one that was under way is there.
        assert!(left == before || left == before + 1, "{us} µs: {left} bytes are there, {before} writes were over");
        between += u32::from(left > 0 && left < 60);
    }
    assert!(between > 5, "too few instants fell between two writes: {between}");
}

/// A file of three pages, of which the middle one is overwritten whole and not synced. Gives the bytes of the file after the
/// power is lost, with what the decision keeps of that write.
fn overwritten_page_after_power_loss(keep: u64) -> Vec<u8> {
    let overrides = vec![format!("disk.keep n1:/file @1 = {keep}").parse().expect("well formed")];
    let mut simulation = Simulation::new(Options { overrides, ..Options::new(3) });
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let node = simulation.universe().kernel.add_node("n1").expect("a new name");
    simulation.set_program(
        node,
        Rc::new(move || {
            Box::pin(async move {
                if with(|u| u.kernel.node(node).incarnation().number()) == 1 {
                    let file = open("/file", CREATE).await.expect("an empty disk");
                    let key = file.key().expect("just opened");
                    ask(Request::Put(key, Some(0), vec![1; 3 * 4_096])).await.expect("there is room");
                    sync(&file).await.expect("no fault is on");
                    sync_path("/").await.expect("no fault is on");
                    ask(Request::Put(key, Some(4_096), vec![2; 4_096])).await.expect("there is room");
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

#[test]
fn a_whole_page_that_was_overwritten_is_the_old_or_the_new_one_after_a_power_loss() {
    let pages =
        |bytes: &[u8]| bytes.chunks(4_096).map(|page| page.iter().map(|&b| u32::from(b)).sum()).collect::<Vec<u32>>();
    assert_eq!(pages(&overwritten_page_after_power_loss(0)), [4_096, 4_096, 4_096], "it was lost");
    assert_eq!(pages(&overwritten_page_after_power_loss(1)), [4_096, 8_192, 4_096], "it was kept");
}
