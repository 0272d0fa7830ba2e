//! One seed of one engine: lives of a node, each ended by a power loss, and a look at the end.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use stormglass_disk::{CrashModel, Disk, DiskOptions, Injection, Injury, LossReport};
use stormglass_kernel::{Digest, Down, NodeId, Options, Simulation, TimerId, mix, run_blocking, try_with, with};
use stormglass_program::{leaked, leaked_by_thread, seal_thread, spawn_node_thread};
use stormglass_sys::seal::spawn_simulation_thread;

use crate::{Batch, Book, Contents, Engine, Verdict};

/// What happens besides power losses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    /// Nothing.
    Calm,
    /// Syncs, writes or reads fail now and then.
    Errors,
    /// Room runs out and comes back.
    Full,
}

/// One seed.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// It.
    pub seed: u64,
    /// Which file system.
    pub file_system: CrashModel,
    /// What else happens.
    pub weather: Weather,
    /// Power losses.
    pub lives: u32,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// Whether what was acknowledged was there.
    pub verdict: Verdict,
    /// Transactions acknowledged.
    pub done: u64,
    /// What power losses did.
    pub losses: LossReport,
    /// What happened to the node's data.
    pub injuries: Vec<Injury>,
    /// Of the trace.
    pub digest: Option<Digest>,
}

const DIR: &str = "/store";
const KEYS: u64 = 24;

struct Shared {
    book: Book,
    verdict: Verdict,
    looked: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

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

/// One life: opens the store, looks whether everything is there, and writes until something goes wrong.
fn live<E: Engine>(shared: &Mutex<Shared>, mut draw: u64, is_last: bool) {
    let mut step = move |below: u64| {
        draw = mix(draw, 0x9e37_79b9);
        draw % below
    };
    if std::fs::create_dir_all(DIR).is_err() {
        return;
    }
    // The store's own name must not be what is lost. A sync that has failed once may have lost it for good, so it is asked for
    // before the first transaction, and without it there is none.
    if std::fs::File::open("/").and_then(|root| root.sync_all()).is_err() && !is_last {
        return;
    }
    let mut opened = E::open(Path::new(DIR)).and_then(|mut engine| Ok((engine.contents()?, engine)));
    // A disk that failed once may answer now: a service would be restarted until it comes up.
    for _ in 0..20 {
        if opened.is_ok() {
            break;
        }
        opened = E::open(Path::new(DIR)).and_then(|mut engine| Ok((engine.contents()?, engine)));
    }
    let (contents, mut engine) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            if is_last {
                let mut shared = lock(shared);
                let done = shared.book.done;
                shared.verdict = Err(format!("it does not open again, {done} transactions acknowledged: {error}"));
            }
            return;
        }
    };
    if !note(shared, &contents, is_last, E::MAY_COME_BACK) {
        return;
    }
    while !is_last {
        let batch = {
            let shared = &mut lock(shared);
            let keys = (0..1 + step(4)).map(|_| step(KEYS)).collect::<std::collections::BTreeSet<_>>();
            let batch = Batch { version: shared.book.next(), keys: keys.into_iter().collect() };
            shared.book.ask(&batch);
            batch
        };
        match engine.write(&batch) {
            // A thread whose node is down goes on with errors until it ends; what it takes for done nobody hears of.
            Ok(()) if !is_up() => return,
            Ok(()) => lock(shared).book.acknowledge(&batch),
            // After an error nobody knows; a service would start anew.
            Err(_) => return,
        }
    }
}

/// Whether what this thread does still counts.
fn is_up() -> bool {
    try_with(|u| u.kernel.is_effective()).unwrap_or(false)
}

fn note(shared: &Mutex<Shared>, contents: &Contents, is_last: bool, may_come_back: bool) -> bool {
    // A thread whose node is down sees errors and no contents; what it says does not count.
    if !is_up() {
        return false;
    }
    let mut shared = lock(shared);
    let verdict = shared.book.check(contents);
    let fits = verdict.is_ok();
    if fits {
        shared.book.settle(contents, may_come_back);
    } else if shared.verdict.is_ok() {
        shared.verdict = verdict;
    }
    shared.looked |= is_last;
    fits
}

impl Trial {
    /// The seed's own trial of an engine: every file system and every weather comes up.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let file_system = match seed % 3 {
            0 => CrashModel::Strict,
            1 => CrashModel::Ext4Ordered,
            _ => CrashModel::Xfs,
        };
        let weather = match seed / 3 % 4 {
            0 | 1 => Weather::Calm,
            2 => Weather::Errors,
            _ => Weather::Full,
        };
        Self { seed, file_system, weather, lives: 4 }
    }

    /// Runs it on a sealed thread.
    ///
    /// # Panics
    /// When the thread does.
    #[must_use]
    pub fn run<E: Engine + 'static>(self) -> Outcome {
        let thread = spawn_simulation_thread(16 << 20, move || self.simulate::<E>());
        thread.expect("a thread").join().expect("a trial does not panic")
    }

    fn simulate<E: Engine + 'static>(self) -> Outcome {
        let Self { seed, file_system, weather, lives } = self;
        let mut options = Options::new(seed);
        options.on_polled = Some(leaked);
        let mut simulation = Simulation::new(options);
        let disk = DiskOptions { crash_model: file_system, ..DiskOptions::default() };
        simulation.universe().insert(Disk::new(disk));
        let sealed = seal_thread(seed);
        simulation.universe().set_thread_spawner(spawn_node_thread);
        simulation.universe().set_on_hand_back(leaked_by_thread);
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        let shared = Arc::new(Mutex::new(Shared { book: Book::default(), verdict: Ok(()), looked: false }));
        let for_lives = Arc::clone(&shared);
        simulation.set_program(
            node,
            std::rc::Rc::new(move || {
                let shared = Arc::clone(&for_lives);
                Box::pin(async move {
                    let boot = with(|u| u.kernel.node(node).incarnation().number());
                    let draw = mix(seed, u64::from(boot));
                    run_blocking(move || live::<E>(&shared, draw, boot > lives)).await;
                    std::future::pending::<()>().await;
                })
            }),
        );
        let report = simulation.run(async move {
            for life in 1..=lives {
                with(|u| u.kernel.boot(node));
                if weather != Weather::Calm {
                    inject(node, seed, life, weather);
                }
                // Short lives end in recovery, long ones in work.
                let longest = if mix(seed, 77 + u64::from(life)) % 2 == 0 { 8_000 } else { 150_000 };
                sleep(Duration::from_micros(mix(seed, 1_000 + u64::from(life)) % longest)).await;
                with(|u| u.kernel.take_down(node, Down::PowerLoss));
                with(|u| u.get::<Disk>().map(|(disk, _)| disk.heal(life)));
                sleep(Duration::from_millis(1)).await;
            }
            with(|u| u.kernel.boot(node));
            sleep(Duration::from_secs(20)).await;
            let (disk, _) = with(|u| {
                let (disk, _) = u.get::<Disk>().expect("there is a disk");
                ((disk.losses(node), disk.injuries(node).to_vec()), ())
            });
            disk
        });
        drop(sealed);
        let Shared { book, verdict, looked } = &*lock(&shared);
        let (losses, injuries, failure) = match report.outcome {
            Ok((losses, injuries)) => (losses, injuries, None),
            Err(failure) => (LossReport::default(), Vec::new(), Some(failure.to_string())),
        };
        let verdict = match failure {
            Some(failure) => Err(failure),
            None if verdict.is_ok() && !looked => Err("nobody looked at the end".to_owned()),
            None => verdict.clone(),
        };
        Outcome { verdict, done: book.done, losses, injuries, digest: Some(report.digest) }
    }
}

/// Switches the life's fault on, under its number.
fn inject(node: NodeId, seed: u64, life: u32, weather: Weather) {
    let pick = mix(seed, 2_000 + u64::from(life));
    let (injection, per_million) = match (weather, pick % 3) {
        (Weather::Errors, 0) => (Injection::FailingSync, 50_000),
        (Weather::Errors, 1) => (Injection::FailingWrites, 20_000),
        (Weather::Errors, _) => (Injection::FailingReads, 20_000),
        _ => (Injection::Space { bytes: 4_096 * (1 + pick / 3 % 40) }, 1_000_000),
    };
    with(|u| u.get::<Disk>().map(|(disk, _)| disk.inject_at_times(life, node, injection, per_million)));
}
