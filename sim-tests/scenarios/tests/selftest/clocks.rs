//! A node's clocks go wrong as a plan says, and every way to read them agrees: std, tokio, chrono, and each clock of
//! `clock_gettime`. The driver, whose clocks are right, says what they should show.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use stormglass::faults::{ClockFault, FaultId, Offset, clock};
use stormglass::harness::Status;
use stormglass::kernel::{Clocks, VirtualTime, with};
use stormglass::prelude::*;
use stormglass::{NodeHandle, check::Evidence};
use tokio::sync::{mpsc, oneshot};

use crate::judging::{checks, evidence, request, worker};

checks!(every_reading_of_a_wrong_clock_shows_what_its_fault_says_on_every_seed);

/// What all readings of one instant may differ by: each costs its node some time.
const TOLERANCE_NS: i128 = 20_000;

/// Every clock of one node at one instant, in nanoseconds.
#[derive(Clone, Debug)]
struct Readings {
    monotonic: Vec<(&'static str, i128)>,
    wall: Vec<(&'static str, i128)>,
}

fn posix(id: ClockId) -> i128 {
    let time = clock_gettime(id).expect("a clock that Linux has");
    i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
}

/// Reads all. `starts` are the instants that durations are counted from.
fn read(starts: (Instant, tokio::time::Instant)) -> Readings {
    let since = |duration: Duration| duration.as_nanos() as i128;
    let monotonic = vec![
        ("std::time::Instant", since(starts.0.elapsed())),
        ("tokio::time::Instant", since(starts.1.elapsed())),
        ("CLOCK_MONOTONIC", posix(ClockId::CLOCK_MONOTONIC)),
        ("CLOCK_MONOTONIC_RAW", posix(ClockId::CLOCK_MONOTONIC_RAW)),
        ("CLOCK_MONOTONIC_COARSE", posix(ClockId::CLOCK_MONOTONIC_COARSE)),
        ("CLOCK_BOOTTIME", posix(ClockId::CLOCK_BOOTTIME)),
    ];
    let now = chrono::Utc::now();
    let wall = vec![
        ("std::time::SystemTime", since(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())),
        ("chrono::Utc", i128::from(now.timestamp()) * 1_000_000_000 + i128::from(now.timestamp_subsec_nanos())),
        ("chrono::Local", i128::from(chrono::Local::now().timestamp_micros()) * 1_000),
        ("CLOCK_REALTIME", posix(ClockId::CLOCK_REALTIME)),
        ("CLOCK_REALTIME_COARSE", posix(ClockId::CLOCK_REALTIME_COARSE)),
        ("CLOCK_TAI", posix(ClockId::CLOCK_TAI)),
    ];
    Readings { monotonic, wall }
}

/// Answers with readings whenever it is asked.
async fn reader(questions: Arc<tokio::sync::Mutex<mpsc::Receiver<oneshot::Sender<Readings>>>>) {
    let starts = (Instant::now(), tokio::time::Instant::now());
    tokio::spawn(never_goes_back());
    let mut questions = questions.lock().await;
    while let Some(reply) = questions.recv().await {
        let _ = reply.send(read(starts));
    }
    std::future::pending::<()>().await;
}

/// Looks at the monotonic clocks every few milliseconds, and sets timers that must fire in order, none too early.
async fn never_goes_back() {
    let mut seen = (Instant::now(), tokio::time::Instant::now(), posix(ClockId::CLOCK_MONOTONIC));
    loop {
        let start = tokio::time::Instant::now();
        let mut timers = tokio::task::JoinSet::new();
        for ms in [5, 1, 4, 2, 3] {
            timers.spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                (ms, start.elapsed())
            });
        }
        for expected in 1..=5 {
            let (ms, took) = timers.join_next().await.expect("five of them").expect("no panic");
            assert_eq!(ms, expected, "timers fire in the order of their deadlines");
            assert!(took >= Duration::from_millis(ms), "a timer of {ms} ms fired after {took:?}");
        }
        let now = (Instant::now(), tokio::time::Instant::now(), posix(ClockId::CLOCK_MONOTONIC));
        assert!(now.0 >= seen.0 && now.1 >= seen.1 && now.2 >= seen.2, "a monotonic clock went back");
        seen = now;
    }
}

/// A node with clocks, and the true times to compare with.
struct Watch {
    sim: Sim,
    node: NodeHandle,
    ask: mpsc::Sender<oneshot::Sender<Readings>>,
    /// The readings and the true time from which gains are counted.
    base: (Readings, i128),
}

impl Watch {
    fn now(sim: &Sim) -> i128 {
        sim.now().as_nanos() as i128
    }

    async fn readings(ask: &mpsc::Sender<oneshot::Sender<Readings>>) -> Readings {
        let (reply, answer) = oneshot::channel();
        ask.send(reply).await.expect("the node is up");
        answer.await.expect("the node answers")
    }

    /// Demands that since the last time the monotonic and the wall clocks gained so much more or less than the true time,
    /// and begins to count anew.
    async fn gained(&mut self, what: &str, monotonic_ns: i128, wall_ns: i128) -> Result<(), Evidence> {
        let (now, readings) = (Self::now(&self.sim), Self::readings(&self.ask).await);
        let passed = now - self.base.1;
        let families =
            [(&readings.monotonic, &self.base.0.monotonic, monotonic_ns), (&readings.wall, &self.base.0.wall, wall_ns)];
        for (shown, before, expected) in families {
            for ((name, shown), (_, before)) in shown.iter().zip(before) {
                let gained = shown - before - passed;
                if (gained - expected).abs() > TOLERANCE_NS {
                    let cause = format!("{what}: {name} gained {gained} ns in {passed} ns, and not {expected}");
                    return Err(Evidence::new("clocks", cause));
                }
            }
        }
        self.base = (readings, now);
        Ok(())
    }

    fn begin(&self, fault: ClockFault) -> FaultId {
        self.sim.inject(clock(self.node.name(), fault))
    }

    /// What no plan does: a suspended machine.
    fn adjust(&self, change: impl FnOnce(VirtualTime, &mut Clocks<'_>)) {
        with(|u| u.kernel.adjust_clocks(self.node.id(), change));
    }
}

/// One fault of each kind after the other, with figures drawn from the seed.
#[stormglass::scenario(time = "300s", families("clock"), tags("selftest"))]
async fn clocks_go_wrong(sim: Sim) -> Outcome {
    let (ask, questions) = mpsc::channel(1);
    let questions = Arc::new(tokio::sync::Mutex::new(questions));
    let node = sim.nodes("wrong", 1, move |_| reader(Arc::clone(&questions))).remove(0);
    sim.sleep(Duration::from_millis(1)).await;
    let base = (Watch::readings(&ask).await, Watch::now(&sim));
    let mut watch = Watch { sim: sim.clone(), node, ask, base };
    let second = Duration::from_secs(1);
    watch.gained("nothing is wrong", 0, 0).await?;

    let ppm = sim.choose("ppm", "clocks", 0, 1, 200_000) as i32;
    let ppm = if sim.choose("slow", "clocks", 0, 0, 1) == 1 { -ppm } else { ppm };
    let drift = watch.begin(ClockFault::Drift { ppm });
    sim.sleep(10 * second).await;
    let gain = i128::from(ppm) * 10_000;
    watch.gained("drift", gain, gain).await?;
    sim.heal(drift);
    watch.gained("after drift", 0, -gain).await?;

    let ms = sim.choose("milliseconds", "clocks", 0, 1, 10_000);
    for behind in [false, true] {
        let by = Offset { by: Duration::from_millis(ms), behind };
        let step = watch.begin(ClockFault::Step(by));
        watch.gained("a step", 0, i128::from(by.nanos())).await?;
        sim.sleep(second).await;
        watch.gained("after a step", 0, 0).await?;
        sim.heal(step);
        watch.gained("a step that was set right", 0, -i128::from(by.nanos())).await?;

        let by = Offset { by: Duration::from_millis(1 + ms / 2_000), behind };
        let slew = watch.begin(ClockFault::Slew(by));
        sim.sleep(second).await;
        watch.gained("a slew", 0, if behind { -500_000 } else { 500_000 }).await?;
        sim.sleep(20 * second).await;
        watch
            .gained("a slew that has ended", 0, i128::from(by.nanos()) - if behind { -500_000 } else { 500_000 })
            .await?;
        sim.heal(slew);
        watch.gained("after a slew", 0, -i128::from(by.nanos())).await?;

        let by = Offset { by: Duration::from_millis(ms), behind };
        let strobe = watch.begin(ClockFault::Strobe { by, period: second });
        sim.sleep(second / 2).await;
        watch.gained("a strobe's first half", 0, 0).await?;
        sim.sleep(second).await;
        watch.gained("a strobe's second half", 0, i128::from(by.nanos())).await?;
        sim.heal(strobe);
        watch.gained("after a strobe", 0, -i128::from(by.nanos())).await?;
    }

    watch.adjust(|now, clocks| clocks.monotonic.freeze(now));
    sim.sleep(5 * second).await;
    watch.gained("suspended", -5_000_000_000, 0).await?;
    watch.adjust(|now, clocks| clocks.monotonic.run_evenly(now));
    sim.sleep(second).await;
    watch.gained("resumed", 0, 0).await?;
    Ok(Verdict::Pass)
}

fn every_reading_of_a_wrong_clock_shows_what_its_fault_says_on_every_seed() {
    let mut worker = worker();
    for seed in 1..=20 {
        let request = request(&mut worker, "clocks_go_wrong", seed);
        let report = worker.run("clocks_go_wrong", &request, false).expect("an answer");
        assert_eq!(report.status, Status::Pass, "seed {seed}: {}", evidence(&report));
    }
}
