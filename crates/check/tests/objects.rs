//! The gate of the other objects and of their monitors: queues, stacks, sets, logs, counters and locks, run and then
//! perhaps changed, are judged as by an exhaustive search over a plain model of each.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;
#[path = "oracle/small.rs"]
mod small;

use generate::rng;
use oracle::exhaustive;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use small::{Plain, changed, text, valid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stormglass_check::model::{
    AppendLog, Bytes, Counter, CounterOp, CounterRet, FifoQueue, Lock, LockOp, LockRet, LogOp, LogRet, Model, QueueOp,
    QueueRet, Set, SetOp, SetRet, Stack,
};
use stormglass_check::{Budget, Engine, History, Outcome, Verdict, linearizability_by, replay};

const ENGINES: [Engine; 5] =
    [Engine::Portfolio, Engine::DepthFirst, Engine::Frontier, Engine::Narrow(2), Engine::Monitor];

/// Compares every engine with the truth; counts what a monitor passed, failed and left.
fn gate<M: Model, S: Clone>(name: &str, model: &M, plain: &Plain<M::Op, M::Ret, S>, monitored: bool) {
    let (mut passes, mut failures, mut left) = (0, 0, 0);
    for seed in 0..11_000 {
        let mut rng = rng(seed ^ 0x0b1ec7);
        let history = valid(&mut rng, plain);
        let broken = changed(&mut rng, plain, &history);
        for history in [&history, &broken] {
            let expected = exhaustive(history, &plain.start, plain.admits);
            for engine in ENGINES {
                let found = linearizability_by(engine, model, history, Budget::default());
                let context = || format!("{name}, {engine:?}, seed {seed}: {}\n{history:#?}", found.verdict);
                match &found.verdict {
                    Verdict::Pass => {
                        assert!(expected, "no order exists: {}", context());
                        let certificate = found.certificate.as_ref().expect("a pass has a certificate");
                        assert_eq!(replay(model, history, certificate), Ok(()), "{}", context());
                    }
                    Verdict::Fail(evidence) => {
                        assert!(!expected, "an order exists: {}", context());
                        assert!(!evidence.operations.is_empty(), "{}", context());
                    }
                    Verdict::Unknown(undecided) => {
                        let may = matches!(engine, Engine::Monitor | Engine::Narrow(_));
                        assert!(may && !undecided.limit.to_string().contains("trust"), "{}", context());
                        left += usize::from(engine == Engine::Monitor);
                    }
                }
            }
            if expected { passes += 1 } else { failures += 1 }
        }
    }
    eprintln!("{name}: {passes} passed, {failures} failed, the monitor left {left}");
    assert_eq!(passes + failures, 22_000);
    assert!(passes > 11_000 && failures > 1_500, "{name} is one-sided: {passes} and {failures}");
    assert_eq!(left < 12_000, monitored, "{name}: the monitor left {left}");
}

fn queue_op(rng: &mut ChaCha8Rng, number: u32) -> QueueOp {
    if rng.random_ratio(1, 2) { QueueOp::Put(text(number)) } else { QueueOp::Take }
}

fn queue_lie(rng: &mut ChaCha8Rng, op: &QueueOp, ret: &QueueRet) -> QueueRet {
    match op {
        QueueOp::Put(_) => ret.clone(),
        QueueOp::Take if rng.random_ratio(1, 3) => QueueRet::Taken(None),
        QueueOp::Take => QueueRet::Taken(Some(text(rng.random_range(0..9)))),
    }
}

#[test]
fn queues_are_judged_as_by_brute_force() {
    fn run(queue: &mut VecDeque<Bytes>, op: &QueueOp) -> QueueRet {
        match op {
            QueueOp::Put(value) => {
                queue.push_back(value.clone());
                QueueRet::Done
            }
            QueueOp::Take => QueueRet::Taken(queue.pop_front()),
        }
    }
    let admits = |queue: &mut VecDeque<Bytes>, op: &QueueOp, told: Option<&QueueRet>| {
        let truth = run(queue, op);
        told.is_none_or(|told| *told == truth)
    };
    gate("queue", &FifoQueue, &Plain { start: VecDeque::new(), draw: queue_op, run, admits, lie: queue_lie }, true);
}

#[test]
fn stacks_are_judged_as_by_brute_force() {
    fn run(stack: &mut Vec<Bytes>, op: &QueueOp) -> QueueRet {
        match op {
            QueueOp::Put(value) => {
                stack.push(value.clone());
                QueueRet::Done
            }
            QueueOp::Take => QueueRet::Taken(stack.pop()),
        }
    }
    let admits = |stack: &mut Vec<Bytes>, op: &QueueOp, told: Option<&QueueRet>| {
        let truth = run(stack, op);
        told.is_none_or(|told| *told == truth)
    };
    gate("stack", &Stack, &Plain { start: Vec::new(), draw: queue_op, run, admits, lie: queue_lie }, false);
}

fn set_run(set: &mut BTreeSet<Bytes>, op: &SetOp) -> SetRet {
    match op {
        SetOp::Add(value) => SetRet::Truth(set.insert(value.clone())),
        SetOp::Remove(value) => SetRet::Truth(set.remove(value)),
        SetOp::Contains(value) => SetRet::Truth(set.contains(value)),
        SetOp::All => SetRet::Values(set.clone()),
    }
}

fn set_admits(set: &mut BTreeSet<Bytes>, op: &SetOp, told: Option<&SetRet>) -> bool {
    let truth = set_run(set, op);
    told.is_none_or(|told| *told == truth || *told == SetRet::Done)
}

fn set_lie(rng: &mut ChaCha8Rng, _: &SetOp, ret: &SetRet) -> SetRet {
    match ret {
        SetRet::Values(values) => {
            let mut values = values.clone();
            let value = text(rng.random_range(0..9));
            if !values.remove(&value) {
                values.insert(value);
            }
            SetRet::Values(values)
        }
        SetRet::Truth(truth) => SetRet::Truth(!truth),
        SetRet::Done => SetRet::Done,
    }
}

#[test]
fn sets_are_judged_as_by_brute_force() {
    fn draw(rng: &mut ChaCha8Rng, _: u32) -> SetOp {
        let value = text(rng.random_range(0..3));
        match rng.random_range(0..7u32) {
            0..=2 => SetOp::Add(value),
            3 => SetOp::Remove(value),
            4 | 5 => SetOp::Contains(value),
            _ => SetOp::All,
        }
    }
    let plain = Plain { start: BTreeSet::new(), draw, run: set_run, admits: set_admits, lie: set_lie };
    gate("set", &Set, &plain, false);
}

#[test]
fn sets_that_grow_are_judged_as_by_brute_force() {
    fn draw(rng: &mut ChaCha8Rng, number: u32) -> SetOp {
        if rng.random_ratio(3, 5) { SetOp::Add(text(number)) } else { SetOp::All }
    }
    let plain = Plain { start: BTreeSet::new(), draw, run: set_run, admits: set_admits, lie: set_lie };
    gate("growing set", &Set, &plain, true);
}

type Logs = BTreeMap<Bytes, Vec<Bytes>>;

fn log_run(logs: &mut Logs, op: &LogOp) -> LogRet {
    let at = |offset: &u64| usize::try_from(*offset).expect("offsets are small");
    match op {
        LogOp::Append { log, value } => {
            let log = logs.entry(log.clone()).or_default();
            log.push(value.clone());
            LogRet::Appended(Some(log.len() as u64 - 1))
        }
        LogOp::Read { log, offset } => LogRet::Value(logs.get(log).and_then(|log| log.get(at(offset)).cloned())),
        LogOp::Poll { log, offset } => {
            LogRet::Values(logs.get(log).and_then(|log| log.get(at(offset)..)).unwrap_or_default().to_vec())
        }
        LogOp::Length { log } => LogRet::Length(logs.get(log).map_or(0, Vec::len) as u64),
    }
}

#[test]
fn logs_are_judged_as_by_brute_force() {
    fn draw(rng: &mut ChaCha8Rng, number: u32) -> LogOp {
        let log = Bytes::from(if rng.random_ratio(4, 5) { "a" } else { "b" });
        let offset = rng.random_range(0..4);
        match rng.random_range(0..8u32) {
            0..=3 => LogOp::Append { log, value: text(number) },
            4 | 5 => LogOp::Read { log, offset },
            6 => LogOp::Poll { log, offset },
            _ => LogOp::Length { log },
        }
    }
    fn lie(rng: &mut ChaCha8Rng, _: &LogOp, ret: &LogRet) -> LogRet {
        match ret {
            LogRet::Appended(_) if rng.random_ratio(1, 6) => LogRet::Appended(None),
            LogRet::Appended(_) => LogRet::Appended(Some(rng.random_range(0..5))),
            LogRet::Value(_) if rng.random_ratio(1, 3) => LogRet::Value(None),
            LogRet::Value(_) => LogRet::Value(Some(text(rng.random_range(0..9)))),
            LogRet::Values(values) => {
                let mut values = values.clone();
                values.push(text(rng.random_range(0..9)));
                LogRet::Values(values)
            }
            LogRet::Length(length) => LogRet::Length(length + rng.random_range(0..2)),
        }
    }
    let admits = |logs: &mut Logs, op: &LogOp, told: Option<&LogRet>| match (log_run(logs, op), told) {
        (_, None) | (LogRet::Appended(_), Some(LogRet::Appended(None))) => true,
        (LogRet::Values(there), Some(LogRet::Values(told))) => there.starts_with(told),
        (truth, Some(told)) => truth == *told,
    };
    gate("log", &AppendLog, &Plain { start: Logs::new(), draw, run: log_run, admits, lie }, true);
}

#[test]
fn counters_are_judged_as_by_brute_force() {
    fn draw(rng: &mut ChaCha8Rng, _: u32) -> CounterOp {
        if rng.random_ratio(2, 5) {
            CounterOp::Read
        } else {
            CounterOp::Add([1, 1, 2, -1][rng.random_range(0..4usize)])
        }
    }
    fn run(sum: &mut i64, op: &CounterOp) -> CounterRet {
        match op {
            CounterOp::Add(by) => {
                *sum += by;
                if *sum % 2 == 0 { CounterRet::Done } else { CounterRet::Value(*sum) }
            }
            CounterOp::Read => CounterRet::Value(*sum),
        }
    }
    fn lie(rng: &mut ChaCha8Rng, _: &CounterOp, _: &CounterRet) -> CounterRet {
        CounterRet::Value(rng.random_range(-2..5))
    }
    let admits = |sum: &mut i64, op: &CounterOp, told: Option<&CounterRet>| {
        run(sum, op);
        told.is_none_or(|told| matches!(told, CounterRet::Done) || *told == CounterRet::Value(*sum))
    };
    gate("counter", &Counter, &Plain { start: 0, draw, run, admits, lie }, false);
}

#[test]
fn locks_are_judged_as_by_brute_force() {
    #[derive(Clone, Default)]
    struct Service {
        holder: Option<u64>,
        token: u64,
        written: u64,
    }
    fn draw(rng: &mut ChaCha8Rng, number: u32) -> LockOp {
        let holder = u64::from(number % 3);
        match rng.random_range(0..6u32) {
            0..=2 => LockOp::Acquire { holder },
            3 | 4 => LockOp::Release { holder: rng.random_range(0..3) },
            _ => LockOp::Write { token: rng.random_range(0..3) },
        }
    }
    fn run(service: &mut Service, op: &LockOp) -> LockRet {
        match op {
            LockOp::Acquire { .. } if service.holder.is_some() => LockRet::Refused,
            LockOp::Acquire { holder } => {
                service.holder = Some(*holder);
                service.token += 1;
                LockRet::Acquired(Some(service.token))
            }
            LockOp::Release { holder } | LockOp::Expire { holder } if service.holder == Some(*holder) => {
                service.holder = None;
                LockRet::Done
            }
            LockOp::Release { .. } | LockOp::Expire { .. } => LockRet::Refused,
            LockOp::Write { token } if *token < service.written => LockRet::Refused,
            LockOp::Write { token } => {
                service.written = *token;
                LockRet::Done
            }
        }
    }
    fn lie(rng: &mut ChaCha8Rng, _: &LockOp, ret: &LockRet) -> LockRet {
        match ret {
            LockRet::Acquired(_) => LockRet::Acquired(Some(rng.random_range(0..4))),
            LockRet::Done => LockRet::Refused,
            LockRet::Refused => LockRet::Done,
        }
    }
    // The lock's tokens grow, by however much.
    let admits = |service: &mut Service, op: &LockOp, told: Option<&LockRet>| {
        let before = service.token;
        match (run(service, op), told) {
            (LockRet::Acquired(_), None) => {
                service.token = before;
                true
            }
            (_, None) => true,
            (LockRet::Acquired(_), Some(LockRet::Acquired(Some(token)))) => {
                service.token = *token;
                *token > before
            }
            (truth, Some(told)) => truth == *told,
        }
    };
    gate("lock", &Lock, &Plain { start: Service::default(), draw, run, admits, lie }, false);
}

/// Long queues and logs, which no search could judge.
#[test]
fn long_queues_and_logs_are_judged_at_once() {
    let mut queue = History::new();
    let mut log = History::new();
    for at in 0..20_000u64 {
        let number = u32::try_from(at).expect("it is small");
        let put = queue.invoke(number % 7, at * 10, QueueOp::Put(text(number)));
        queue.ok(put, at * 10 + 45, QueueRet::Done).expect("it was just invoked");
        let take = queue.invoke(7 + number % 7, at * 10 + 5, QueueOp::Take);
        queue.ok(take, at * 10 + 60, QueueRet::Taken(Some(text(number)))).expect("it was just invoked");
        let append = log.invoke(0, at * 10, LogOp::Append { log: "l".into(), value: text(number) });
        let outcome = if at % 20 == 7 { Outcome::Indeterminate } else { Outcome::Ok(LogRet::Appended(Some(at))) };
        match outcome {
            Outcome::Ok(ret) => log.ok(append, at * 10 + 5, ret).expect("it was just invoked"),
            _ => log.info(append, at * 10 + 5).expect("it was just invoked"),
        }
    }
    assert!(linearizability_by(Engine::Monitor, &FifoQueue, &queue, Budget::default()).verdict.is_pass());
    let missing = log.invoke(0, 200_000, LogOp::Read { log: "l".into(), offset: 19_999 });
    log.ok(missing, 200_001, LogRet::Value(None)).expect("it was just invoked");
    let verdict = linearizability_by(Engine::Monitor, &AppendLog, &log, Budget::default()).verdict;
    let evidence = verdict.evidence().expect("the end was there when it was read");
    assert_eq!(evidence.operations.len(), 2, "{evidence}");
}
