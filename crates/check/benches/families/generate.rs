//! Generated histories: clients really run against an object, and take effect at an instant between call and return;
//! a broken one has one answer replaced by an old one.

use super::plain::plain;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stormglass_check::model::{
    AppendLog, Bytes, CasRegister, FifoQueue, Kv, KvOp, KvRet, LogOp, LogRet, Model, QueueOp, QueueRet, RegisterOp,
    RegisterRet, Set, SetOp, SetRet,
};
use stormglass_check::{
    Access, Budget, History, Isolation, Online, Operation, Outcome, Verdict, isolated, linearizability,
};

/// A check that can be repeated, and says its verdict.
pub(crate) type Check = Box<dyn Fn() -> String>;

/// A kind of history.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) generate: fn(clients: u32, operations: usize, unknown: u32) -> Check,
}

/// All of them.
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "register-unique",
        generate: |c, n, u| check(CasRegister::default(), unique_register(c, n, u, false)),
    },
    Family {
        name: "register-unique-broken",
        generate: |c, n, u| check(CasRegister::default(), unique_register(c, n, u, true)),
    },
    Family { name: "register-few-values", generate: |c, n, u| check(CasRegister::default(), register(c, n, u, false)) },
    Family { name: "cas-register", generate: |c, n, u| check(CasRegister::default(), cas_register(c, n, u, false)) },
    Family {
        name: "cas-register-broken",
        generate: |c, n, u| check(CasRegister::default(), cas_register(c, n, u, true)),
    },
    Family { name: "map", generate: |c, n, u| check(Kv::default(), map(c, n, u)) },
    Family { name: "map-online", generate: |c, n, u| follow(map(c, n, u)) },
    Family { name: "log", generate: |c, n, u| check(AppendLog, log(c, n, u)) },
    Family { name: "queue", generate: |c, n, u| check(FifoQueue, queue(c, n, u)) },
    Family { name: "set-elements", generate: |c, n, u| check(Set, set(c, n, u)) },
    Family { name: "transactions", generate: transactions },
    Family { name: "transactions-registers", generate: register_transactions },
    Family {
        name: "register-few-values, plain",
        generate: |c, n, u| search(CasRegister::default(), register(c, n, u, false)),
    },
    Family {
        name: "cas-register, plain",
        generate: |c, n, u| search(CasRegister::default(), cas_register(c, n, u, false)),
    },
    Family { name: "map, plain", generate: |c, n, u| search(Kv::default(), map(c, n, u)) },
    Family { name: "set-elements, plain", generate: |c, n, u| search(Set, set(c, n, u)) },
];

fn check<M: Model + 'static>(model: M, history: History<M::Op, M::Ret>) -> Check {
    Box::new(move || word(linearizability(&model, &history, Budget::PATIENT).verdict))
}

/// The same history judged by the plain search.
fn search<M: Model + 'static>(model: M, history: History<M::Op, M::Ret>) -> Check {
    Box::new(move || match plain(&model, &history, Budget::PATIENT.steps) {
        Some(true) => "pass".to_owned(),
        Some(false) => "fail".to_owned(),
        None => "unknown".to_owned(),
    })
}

fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail(_) => "fail".to_owned(),
        Verdict::Unknown(undecided) => undecided.to_string(),
    }
}

/// The same history judged while it grows: after every fifth call.
fn follow(history: History<KvOp, KvRet>) -> Check {
    Box::new(move || {
        let (mut grown, mut online) = (History::new(), Online::within(Kv::default(), Budget::PATIENT));
        for (at, operation) in history.operations().iter().enumerate() {
            grown.push(operation.clone()).expect("it was well-formed");
            if at % 5 == 0 {
                online.advance(&grown).expect("calls are in order");
            }
        }
        word(online.finish(&grown).expect("calls are in order"))
    })
}

/// What one client is doing.
enum Client<O, R> {
    Idle,
    Called { call: u64, op: O },
    Done { call: u64, op: O, ret: R },
}

/// Runs `operations` operations of `clients` clients against `apply`. Of 100, `unknown` end without an answer, half of
/// them without effect.
pub(crate) fn run<O: Clone, R: Clone>(
    (clients, operations, unknown): (u32, usize, u32),
    mut draw: impl FnMut(&mut ChaCha8Rng, u64) -> O,
    mut apply: impl FnMut(&O) -> R,
) -> History<O, R> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut fleet: Vec<Client<O, R>> = (0..clients).map(|_| Client::Idle).collect();
    let mut found: Vec<Operation<O, R>> = Vec::with_capacity(operations);
    let (mut at, mut called) = (0u64, 0usize);
    while found.len() < operations {
        at += 10;
        let index = rng.random_range(0..clients) as usize;
        let process = || u32::try_from(index).unwrap_or(0).into();
        let now = std::mem::replace(&mut fleet[index], Client::Idle);
        fleet[index] = match now {
            Client::Idle if called < operations => {
                called += 1;
                let op = draw(&mut rng, called as u64);
                Client::Called { call: at, op }
            }
            Client::Idle => Client::Idle,
            Client::Called { call, op } if rng.random_ratio(unknown, 100) => {
                if rng.random_ratio(1, 2) {
                    apply(&op);
                }
                found.push(Operation {
                    process: process(),
                    call,
                    returned: Some(at),
                    op,
                    outcome: Outcome::Indeterminate,
                });
                Client::Idle
            }
            Client::Called { call, op } => {
                let ret = apply(&op);
                Client::Done { call, op, ret }
            }
            Client::Done { call, op, ret } => {
                found.push(Operation { process: process(), call, returned: Some(at), op, outcome: Outcome::Ok(ret) });
                Client::Idle
            }
        };
    }
    found.sort_by_key(|operation| operation.call);
    let mut history = History::new();
    for operation in found {
        history.push(operation).expect("a history that was run is well-formed");
    }
    history
}

fn value(number: u64) -> Option<Bytes> {
    Some(Bytes::from(number.to_string()))
}

fn answer(held: &mut Option<Bytes>, op: &RegisterOp) -> RegisterRet {
    match op {
        RegisterOp::Read => RegisterRet::Value(held.clone()),
        RegisterOp::Write(value) => {
            held.clone_from(value);
            RegisterRet::Written
        }
        RegisterOp::Cas { from, to } => {
            let swapped = from == held;
            if swapped {
                held.clone_from(to);
            }
            RegisterRet::Swapped(swapped)
        }
    }
}

type Register = History<RegisterOp, RegisterRet>;

fn of_register(
    size: (u32, usize, u32),
    broken: bool,
    draw: impl FnMut(&mut ChaCha8Rng, u64) -> RegisterOp,
) -> Register {
    let mut held = None;
    let history = run(size, draw, |op| answer(&mut held, op));
    if broken { with_stale_read(&history) } else { history }
}

/// Nine tenths in, a read answers with what was read a tenth in.
fn with_stale_read(history: &Register) -> Register {
    let mut operations = history.operations().to_vec();
    let is_read =
        |op: &Operation<RegisterOp, RegisterRet>| matches!(&op.outcome, Outcome::Ok(RegisterRet::Value(Some(_))));
    let old = operations.iter().skip(operations.len() / 10).find(|op| is_read(op)).map(|op| op.outcome.clone());
    let late = operations.len() * 9 / 10;
    if let (Some(old), Some(read)) = (old, operations.iter_mut().skip(late).find(|op| is_read(op))) {
        read.outcome = old;
    }
    let mut history = History::new();
    for operation in operations {
        history.push(operation).expect("one answer is another");
    }
    history
}

fn unique_register(clients: u32, operations: usize, unknown: u32, broken: bool) -> Register {
    of_register((clients, operations, unknown), broken, |rng, number| {
        if rng.random_ratio(1, 2) { RegisterOp::Read } else { RegisterOp::Write(value(number)) }
    })
}

fn register(clients: u32, operations: usize, unknown: u32, broken: bool) -> Register {
    of_register((clients, operations, unknown), broken, |rng, _| {
        if rng.random_ratio(1, 2) { RegisterOp::Read } else { RegisterOp::Write(value(rng.random_range(0..5))) }
    })
}

fn cas_register(clients: u32, operations: usize, unknown: u32, broken: bool) -> Register {
    of_register((clients, operations, unknown), broken, |rng, _| match rng.random_range(0..3u32) {
        0 => RegisterOp::Read,
        1 => RegisterOp::Write(value(rng.random_range(0..5))),
        _ => RegisterOp::Cas { from: value(rng.random_range(0..5)), to: value(rng.random_range(0..5)) },
    })
}

fn map(clients: u32, operations: usize, unknown: u32) -> History<KvOp, KvRet> {
    let mut held: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    let draw = |rng: &mut ChaCha8Rng, number: u64| {
        let key = format!("k{}", rng.random_range(0..10));
        if rng.random_ratio(1, 2) { KvOp::get(key) } else { KvOp::put(key, number.to_string()) }
    };
    run((clients, operations, unknown), draw, |op| match op {
        KvOp::Put { key, value } => {
            held.insert(key.clone(), value.clone());
            KvRet::done()
        }
        KvOp::Get { key } => KvRet::Value { value: held.get(key).cloned(), revision: None },
        _ => KvRet::done(),
    })
}

fn text(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

fn log(clients: u32, operations: usize, unknown: u32) -> History<LogOp, LogRet> {
    let mut held: Vec<Bytes> = Vec::new();
    let draw = |rng: &mut ChaCha8Rng, number: u64| match rng.random_range(0..3u32) {
        0 => LogOp::Append { log: "log".into(), value: text(number) },
        1 => LogOp::Read { log: "log".into(), offset: rng.random_range(0..=number / 3) },
        _ => LogOp::Length { log: "log".into() },
    };
    run((clients, operations, unknown), draw, |op| match op {
        LogOp::Append { value, .. } => {
            held.push(value.clone());
            LogRet::Appended(Some(held.len() as u64 - 1))
        }
        LogOp::Read { offset, .. } => LogRet::Value(usize::try_from(*offset).ok().and_then(|at| held.get(at).cloned())),
        _ => LogRet::Length(held.len() as u64),
    })
}

/// Takes always have an answer: one that does not leaves it open which value is gone, and then there is no monitor.
fn queue(clients: u32, operations: usize, unknown: u32) -> History<QueueOp, QueueRet> {
    let mut held: VecDeque<Bytes> = VecDeque::new();
    let draw = |rng: &mut ChaCha8Rng, number: u64| {
        if rng.random_ratio(11, 20) { QueueOp::Put(text(number)) } else { QueueOp::Take }
    };
    let history = run((clients, operations, unknown), draw, |op| match op {
        QueueOp::Put(value) => {
            held.push_back(value.clone());
            QueueRet::Done
        }
        QueueOp::Take => QueueRet::Taken(held.pop_front()),
    });
    let sure = |op: &&Operation<QueueOp, QueueRet>| op.op != QueueOp::Take || op.outcome != Outcome::Indeterminate;
    let mut kept = History::new();
    if unknown == 0 {
        return history;
    }
    // A take of unknown outcome that took something would leave a hole: its value was never put.
    let told: BTreeSet<&Bytes> = history
        .operations()
        .iter()
        .filter_map(|op| match op.outcome.answer() {
            Some(QueueRet::Taken(Some(value))) => Some(value),
            _ => None,
        })
        .collect();
    let last =
        history.operations().iter().filter(|op| matches!(op.outcome, Outcome::Ok(QueueRet::Taken(Some(_))))).count();
    let mut rest = last;
    for operation in history.operations().iter().filter(sure) {
        let gone = matches!(&operation.op, QueueOp::Put(value) if !told.contains(value));
        if matches!(operation.outcome, Outcome::Ok(QueueRet::Taken(Some(_)))) {
            rest -= 1;
        }
        if !(gone && rest > 0) {
            kept.push(operation.clone()).expect("a part of a well-formed history is well-formed");
        }
    }
    kept
}

fn set(clients: u32, operations: usize, unknown: u32) -> History<SetOp, SetRet> {
    let mut held: BTreeSet<Bytes> = BTreeSet::new();
    let draw = |rng: &mut ChaCha8Rng, number: u64| match rng.random_range(0..4u32) {
        0 => SetOp::Add(text(rng.random_range(0..number.max(2) / 2 + 1))),
        1 => SetOp::Remove(text(rng.random_range(0..number.max(2) / 2 + 1))),
        _ => SetOp::Contains(text(rng.random_range(0..number.max(2) / 2 + 1))),
    };
    run((clients, operations, unknown), draw, |op| match op {
        SetOp::Add(value) => SetRet::Truth(held.insert(value.clone())),
        SetOp::Remove(value) => SetRet::Truth(held.remove(value)),
        SetOp::Contains(value) => SetRet::Truth(held.contains(value)),
        SetOp::All => SetRet::Values(held.clone()),
    })
}

/// What a transaction accesses: one to four times one of four keys, which go out of use one by one.
fn accesses(rng: &mut ChaCha8Rng, number: u64, access: impl Fn(Bytes, Option<Bytes>) -> Access) -> Vec<Access> {
    (0..rng.random_range(1..5u64))
        .map(|at| {
            let key = text(number / 10 + rng.random_range(0..4));
            access(key, rng.random_ratio(1, 2).then(|| text(number * 8 + at)))
        })
        .collect()
}

/// Serial transactions on lists of up to some thirty values.
fn transactions(clients: u32, operations: usize, unknown: u32) -> Check {
    let mut lists: BTreeMap<Bytes, Vec<Bytes>> = BTreeMap::new();
    let draw = |rng: &mut ChaCha8Rng, number: u64| {
        accesses(rng, number, |key, value| match value {
            Some(value) => Access::Append { key, value },
            None => Access::List { key, values: None },
        })
    };
    let history = run((clients, operations, unknown), draw, |asked: &Vec<Access>| {
        asked
            .iter()
            .map(|access| match access {
                Access::Append { key, value } => {
                    lists.entry(key.clone()).or_default().push(value.clone());
                    access.clone()
                }
                Access::List { key, .. } => {
                    Access::List { key: key.clone(), values: Some(lists.get(key).cloned().unwrap_or_default()) }
                }
                other => other.clone(),
            })
            .collect()
    });
    Box::new(move || word(isolated(&history, Isolation::StrictSerializable)))
}

/// The same on registers.
fn register_transactions(clients: u32, operations: usize, unknown: u32) -> Check {
    let mut held: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    let draw = |rng: &mut ChaCha8Rng, number: u64| {
        accesses(rng, number, |key, value| match value {
            Some(value) => Access::Write { key, value },
            None => Access::Read { key, value: None },
        })
    };
    let history = run((clients, operations, unknown), draw, |asked: &Vec<Access>| {
        asked
            .iter()
            .map(|access| match access {
                Access::Write { key, value } => {
                    held.insert(key.clone(), value.clone());
                    access.clone()
                }
                Access::Read { key, .. } => Access::Read { key: key.clone(), value: Some(held.get(key).cloned()) },
                other => other.clone(),
            })
            .collect()
    });
    Box::new(move || word(isolated(&history, Isolation::StrictSerializable)))
}
