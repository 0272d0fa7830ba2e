//! What every runtime is asked to do, and how its work is measured: the same sizes, the same clock.
//!
//! An *arm* is a binary that drives one runtime. It takes the name of a row, does that row's work once to warm up and once
//! under the clock, and prints a [`Measured`] as a line of JSON; a row that the runtime cannot do prints `null`.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// Tasks that yield.
pub const YIELDING_TASKS: u64 = 100;
/// How often each of them does.
pub const YIELDS: u64 = 40_000;
/// Tasks that sleep.
pub const SLEEPING_TASKS: u64 = 1_000;
/// How often each of them does.
pub const SLEEPS: u64 = 500;
/// Messages sent and sent back.
pub const ROUND_TRIPS: u64 = 100_000;
/// Bytes of a message.
pub const MESSAGE: usize = 64;
/// Latency of a link, one way.
pub const LATENCY: Duration = Duration::from_millis(1);
/// Nodes of a small simulation.
pub const NODES: usize = 5;
/// Nodes of a large one.
pub const MANY_NODES: usize = 200;
/// Bytes of a block of a file.
pub const BLOCK: usize = 4_096;
/// Blocks of a file.
pub const BLOCKS: u64 = 256;
/// Operations on files.
pub const FILE_OPERATIONS: u64 = 200_000;
/// For how long each node of a small simulation sleeps.
pub const BRIEFLY: Duration = Duration::from_millis(1);

/// What one arm is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// Polls of [`YIELDING_TASKS`] tasks on one node.
    Polls,
    /// The same tasks on five nodes.
    PollsOnNodes,
    /// Timers of [`SLEEPING_TASKS`] tasks, 1 to 10 ms.
    Timers,
    /// Round trips over TCP between two nodes.
    Tcp,
    /// Simulations of five nodes, made, run for a millisecond and dropped.
    Simulations,
    /// The same through what the runtime runs seeds with, within one process.
    SimulationsInThreads,
    /// The same with a process per seed.
    SimulationsInProcesses,
    /// Simulated seconds in which five nodes do nothing.
    Idle,
    /// Two hundred nodes are made, and do nothing for a second.
    ManyIdle,
    /// Writes of a [`BLOCK`] into a file, in place, round and round.
    FileWrites,
    /// The same, each followed by an fdatasync, which counts too.
    FileSyncs,
    /// Reads of a [`BLOCK`], round and round.
    FileReads,
    /// A file is opened and closed.
    FileOpens,
    /// As [`Row::FileWrites`], where each operation takes its time also in runtimes in which none takes any.
    TimedFileWrites,
    /// As [`Row::FileSyncs`], likewise.
    TimedFileSyncs,
    /// As [`Row::FileReads`], likewise.
    TimedFileReads,
    /// As [`Row::FileOpens`], likewise.
    TimedFileOpens,
    /// As [`Row::FileWrites`], by calls of `std::fs` within a task, which are done at once.
    StdFileWrites,
    /// As [`Row::FileSyncs`], likewise.
    StdFileSyncs,
    /// As [`Row::FileReads`], likewise.
    StdFileReads,
    /// As [`Row::FileOpens`], likewise.
    StdFileOpens,
}

impl Row {
    /// In the order of the table.
    pub const ALL: [Self; 21] = [
        Self::Polls,
        Self::PollsOnNodes,
        Self::Timers,
        Self::Tcp,
        Self::Simulations,
        Self::SimulationsInThreads,
        Self::SimulationsInProcesses,
        Self::Idle,
        Self::ManyIdle,
        Self::FileWrites,
        Self::FileSyncs,
        Self::FileReads,
        Self::FileOpens,
        Self::TimedFileWrites,
        Self::TimedFileSyncs,
        Self::TimedFileReads,
        Self::TimedFileOpens,
        Self::StdFileWrites,
        Self::StdFileSyncs,
        Self::StdFileReads,
        Self::StdFileOpens,
    ];

    /// The row's name on a command line.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The row called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.name() == name)
    }

    /// Whether its operations on files take time in every runtime.
    pub fn is_timed(self) -> bool {
        matches!(self, Self::TimedFileWrites | Self::TimedFileSyncs | Self::TimedFileReads | Self::TimedFileOpens)
    }

    /// Whether its operations on files are calls of `std::fs`.
    pub fn is_std(self) -> bool {
        matches!(self, Self::StdFileWrites | Self::StdFileSyncs | Self::StdFileReads | Self::StdFileOpens)
    }

    /// The plain row of the same operations on files; `None` of a row without any.
    pub fn file_work(self) -> Option<Self> {
        Some(match self {
            Self::FileWrites | Self::TimedFileWrites | Self::StdFileWrites => Self::FileWrites,
            Self::FileSyncs | Self::TimedFileSyncs | Self::StdFileSyncs => Self::FileSyncs,
            Self::FileReads | Self::TimedFileReads | Self::StdFileReads => Self::FileReads,
            Self::FileOpens | Self::TimedFileOpens | Self::StdFileOpens => Self::FileOpens,
            _ => return None,
        })
    }

    /// What the table says of it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Polls => "task polls, 100 yielding tasks, one node",
            Self::PollsOnNodes => "task polls, 100 yielding tasks, five nodes",
            Self::Timers => "timers, 1,000 tasks sleeping 1–10 ms",
            Self::Tcp => "TCP round trips, 64 B, 2 nodes, 1 ms each way",
            Self::Simulations => "5-node simulations, bare engine",
            Self::SimulationsInThreads => "5-node simulations, the runtime's own runner",
            Self::SimulationsInProcesses => "5-node simulations, a process per seed",
            Self::Idle => "idle simulated seconds, 5 nodes",
            Self::ManyIdle => "200 idle nodes made and idle for a simulated second",
            Self::FileWrites => "file writes of 4 KiB, tokio::fs",
            Self::FileSyncs => "file writes of 4 KiB and their fsyncs, tokio::fs",
            Self::FileReads => "file reads of 4 KiB, tokio::fs",
            Self::FileOpens => "files opened and closed, tokio::fs",
            Self::TimedFileWrites => "file writes of 4 KiB that take time, tokio::fs",
            Self::TimedFileSyncs => "file writes of 4 KiB and their fsyncs that take time, tokio::fs",
            Self::TimedFileReads => "file reads of 4 KiB that take time, tokio::fs",
            Self::TimedFileOpens => "files opened and closed, which takes time, tokio::fs",
            Self::StdFileWrites => "file writes of 4 KiB, std::fs",
            Self::StdFileSyncs => "file writes of 4 KiB and their fsyncs, std::fs",
            Self::StdFileReads => "file reads of 4 KiB, std::fs",
            Self::StdFileOpens => "files opened and closed, std::fs",
        }
    }
}

/// What came of a row.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Units of work: polls, timers, round trips, simulations, simulated seconds.
    pub units: f64,
    /// CPU time of the process and of the children it waited for, in seconds.
    pub cpu_s: f64,
}

impl Measured {
    /// Units per CPU second.
    pub fn rate(&self) -> f64 {
        self.units / self.cpu_s
    }
}

/// The `main` of an arm: `work` does a row once and gives the units it did, or `None` where the runtime has no such thing.
pub fn arm(work: impl Fn(Row) -> Option<f64>) {
    let row = std::env::args().nth(1).and_then(|name| Row::named(&name));
    let Some(row) = row else {
        eprintln!("usage: ARM ROW, where ROW is one of {}", Row::ALL.map(Row::name).join(", "));
        std::process::exit(2);
    };
    if work(row).is_none() {
        println!("null");
        return;
    }
    let before = cpu_s();
    let units = work(row).unwrap_or_default();
    let measured = Measured { units, cpu_s: cpu_s() - before };
    println!("{}", serde_json::to_string(&measured).unwrap_or_default());
}

/// CPU time of this process and of the children it has waited for.
fn cpu_s() -> f64 {
    let of = |who| {
        getrusage(who).map_or(0.0, |usage| {
            [usage.user_time(), usage.system_time()].iter().map(|t| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6).sum()
        })
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

/// Gives way once, as any task may: its own waker is woken before it is pending.
pub async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Gives way `times` times.
pub async fn yields(times: u64) {
    for _ in 0..times {
        yield_once().await;
    }
}

/// How long sleep `i` of task `n` takes: 1 to 10 ms, no two alike.
pub fn nap(n: u64, i: u64) -> Duration {
    Duration::from_nanos(1_000_000 + (n * 7_919 + i * 104_729) % 9_000_000)
}
