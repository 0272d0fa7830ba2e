//! A node that goes down in the midst of a poll that uses `std::fs`: what the poll did before that instant has happened, what
//! it did after it has not.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use stormglass_disk::{CrashModel, Disk, DiskOptions};
use stormglass_kernel::{Down, NodeId, Options, Simulation, TimerId, try_with, with};
use stormglass_program::{leaked, seal_thread};
use stormglass_sys::seal::spawn_simulation_thread;

/// When each step began and ended, by the node's wall clock.
type Steps = Arc<Mutex<Vec<(SystemTime, SystemTime)>>>;

struct Sleep(u64, Option<TimerId>);

fn sleep(delay: Duration) -> Sleep {
    Sleep(with(|u| u.kernel.deadline_after(delay)), None)
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.0;
        let fired = with(|u| {
            let timer = *self.1.get_or_insert_with(|| u.kernel.create_timer(deadline));
            u.kernel.poll_timer(timer, cx.waker())
        });
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.1 {
            try_with(|u| u.kernel.cancel_timer(timer));
        }
    }
}

/// Runs fifty steps in one poll of a node that goes down after `after`; gives when that was, and what its disk then held.
fn go_down<T: Send + 'static>(
    seed: u64,
    file_system: CrashModel,
    how: Down,
    after: Duration,
    steps: &Steps,
    step: fn(u32),
    look: fn(&mut Disk, &stormglass_kernel::Kernel, NodeId) -> T,
) -> (SystemTime, T) {
    let steps = Arc::clone(steps);
    let thread = spawn_simulation_thread(4 << 20, move || {
        let mut options = Options::new(seed);
        options.on_polled = Some(leaked);
        let mut simulation = Simulation::new(options);
        let disk = DiskOptions { crash_model: file_system, ..DiskOptions::default() };
        simulation.universe().insert(Disk::new(disk));
        let _sealed = seal_thread(seed);
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        simulation.set_program(
            node,
            std::rc::Rc::new(move || {
                let steps = Arc::clone(&steps);
                Box::pin(async move {
                    for i in 0..50 {
                        let began = SystemTime::now();
                        step(i);
                        let ended = SystemTime::now();
                        steps.lock().unwrap_or_else(PoisonError::into_inner).push((began, ended));
                    }
                    std::future::pending::<()>().await;
                })
            }),
        );
        let report = simulation.run(async move {
            with(|u| u.kernel.boot(node));
            sleep(after).await;
            let down = SystemTime::now();
            with(|u| u.kernel.take_down(node, how));
            sleep(Duration::from_micros(1)).await;
            with(|u| {
                let (disk, kernel) = u.get::<Disk>().expect("there is a disk");
                (down, look(disk, kernel, node))
            })
        });
        report.outcome.expect("nothing fails")
    });
    thread.expect("a thread").join().expect("no panic")
}

fn append(i: u32) {
    let mut file = OpenOptions::new().append(true).create(true).open("/log").expect("there is room");
    file.write_all(&[i as u8 + 1]).expect("there is room");
    file.sync_all().expect("no fault is on");
    if i == 0 {
        File::open("/").and_then(|root| root.sync_all()).expect("no fault is on");
    }
}

fn replace(i: u32) {
    let new = Path::new("/state.new");
    fs::write(new, i.to_string()).expect("there is room");
    File::open(new).and_then(|file| file.sync_all()).expect("no fault is on");
    fs::rename(new, "/state").expect("it exists");
    File::open("/").and_then(|root| root.sync_all()).expect("no fault is on");
}

/// Steps that had ended by `down`, and those that had begun.
fn bounds(steps: &Steps, down: SystemTime) -> (usize, usize) {
    let steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(steps.len(), 50, "all steps are in one poll");
    (steps.iter().filter(|s| s.1 <= down).count(), steps.iter().filter(|s| s.0 <= down).count())
}

#[test]
fn bytes_are_there_as_of_the_instant() {
    let mut between = 0;
    for seed in 0..40 {
        for (how, file_system) in [
            (Down::Kill, CrashModel::Strict),
            (Down::PowerLoss, CrashModel::Strict),
            (Down::PowerLoss, CrashModel::Ext4Ordered),
            (Down::PowerLoss, CrashModel::Xfs),
        ] {
            let steps = Steps::default();
            let after = Duration::from_micros(300 + seed * 700);
            let (down, bytes) = go_down(seed, file_system, how, after, &steps, append, |disk, kernel, node| {
                disk.read_file(kernel, node, "/log").unwrap_or_default()
            });
            let (ended, begun) = bounds(&steps, down);
            let there = bytes.iter().take_while(|&&b| b != 0).count();
            assert!(there <= begun, "seed {seed}, {how:?}: {there} bytes, and {begun} steps had begun");
            assert!(there >= ended, "seed {seed}, {how:?}: {there} bytes, and {ended} steps had ended");
            assert!(bytes.iter().take(there).eq((1..=there as u8).collect::<Vec<_>>().iter()));
            between += usize::from(ended > 0 && begun < 50);
        }
    }
    assert!(between > 80, "most go down in the midst of the poll: {between}");
}

#[test]
fn names_are_as_of_the_instant() {
    for seed in 0..40 {
        for (how, file_system) in [
            (Down::Kill, CrashModel::Strict),
            (Down::PowerLoss, CrashModel::Strict),
            (Down::PowerLoss, CrashModel::Ext4Ordered),
            (Down::PowerLoss, CrashModel::Xfs),
        ] {
            let steps = Steps::default();
            let after = Duration::from_micros(2_000 + seed * 900);
            let (down, state) = go_down(seed, file_system, how, after, &steps, replace, |disk, kernel, node| {
                disk.read_file(kernel, node, "/state").ok()
            });
            let (ended, begun) = bounds(&steps, down);
            let state = state.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let found: Option<usize> = state.as_deref().map(|text| text.parse().expect("a whole state"));
            let at_least = ended.checked_sub(1);
            assert!(found >= at_least, "seed {seed}, {how:?}: {found:?}, and {ended} steps had ended");
            assert!(found.is_none_or(|i| i < begun), "seed {seed}, {how:?}: {found:?}, and {begun} steps had begun");
        }
    }
}
