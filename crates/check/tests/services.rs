//! The gate of the objects that services guard: locks, semaphores, banks, block devices and registers that may be late,
//! run and then perhaps changed, are judged as by an exhaustive search over a plain model of each.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;
#[path = "oracle/objects.rs"]
mod plain;

use plain::{Plain, gate, text};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_check::model::{
    Bank, BankOp, BankRet, BlockDevice, BlockOp, BlockRet, Bytes, Lock, LockOp, LockRet, Semaphore, SemaphoreOp,
    StaleOp, StaleRegister,
};

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
        match rng.random_range(0..8u32) {
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

#[test]
fn semaphores_are_judged_as_by_brute_force() {
    /// The permits that are out, one by one.
    type Out = Vec<()>;
    const PERMITS: usize = 3;
    fn draw(rng: &mut ChaCha8Rng, _: u32) -> SemaphoreOp {
        let count = rng.random_range(0..3);
        if rng.random_ratio(3, 5) { SemaphoreOp::Acquire(count) } else { SemaphoreOp::Release(count) }
    }
    fn run(out: &mut Out, op: &SemaphoreOp) -> bool {
        match op {
            SemaphoreOp::Acquire(count) => {
                let more = vec![(); *count as usize];
                let fits = out.len() + more.len() <= PERMITS;
                if fits {
                    out.extend(more);
                }
                fits
            }
            SemaphoreOp::Release(count) => {
                let left = out.len().checked_sub(*count as usize);
                left.map(|left| out.truncate(left)).is_some()
            }
        }
    }
    let admits = |out: &mut Out, op: &SemaphoreOp, told: Option<&bool>| {
        let done = run(out, op);
        told.is_none_or(|told| *told == done)
    };
    let lie = |_: &mut ChaCha8Rng, _: &SemaphoreOp, ret: &bool| !ret;
    gate("semaphore", &Semaphore { permits: 3 }, &Plain { start: Out::new(), draw, run, admits, lie }, false);
}

#[test]
fn banks_are_judged_as_by_brute_force() {
    /// Every coin has an owner.
    type Coins = Vec<&'static str>;
    const NAMES: [&str; 3] = ["a", "b", "c"];
    fn draw(rng: &mut ChaCha8Rng, _: u32) -> BankOp {
        if rng.random_ratio(2, 5) {
            return BankOp::Read;
        }
        // The last name is of nobody.
        let mut name = || ["a", "b", "c", "d"][[0, 1, 0, 1, 2, 3][rng.random_range(0..6usize)]].to_owned();
        let (from, to) = (name(), name());
        BankOp::Transfer { from, to, amount: rng.random_range(0..4) }
    }
    fn run(coins: &mut Coins, op: &BankOp) -> BankRet {
        match op {
            BankOp::Read => {
                let count = |name: &str| coins.iter().filter(|owner| **owner == name).count() as i64;
                BankRet::Accounts(NAMES.into_iter().map(|name| (name.to_owned(), count(name))).collect())
            }
            BankOp::Transfer { from, to, amount } => {
                let Some(to) = NAMES.into_iter().find(|name| name == to) else { return BankRet::Moved(false) };
                let mine: Vec<usize> = (0..coins.len()).filter(|coin| coins[*coin] == from).collect();
                let enough = NAMES.contains(&from.as_str()) && mine.len() as u64 >= *amount;
                if enough {
                    mine.into_iter().zip(0..*amount).for_each(|(coin, _)| coins[coin] = to);
                }
                BankRet::Moved(enough)
            }
        }
    }
    fn lie(rng: &mut ChaCha8Rng, _: &BankOp, ret: &BankRet) -> BankRet {
        match ret {
            BankRet::Moved(moved) => BankRet::Moved(!moved),
            BankRet::Accounts(held) => {
                let mut held = held.clone();
                let name = NAMES[rng.random_range(0..3usize)];
                held.insert(name.to_owned(), rng.random_range(0..4));
                BankRet::Accounts(held)
            }
        }
    }
    let admits = |coins: &mut Coins, op: &BankOp, told: Option<&BankRet>| {
        let truth = run(coins, op);
        told.is_none_or(|told| *told == truth)
    };
    let accounts = [("a", 2), ("b", 1), ("c", 0)].map(|(name, coins)| (name.to_owned(), coins));
    let bank = Bank { accounts: BTreeMap::from(accounts) };
    gate("bank", &bank, &Plain { start: vec!["a", "a", "b"], draw, run, admits, lie }, false);
}

/// A device as it may be: what its cache and its medium hold, and what was written to the cache since. A sector that is
/// not there was never written, and one that holds `None` is torn.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    cache: BTreeMap<u64, Option<u64>>,
    medium: BTreeMap<u64, Option<u64>>,
    /// In order of writing.
    behind: Vec<(u64, u64)>,
}

impl Device {
    fn holds(&self, sector: u64) -> Option<u64> {
        self.cache.get(&sector).copied().unwrap_or(Some(0))
    }

    /// Everything that it may be after `op`, which was done wholly if that is `sure`.
    fn after(&self, op: &BlockOp, sure: bool, tears: bool) -> Vec<Device> {
        let mut next = self.clone();
        match op {
            BlockOp::Read { .. } => {}
            BlockOp::Write { sector, count, stamp, durable } => {
                for at in *sector..sector + count {
                    next.cache.insert(at, Some(*stamp));
                    next.behind.push((at, *stamp));
                    if *durable && sure {
                        next.medium.insert(at, Some(*stamp));
                        next.behind.retain(|(other, _)| *other != at);
                    }
                }
            }
            BlockOp::Flush => {
                next.medium = next.cache.clone();
                next.behind.clear();
            }
            BlockOp::PowerLoss => {
                let sectors: BTreeSet<u64> = next.behind.iter().map(|(at, _)| *at).collect();
                let mut may_be = vec![next.medium.clone()];
                for sector in sectors {
                    let written = next.behind.iter().filter(|(at, _)| *at == sector).map(|(_, stamp)| Some(*stamp));
                    let found: Vec<Option<u64>> = written.chain(tears.then_some(None)).collect();
                    let with = |held: &BTreeMap<u64, Option<u64>>| {
                        let changed = found.iter().map(|stamp| {
                            let mut held = held.clone();
                            held.insert(sector, *stamp);
                            held
                        });
                        changed.chain([held.clone()]).collect::<Vec<_>>()
                    };
                    may_be = may_be.iter().flat_map(with).collect();
                }
                let device =
                    |held: BTreeMap<u64, Option<u64>>| Device { cache: held.clone(), medium: held, behind: Vec::new() };
                return may_be.into_iter().map(device).collect();
            }
        }
        vec![next]
    }
}

fn block_draw(rng: &mut ChaCha8Rng, number: u32) -> BlockOp {
    let sector = rng.random_range(0..2);
    match rng.random_range(0..13u32) {
        0..=2 => {
            let count = if sector == 0 { rng.random_range(1..3) } else { 1 };
            BlockOp::Write { sector, count, stamp: u64::from(number) + 1, durable: rng.random_ratio(1, 3) }
        }
        3..=8 => BlockOp::Read { sector },
        9 | 10 => BlockOp::Flush,
        _ => BlockOp::PowerLoss,
    }
}

/// Of all that it may become, the history shows one: which, the moment says.
fn block_run(devices: &mut BTreeSet<Device>, op: &BlockOp) -> BlockRet {
    let next: BTreeSet<Device> = devices.iter().flat_map(|device| device.after(op, true, false)).collect();
    let picked = next.iter().nth(next.len() / 2).cloned().unwrap_or_default();
    *devices = BTreeSet::from([picked.clone()]);
    match op {
        BlockOp::Read { sector } => BlockRet::Stamp(picked.holds(*sector)),
        _ => BlockRet::Done,
    }
}

fn block_lie(rng: &mut ChaCha8Rng, _: &BlockOp, ret: &BlockRet) -> BlockRet {
    match ret {
        BlockRet::Done => BlockRet::Done,
        BlockRet::Stamp(_) if rng.random_ratio(1, 5) => BlockRet::Stamp(None),
        BlockRet::Stamp(_) if rng.random_ratio(2, 5) => BlockRet::Stamp(Some(0)),
        BlockRet::Stamp(_) => BlockRet::Stamp(Some(rng.random_range(1..6))),
    }
}

/// Every device that may be behind the answers so far.
fn block_admits(devices: &mut BTreeSet<Device>, op: &BlockOp, told: Option<&BlockRet>, tears: bool) -> bool {
    let may_be = devices.iter().flat_map(|device| device.after(op, told.is_some(), tears));
    *devices = match (op, told) {
        (BlockOp::Read { sector }, Some(BlockRet::Stamp(told))) => {
            may_be.filter(|device| device.holds(*sector) == *told).collect()
        }
        _ => may_be.collect(),
    };
    !devices.is_empty()
}

#[test]
fn block_devices_are_judged_as_by_brute_force() {
    let start = BTreeSet::from([Device::default()]);
    let admits =
        |devices: &mut BTreeSet<Device>, op: &BlockOp, told: Option<&BlockRet>| block_admits(devices, op, told, false);
    let plain = Plain { start, draw: block_draw, run: block_run, admits, lie: block_lie };
    gate("block device", &BlockDevice { tears: false }, &plain, false);
    let admits =
        |devices: &mut BTreeSet<Device>, op: &BlockOp, told: Option<&BlockRet>| block_admits(devices, op, told, true);
    gate("block device that tears", &BlockDevice { tears: true }, &Plain { admits, ..plain }, false);
}

#[test]
fn stale_registers_are_judged_as_by_brute_force() {
    /// Everything that was ever written, the latest last.
    type Written = Vec<Option<Bytes>>;
    fn draw(rng: &mut ChaCha8Rng, number: u32) -> StaleOp {
        if rng.random_ratio(2, 5) { StaleOp::Write(text(number)) } else { StaleOp::Read }
    }
    /// A read sees the latest but one.
    fn run(written: &mut Written, op: &StaleOp) -> Option<Bytes> {
        match op {
            StaleOp::Write(value) => {
                written.push(Some(value.clone()));
                None
            }
            StaleOp::Read => written[written.len().saturating_sub(2)].clone(),
        }
    }
    fn lie(rng: &mut ChaCha8Rng, op: &StaleOp, ret: &Option<Bytes>) -> Option<Bytes> {
        match op {
            StaleOp::Write(_) => ret.clone(),
            StaleOp::Read if rng.random_ratio(1, 5) => None,
            StaleOp::Read => Some(text(rng.random_range(0..9))),
        }
    }
    fn admits<const VERSIONS: usize>(written: &mut Written, op: &StaleOp, told: Option<&Option<Bytes>>) -> bool {
        match (op, told) {
            (StaleOp::Write(value), _) => {
                written.push(Some(value.clone()));
                true
            }
            (StaleOp::Read, told) => told.is_none_or(|told| written.iter().rev().take(VERSIONS).any(|one| one == told)),
        }
    }
    let plain = Plain { start: vec![None], draw, run, admits: admits::<2>, lie };
    gate("register that is late by one", &StaleRegister { versions: 2 }, &plain, false);
    gate(
        "register that is late by two",
        &StaleRegister { versions: 3 },
        &Plain { admits: admits::<3>, ..plain },
        false,
    );
}
