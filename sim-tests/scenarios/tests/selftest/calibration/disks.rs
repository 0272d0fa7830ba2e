//! Disks: how many operations fail, how long they take, how much fits, and whose disk it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use stormglass::faults::{DiskFault, Probability, disk, replace_disk, swap_disks};
use stormglass::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::{demand, expect};

/// Something that a node does to its disk at once, and what it tells of it: a count, and nanoseconds.
type Job = Box<dyn FnOnce(&Sim) -> (u64, u64) + Send>;
type Jobs = mpsc::Receiver<(Job, oneshot::Sender<(u64, u64)>)>;

async fn worker(sim: Sim, jobs: Arc<tokio::sync::Mutex<Jobs>>) {
    let mut jobs = jobs.lock().await;
    while let Some((job, reply)) = jobs.recv().await {
        let (count, _) = job(&sim);
        // What an operation took is known when the poll has ended.
        let begun = std::time::Instant::now();
        tokio::task::yield_now().await;
        let _ = reply.send((count, begun.elapsed().as_nanos() as u64));
    }
    std::future::pending::<()>().await;
}

struct Node {
    jobs: mpsc::Sender<(Job, oneshot::Sender<(u64, u64)>)>,
}

impl Node {
    fn new(sim: &Sim, name: &str) -> Self {
        let (jobs, taken) = mpsc::channel(1);
        let (taken, clock) = (Arc::new(tokio::sync::Mutex::new(taken)), sim.clone());
        sim.node(name, move |_| worker(clock.clone(), Arc::clone(&taken)));
        Self { jobs }
    }

    /// What a job counts.
    async fn does(&self, job: impl FnOnce() -> u64 + Send + 'static) -> u64 {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |_| (job(), 0));
        assert!(self.jobs.send((job, reply)).await.is_ok(), "the node takes jobs");
        answer.await.expect("the node is up").0
    }

    /// How many microseconds a job takes by the node's clock.
    async fn takes(&self, job: impl Fn() + Send + 'static) -> u64 {
        self.does(move || {
            let begun = std::time::Instant::now();
            job();
            begun.elapsed().as_micros() as u64
        })
        .await
    }
}

const BLOCK: [u8; 4_096] = [7; 4_096];

fn failures(times: u64, operation: impl Fn(u64) -> io::Result<()>) -> u64 {
    (0..times).filter(|number| operation(*number).is_err_and(|error| error.raw_os_error() == Some(5))).count() as u64
}

#[stormglass::scenario(time = "600s", tags("selftest"))]
pub(crate) async fn disks_calibrated(sim: Sim) -> Result<(), Evidence> {
    let (node, other) = (Node::new(&sim, "n"), Node::new(&sim, "other"));
    let tenth: Probability = "10%".parse().expect("a probability");
    node.does(|| fs::write("/file", BLOCK).map_or(0, |()| 1)).await;
    let id = sim.inject(disk("n", DiskFault::ReadErrors(tenth)));
    let failed = || failures(2_000, |_| File::open("/file")?.read_at(&mut [0; 16], 0).map(drop));
    expect(&sim, "disk-read-errors probability=10%: failed of 2000", node.does(failed).await, 200, 55)?;
    expect(&sim, "disk-read-errors: of another node, failed of 2000", other.does(failed).await, 0, 0)?;
    sim.heal(id);
    expect(&sim, "after disk-read-errors: failed of 2000", node.does(failed).await, 0, 0)?;
    let id = sim.inject(disk("n", DiskFault::WriteErrors(tenth)));
    let failed = || failures(2_000, |_| OpenOptions::new().write(true).open("/file")?.write_at(&[1], 0).map(drop));
    expect(&sim, "disk-write-errors probability=10%: failed of 2000", node.does(failed).await, 200, 55)?;
    sim.heal(id);
    let id = sim.inject(disk("n", DiskFault::SyncErrors(tenth)));
    let failed = || {
        failures(2_000, |number| {
            let file = OpenOptions::new().write(true).open("/file")?;
            file.write_at(&number.to_le_bytes(), 0)?;
            file.sync_all()
        })
    };
    expect(&sim, "disk-sync-errors probability=10%: failed of 2000", node.does(failed).await, 200, 55)?;
    sim.heal(id);

    let syncs = || {
        let file = File::create("/timed").expect("a file");
        for _ in 0..200 {
            file.write_at(&BLOCK, 0).expect("written");
            file.sync_all().expect("synced");
        }
    };
    let plain = node.takes(syncs).await;
    let id = sim.inject(disk("n", DiskFault::Slow(10)));
    expect(&sim, "disk-slow factor=10: time of 200 syncs, tenths", node.takes(syncs).await * 10 / plain, 100, 8)?;
    expect(&sim, "disk-slow: of another node, tenths", other.takes(syncs).await * 10 / plain, 10, 2)?;
    sim.heal(id);
    let id = sim.inject(disk("n", DiskFault::Stall(Duration::from_millis(50))));
    let read = || drop(fs::metadata("/file"));
    expect(&sim, "disk-stall extra=50ms: one look at a file, us", node.takes(read).await, 50_000, 500)?;
    sim.heal(id);

    let fill = || {
        let _ = fs::remove_file("/filled");
        let Ok(mut file) = File::create("/filled") else { return u64::MAX };
        let mut blocks = 0;
        while file.write_all(&BLOCK).is_ok() && blocks < 1_000 {
            blocks += 1;
        }
        blocks * BLOCK.len() as u64
    };
    let id = sim.inject(disk("n", DiskFault::Space(65_536)));
    expect(&sim, "disk-space bytes=65536: bytes that fit", node.does(fill).await, 65_536, 8_192)?;
    sim.heal(id);
    let id = sim.inject(disk("n", DiskFault::ReadOnly));
    let says = || File::create("/refused").map_or_else(|error| error.raw_os_error().unwrap_or(0) as u64, |_| 0);
    expect(&sim, "disk-read-only: errno of create", node.does(says).await, 30, 0)?;
    sim.heal(id);
    let id = sim.inject(disk("n", DiskFault::Full));
    let says = || {
        let written = fs::write("/full", BLOCK);
        written.map_or_else(|error| error.raw_os_error().unwrap_or(0) as u64, |()| 0)
    };
    expect(&sim, "disk-full: errno of a write", node.does(says).await, 28, 0)?;
    sim.heal(id);
    disks_are_damaged(&sim, &node, tenth).await?;
    disks_change(&sim, &node, &other).await
}

/// How many sectors rot, and how many reads and writes go astray.
async fn disks_are_damaged(sim: &Sim, node: &Node, tenth: Probability) -> Result<(), Evidence> {
    const SECTOR: usize = 512;
    const SECTORS: u64 = 2_000;
    // Each sector holds its number, so that one from elsewhere is known.
    let sector = |number: u64| number.to_le_bytes().repeat(SECTOR / 8);
    let fresh = move || {
        let bytes: Vec<u8> = (0..SECTORS).flat_map(sector).collect();
        let written = fs::write("/sectors", bytes).and_then(|()| File::open("/sectors")?.sync_all());
        u64::from(written.is_ok())
    };
    let astray = move || {
        let Ok(file) = File::open("/sectors") else { return u64::MAX };
        let mut held = [0; SECTOR];
        (0..SECTORS)
            .filter(|number| file.read_exact_at(&mut held, number * 512).is_ok() && held[..] != sector(*number)[..])
            .count() as u64
    };
    let scattered = move || {
        let Ok(file) = OpenOptions::new().write(true).open("/sectors") else { return u64::MAX };
        let sync = |number: u64| file.write_all_at(&sector(number), number * 512).and_then(|()| file.sync_data());
        (0..SECTORS).filter(|number| number.is_multiple_of(64)).filter(|number| sync(*number).is_err()).count() as u64
    };
    for (what, fault) in [
        ("bit-rot probability=10%: rotten of 2000 sectors", DiskFault::BitRot(tenth)),
        ("misdirected-reads probability=10%: from elsewhere of 2000", DiskFault::MisdirectedReads(tenth)),
    ] {
        demand(node.does(fresh).await == 1, || format!("{what}: the file can be written"))?;
        let id = sim.inject(disk("n", fault));
        expect(sim, what, node.does(astray).await, 200, 55)?;
        sim.heal(id);
    }
    demand(node.does(fresh).await == 1, || "the file can be written".to_owned())?;
    let all: Probability = "100%".parse().expect("a probability");
    let id = sim.inject(disk("n", DiskFault::MisdirectedWrites(all)));
    demand(node.does(scattered).await == 0, || "a write that goes astray says nothing of it".to_owned())?;
    sim.heal(id);
    // What is written elsewhere overwrites what was there.
    let overwritten = node.does(astray).await;
    expect(sim, "misdirected-writes probability=100%: sectors overwritten by 32 writes", overwritten, 32, 2)?;

    demand(node.does(fresh).await == 1, || "the file can be written".to_owned())?;
    let id = sim.inject(disk("n", DiskFault::LyingSync));
    demand(node.does(scattered).await == 0, || "a sync that lies says nothing of it".to_owned())?;
    expect(sim, "lying-sync: of 32 syncs", sim.hits(id).total(), 32, 0)?;
    sim.heal(id);
    demand(node.does(scattered).await == 0, || "the disk is in order again".to_owned())
}

/// A file that says whose disk it is, and what is found after the disks have changed.
async fn disks_change(sim: &Sim, node: &Node, other: &Node) -> Result<(), Evidence> {
    let write = |what: u8| {
        move || {
            let written = || {
                let mut file = File::create("/owner")?;
                file.write_all(&[what])?;
                file.sync_all()?;
                File::open("/")?.sync_all()
            };
            written().map_or(0, |()| 1)
        }
    };
    let owner = || fs::read("/owner").map_or(0, |bytes| u64::from(bytes[0]));
    node.does(write(1)).await;
    other.does(write(2)).await;
    let half = Duration::from_millis(500);
    let id = sim.inject_for(swap_disks("n", "other"), half).await;
    let (first, second) = (node.does(owner).await, other.does(owner).await);
    expect(sim, "disk-swap: disk of the first", first, 2, 0)?;
    expect(sim, "disk-swap: disk of the second", second, 1, 0)?;
    demand(sim.hits(id).get("disks changed") == 1, || sim.hits(id).to_string())?;
    let id = sim.inject_for(replace_disk("n"), half).await;
    expect(
        sim,
        "disk-replaced: files left",
        node.does(|| fs::read_dir("/").map_or(9, |all| all.count() as u64)).await,
        0,
        0,
    )?;
    expect(sim, "disk-replaced: disk of the other", other.does(owner).await, 1, 0)?;
    demand(sim.hits(id).get("disks changed") == 1, || sim.hits(id).to_string())?;
    expect(sim, "disk-replaced: can be written", node.does(write(3)).await, 1, 0)
}
