//! Generated histories: clients really run against an object, and take effect at an instant between call and return;
//! a broken one has one answer replaced by an old one.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stormglass_check::model::{Bytes, CasRegister, Kv, KvOp, KvRet, Model, RegisterOp, RegisterRet};
use stormglass_check::{Budget, History, Operation, Outcome, Verdict, linearizability};

/// A check that can be repeated, and says its verdict.
pub type Check = Box<dyn Fn() -> String>;

/// A kind of history.
pub struct Family {
    pub name: &'static str,
    pub generate: fn(clients: u32, operations: usize, unknown: u32) -> Check,
}

/// All of them.
pub const FAMILIES: &[Family] = &[
    Family { name: "register-unique", generate: |c, n, u| check(CasRegister, unique_register(c, n, u, false)) },
    Family { name: "register-unique-broken", generate: |c, n, u| check(CasRegister, unique_register(c, n, u, true)) },
    Family { name: "register-few-values", generate: |c, n, u| check(CasRegister, register(c, n, u, false)) },
    Family { name: "cas-register", generate: |c, n, u| check(CasRegister, cas_register(c, n, u, false)) },
    Family { name: "cas-register-broken", generate: |c, n, u| check(CasRegister, cas_register(c, n, u, true)) },
    Family { name: "map", generate: |c, n, u| check(Kv::default(), map(c, n, u)) },
];

fn check<M: Model + 'static>(model: M, history: History<M::Op, M::Ret>) -> Check {
    Box::new(move || match linearizability(&model, &history, Budget::PATIENT).verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail(_) => "fail".to_owned(),
        Verdict::Unknown(undecided) => undecided.to_string(),
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
pub fn run<O: Clone, R: Clone>(
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
                found.push(Operation { process: process(), call, returned: Some(at), op, outcome: Outcome::Indeterminate });
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
    let is_read = |op: &Operation<RegisterOp, RegisterRet>| {
        matches!(&op.outcome, Outcome::Ok(RegisterRet::Value(Some(_))))
    };
    let old = operations.iter().skip(operations.len() / 10).find(|op| is_read(op)).map(|op| op.outcome.clone());
    let late = operations.len() * 9 / 10;
    if let (Some(old), Some(read)) =
        (old, operations.iter_mut().skip(late).find(|op| is_read(op)))
    {
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
    let mut held: std::collections::BTreeMap<Bytes, Bytes> = std::collections::BTreeMap::new();
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
