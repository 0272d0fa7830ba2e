//! The crew: the worker processes of a campaign, each driven by a thread that hands it seeds in order and passes on what
//! they came to. A worker that dies is replaced; what that says of its seed is part of the news.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    CaseReport, DeterminismCheck, RunRequest, Seed,
    client::{Worker, WorkerCommand, WorkerError, WorkerKill},
};

/// What every case of a campaign has in common.
pub(crate) struct Task {
    pub(crate) worker: WorkerCommand,
    pub(crate) scenario: String,
    /// The request; its seed is replaced for each case.
    pub(crate) request: RunRequest,
    /// Every how many seeds one is run twice; `None` for never.
    pub(crate) check_every: Option<u64>,
    pub(crate) check: DeterminismCheck,
}

/// One finished case, or the reason why no further one can run.
pub(crate) type News = Result<CaseReport, WorkerError>;

/// Where the crew gets its seeds from, and how it is told to stop.
pub(crate) struct Desk<'a> {
    state: Mutex<DeskState<'a>>,
}

struct DeskState<'a> {
    seeds: Box<dyn Iterator<Item = Seed> + Send + 'a>,
    stop: Stop,
    /// The workers that are running, by their thread's number.
    running: Vec<Option<WorkerKill>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    /// Hand out no more; what runs may end.
    Draining,
    /// What runs is ended and forgotten.
    Now,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(seeds: impl Iterator<Item = Seed> + Send + 'a, jobs: usize) -> Self {
        let running = (0..jobs).map(|_| None).collect();
        Desk { state: Mutex::new(DeskState { seeds: Box::new(seeds), stop: Stop::No, running }) }
    }

    fn lock(&self) -> MutexGuard<'_, DeskState<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out no more seeds. What runs may end, and counts.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.stop = state.stop.max(Stop::Draining);
    }

    /// Ends every worker at once. What it ran has no result.
    pub(crate) fn stop_now(&self) {
        let mut state = self.lock();
        state.stop = Stop::Now;
        for kill in state.running.iter().flatten() {
            kill.kill();
        }
    }

    fn next(&self) -> Option<Seed> {
        let mut state = self.lock();
        if state.stop == Stop::No { state.seeds.next() } else { None }
    }

    fn stopped_now(&self) -> bool {
        self.lock().stop == Stop::Now
    }

    /// Puts a worker under the desk's eye; `false` where it came too late and must not run.
    fn enlist(&self, number: usize, worker: &Worker) -> bool {
        let mut state = self.lock();
        if state.stop == Stop::Now {
            return false;
        }
        state.running[number] = Some(worker.kill_handle());
        true
    }
}

/// Starts the crew within `scope`. The channel closes when its last member has gone home.
pub(crate) fn start<'scope, 'env>(
    scope: &'scope thread::Scope<'scope, 'env>,
    task: &'scope Task,
    desk: &'scope Desk<'_>,
    jobs: usize,
) -> mpsc::Receiver<News> {
    // Bounded, so that a slow disk slows the crew instead of filling memory with results.
    let (sender, receiver) = mpsc::sync_channel(jobs.saturating_mul(16).max(16));
    for number in 0..jobs {
        let sender = sender.clone();
        scope.spawn(move || {
            if let Err(error) = serve(task, desk, number, &sender)
                && !desk.stopped_now()
            {
                // Nobody listens only if the campaign has ended already.
                let _ = sender.send(Err(error));
            }
        });
    }
    receiver
}

fn serve(task: &Task, desk: &Desk<'_>, number: usize, news: &mpsc::SyncSender<News>) -> Result<(), WorkerError> {
    let mut worker: Option<Worker> = None;
    // Seeds without a result, in order. The worker has been asked for the first `asked` of them.
    let (mut seeds, mut asked) = (VecDeque::new(), 0);
    let mut pace = Pace::new();
    loop {
        while seeds.len() < pace.ahead()
            && let Some(seed) = desk.next()
        {
            seeds.push_back(seed);
        }
        let Some(&seed) = seeds.front() else { return Ok(()) };
        let ready = match &mut worker {
            Some(ready) => ready,
            None => {
                let started = Worker::start(&task.worker)?;
                if !desk.enlist(number, &started) {
                    return Ok(());
                }
                asked = 0;
                worker.insert(started)
            }
        };
        let report = match task.run_first(ready, &seeds, &mut asked) {
            Ok(report) => {
                asked -= 1;
                report
            }
            Err(WorkerError::Died { how }) => {
                if desk.stopped_now() {
                    return Ok(());
                }
                // The seeds after this one had not begun: the next worker is asked for them again.
                worker = None;
                how.report(&task.scenario, &task.request(seed))
            }
            Err(error) => return Err(error),
        };
        seeds.pop_front();
        pace.seed_is_done();
        if news.send(Ok(report)).is_err() {
            return Ok(());
        }
    }
}

impl Task {
    fn request(&self, seed: Seed) -> RunRequest {
        RunRequest { seed, ..self.request.clone() }
    }

    fn is_checked(&self, seed: Seed) -> bool {
        self.check_every.is_some_and(|every| seed.0.is_multiple_of(every.max(1)))
    }

    /// Runs the first of `seeds`, and asks for further ones ahead. A seed that is to be run twice has its worker to itself.
    fn run_first(
        &self,
        worker: &mut Worker,
        seeds: &VecDeque<Seed>,
        asked: &mut usize,
    ) -> Result<CaseReport, WorkerError> {
        let first = seeds[0];
        let alone = self.is_checked(first);
        for &seed in seeds.iter().skip(*asked) {
            if *asked > 0 && (alone || self.is_checked(seed) || !worker.has_room()) {
                break;
            }
            worker.ask_ahead(&self.scenario, &self.request(seed))?;
            *asked += 1;
        }
        let report = worker.answer()?;
        if alone { self.check.compare(worker, &self.scenario, &self.request(first), report) } else { Ok(report) }
    }
}

/// How many seeds a worker is told of ahead: as many as it runs in a moment. One that takes longer is told of one seed at
/// a time, so that a campaign that is to stop need not wait for more.
struct Pace {
    last: Instant,
    /// A running mean.
    per_seed: Duration,
}

/// The moment.
const AHEAD: Duration = Duration::from_millis(20);
/// The most seeds ahead.
const AHEAD_MAX: u128 = 128;

impl Pace {
    fn new() -> Self {
        Pace { last: Instant::now(), per_seed: AHEAD }
    }

    fn seed_is_done(&mut self) {
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.last, now);
        self.per_seed = (self.per_seed * 3 + took) / 4;
    }

    fn ahead(&self) -> usize {
        let ahead = AHEAD.as_nanos() / self.per_seed.as_nanos().max(1);
        usize::try_from(ahead.clamp(1, AHEAD_MAX)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quick_seeds_are_asked_for_ahead() {
        let mut pace = Pace::new();
        assert_eq!(pace.ahead(), 1);
        pace.per_seed = Duration::from_millis(200);
        assert_eq!(pace.ahead(), 1);
        pace.per_seed = Duration::from_millis(4);
        assert_eq!(pace.ahead(), 5);
        pace.per_seed = Duration::ZERO;
        assert_eq!(u128::try_from(pace.ahead()).unwrap(), AHEAD_MAX);
    }
}
