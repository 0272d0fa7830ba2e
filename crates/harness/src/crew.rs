//! The crew: the worker processes of a campaign, each driven by a thread that hands it seeds in order and passes on what
//! they came to. A worker that dies is replaced; what that says of its seed is part of the news.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
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
    while let Some(seed) = desk.next() {
        let ready = match &mut worker {
            Some(ready) => ready,
            None => {
                let started = Worker::start(&task.worker)?;
                if !desk.enlist(number, &started) {
                    return Ok(());
                }
                worker.insert(started)
            }
        };
        let request = RunRequest { seed, ..task.request.clone() };
        let report = match run(task, ready, &request) {
            Ok(report) => report,
            Err(WorkerError::Died { how }) => {
                if desk.stopped_now() {
                    return Ok(());
                }
                worker = None;
                how.report(&task.scenario, &request)
            }
            Err(error) => return Err(error),
        };
        if news.send(Ok(report)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn run(task: &Task, worker: &mut Worker, request: &RunRequest) -> Result<CaseReport, WorkerError> {
    let report = worker.run(&task.scenario, request, false)?;
    match task.check_every {
        Some(every) if request.seed.0.is_multiple_of(every.max(1)) => {
            task.check.compare(worker, &task.scenario, request, report)
        }
        _ => Ok(report),
    }
}
