//! The gate of the engines: each of them alone, and the check that follows a run, agree with an exhaustive search on
//! tens of thousands of small histories. Every shortcut (keys apart, eager reads, symmetry, the memo's inclusion, dominance,
//! dropped and tightened operations of unknown outcome) is sound only as long as this passes. An engine may give up only
//! where it says that it can.

#[path = "oracle/generate.rs"]
mod generate;
mod oracle;
#[path = "oracle/registers.rs"]
mod registers;

use generate::{any_shape, mutated, rng, valid};
use oracle::{kv_is_linearizable, register_is_linearizable};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registers::{guessed, unique};
use std::collections::BTreeMap;
use stormglass_check::model::{CasRegister, Kv, KvOp, KvRet, Model, RegisterOp, RegisterRet};
use stormglass_check::{Budget, Engine, History, Online, Operation, Outcome, Verdict, linearizability_by, replay};

/// Counts what was compared, so that a gate through which nothing passes is seen.
#[derive(Default, Debug)]
struct Tally {
    passes: usize,
    failures: usize,
    unknown: usize,
}

impl Tally {
    fn compare<M: Model>(
        &mut self,
        engine: Engine,
        model: &M,
        history: &History<M::Op, M::Ret>,
        expected: bool,
        name: &str,
    ) {
        let found = linearizability_by(engine, model, history, Budget::default());
        match &found.verdict {
            Verdict::Pass => {
                assert!(expected, "{engine:?}, {name}: passed, but no order exists:\n{history:#?}");
                let certificate = found.certificate.expect("a pass has a certificate");
                replay(model, history, &certificate).unwrap_or_else(|error| panic!("{name}: {error}\n{history:#?}"));
                self.passes += 1;
            }
            Verdict::Fail(evidence) => {
                assert!(!expected, "{engine:?}, {name}: failed, but an order exists:\n{evidence}\n{history:#?}");
                assert!(!evidence.operations.is_empty(), "{name}");
                self.failures += 1;
            }
            Verdict::Unknown(undecided) => {
                let may = matches!(engine, Engine::Monitor | Engine::Narrow(_));
                let honest = !undecided.limit.to_string().contains("trust");
                assert!(may && honest, "{engine:?}, {name}: {undecided}\n{history:#?}");
                self.unknown += 1;
            }
        }
    }
}

const ENGINES: [Engine; 6] =
    [Engine::Portfolio, Engine::DepthFirst, Engine::Frontier, Engine::Narrow(1), Engine::Narrow(3), Engine::Monitor];

#[test]
fn every_engine_judges_twenty_thousand_maps_as_brute_force_does() {
    let mut tallies: Vec<Tally> = ENGINES.iter().map(|_| Tally::default()).collect();
    for seed in 0..10_000 {
        let mut rng = rng(seed ^ 0xe61e);
        let shape = any_shape(&mut rng);
        let history = valid(&mut rng, &shape);
        let broken = mutated(&mut rng, &shape, &history);
        for (history, kind) in [(&history, "valid"), (&broken, "mutated")] {
            let expected = kv_is_linearizable(history);
            for (engine, tally) in ENGINES.into_iter().zip(&mut tallies) {
                tally.compare(engine, &Kv::default(), history, expected, &format!("seed {seed}, {kind}"));
            }
        }
    }
    for (engine, tally) in ENGINES.into_iter().zip(&tallies) {
        let sure = matches!(engine, Engine::Portfolio | Engine::DepthFirst | Engine::Frontier);
        if sure {
            assert_eq!(tally.passes + tally.failures, 20_000, "{engine:?}: {tally:?}");
        }
        assert!(tally.passes > 2_000 && tally.failures > 300, "{engine:?} is one-sided: {tally:?}");
        eprintln!("{engine:?}: {tally:?}");
    }
}

#[test]
fn every_engine_judges_twenty_thousand_registers_as_brute_force_does() {
    let mut tallies: Vec<Tally> = ENGINES.iter().map(|_| Tally::default()).collect();
    for seed in 0..20_000 {
        let mut rng = rng(seed ^ 0xca50);
        let history = guessed(&mut rng);
        let expected = register_is_linearizable(&history);
        for (engine, tally) in ENGINES.into_iter().zip(&mut tallies) {
            tally.compare(engine, &CasRegister::default(), &history, expected, &format!("seed {seed}"));
        }
    }
    for (engine, tally) in ENGINES.into_iter().zip(&tallies) {
        let narrow = matches!(engine, Engine::Monitor);
        assert!(narrow || (tally.passes > 2_000 && tally.failures > 2_000), "{engine:?} is one-sided: {tally:?}");
        eprintln!("{engine:?}: {tally:?}");
    }
}

/// The history as it was known at the instant `cut`: what returned later had not, and what was called later was not.
fn known_at(history: &History<RegisterOp, RegisterRet>, cut: u64) -> History<RegisterOp, RegisterRet> {
    let mut known = History::new();
    for operation in history.operations().iter().filter(|operation| operation.call <= cut) {
        let mut operation = operation.clone();
        if operation.returned.is_some_and(|returned| returned > cut) && operation.outcome != Outcome::Fail {
            (operation.returned, operation.outcome) = (None, Outcome::Indeterminate);
        }
        known.push(operation).expect("the beginning of a history is one");
    }
    known
}

/// Evidence ends with the first return that nothing explains: by that instant there is no order, and just before there is.
#[test]
fn evidence_of_twenty_thousand_registers_ends_where_brute_force_says() {
    for engine in [Engine::DepthFirst, Engine::Frontier] {
        let (mut seen, mut revoked) = (0, 0);
        for seed in 0..20_000 {
            let history = guessed(&mut rng(seed ^ 0xe71d));
            let Verdict::Fail(evidence) =
                linearizability_by(engine, &CasRegister::default(), &history, Budget::default()).verdict
            else {
                continue;
            };
            // Where an answer took back what its operation might have done, nothing of what is left returned then.
            let end =
                evidence.dead_end.unwrap_or_else(|| panic!("{engine:?}, seed {seed}: there is an order\n{history:#?}"));
            let Some(misfit) = end.misfit else {
                revoked += 1;
                continue;
            };
            let at = history.operations()[misfit as usize].returned.expect("it was answered");
            assert!(
                !register_is_linearizable(&known_at(&history, at)),
                "{engine:?}, seed {seed}: too early\n{history:#?}"
            );
            if let Some(before) = at.checked_sub(1) {
                let known = known_at(&history, before);
                assert!(register_is_linearizable(&known), "{engine:?}, seed {seed}: too late\n{history:#?}");
            }
            seen += 1;
        }
        assert!(seen > 1_000 && seen > revoked, "{engine:?}: {seen} failures, and {revoked} that were taken back");
    }
}

/// Two ways to one state, of which each leaves the other for later: neither makes the other superfluous, though both used
/// one operation of unknown outcome.
#[test]
fn what_was_used_is_compared_kind_by_kind() {
    let value = |text: &str| Some(stormglass_check::model::Bytes::from(text));
    let write = RegisterOp::Write(value("1"));
    let swap = RegisterOp::Cas { from: None, to: value("1") };
    for unknown in [[write.clone(), swap.clone()], [swap, write]] {
        let mut history: History<RegisterOp, RegisterRet> = History::new();
        for (process, op) in (0u32..).zip(unknown) {
            history.invoke(process, 1, op);
        }
        let read = || (RegisterOp::Read, RegisterRet::Value(value("1")));
        let rest = [read(), (RegisterOp::Write(value("2")), RegisterRet::Written), read()];
        for (at, (op, ret)) in (1u64..).zip(rest) {
            let id = history.invoke(9u32, at * 10, op);
            history.ok(id, at * 10 + 5, ret).expect("it was just invoked");
        }
        assert!(register_is_linearizable(&history));
        for engine in [Engine::Portfolio, Engine::DepthFirst, Engine::Frontier] {
            let found = linearizability_by(engine, &CasRegister::default(), &history, Budget::default()).verdict;
            assert!(found.is_pass(), "{engine:?}: {found}");
        }
    }
}

/// Every value is written once: the histories that zones decide, touching instants and unknown outcomes included.
#[test]
fn zones_judge_twenty_thousand_registers_of_unique_values_as_brute_force_does() {
    let mut tally = Tally::default();
    for seed in 0..24_000 {
        let mut rng = rng(seed ^ 0x20e5);
        let history = unique(&mut rng);
        let expected = register_is_linearizable(&history);
        tally.compare(Engine::Monitor, &CasRegister::default(), &history, expected, &format!("seed {seed}"));
    }
    assert!(tally.passes > 5_000 && tally.failures > 5_000 && tally.unknown < 2_000, "{tally:?}");
}

/// The verdict at the end of a run that was followed, and never a failure before there is one.
fn followed<M: Model + Clone>(model: &M, history: &History<M::Op, M::Ret>, rng: &mut ChaCha8Rng) -> Verdict {
    let mut events: Vec<(u64, u8, usize)> = Vec::new();
    let mut order: Vec<&Operation<M::Op, M::Ret>> = history.operations().iter().collect();
    order.sort_by_key(|op| op.call);
    for (index, operation) in order.iter().enumerate() {
        // At one instant calls may be recorded before and after returns.
        let at_once = operation.returned == Some(operation.call);
        events.push((operation.call, if at_once || rng.random_ratio(1, 2) { 0 } else { 2 }, index));
        events.extend(operation.returned.map(|at| (at, 1, index)));
    }
    events.sort_unstable();
    let mut grown = History::new();
    let mut online = Online::new(model.clone());
    if rng.random_ratio(1, 2) {
        online = online.of_width(rng.random_range(1..4));
    }
    let mut ids = BTreeMap::new();
    for (at, kind, index) in events {
        let operation = order[index];
        if kind != 1 {
            ids.insert(index, grown.invoke(operation.process.clone(), at, operation.op.clone()));
        } else {
            let id = ids[&index];
            let done = match &operation.outcome {
                Outcome::Ok(ret) => grown.ok(id, at, ret.clone()),
                Outcome::Fail => grown.fail(id, at),
                Outcome::Indeterminate => grown.info(id, at),
            };
            done.expect("it was just invoked");
        }
        if rng.random_ratio(1, 2) && online.advance(&grown).expect("calls are in order").is_some() {
            break;
        }
    }
    online.finish(&grown).expect("calls are in order")
}

#[test]
fn a_check_that_follows_the_run_ends_with_the_verdict_of_brute_force() {
    let (mut passes, mut failures) = (0, 0);
    for seed in 0..12_000 {
        let mut rng = rng(seed ^ 0x0411);
        let shape = any_shape(&mut rng);
        let history = valid(&mut rng, &shape);
        let broken = mutated(&mut rng, &shape, &history);
        let register: History<RegisterOp, RegisterRet> = guessed(&mut rng);
        let map = |history: &History<KvOp, KvRet>, rng: &mut ChaCha8Rng| followed(&Kv::default(), history, rng);
        let verdicts = [
            (map(&history, &mut rng), kv_is_linearizable(&history)),
            (map(&broken, &mut rng), kv_is_linearizable(&broken)),
            (followed(&CasRegister::default(), &register, &mut rng), register_is_linearizable(&register)),
        ];
        for (verdict, expected) in verdicts {
            assert_eq!(verdict.is_pass(), expected, "seed {seed}: {verdict}\n{broken:#?}\n{register:#?}");
            if expected { passes += 1 } else { failures += 1 }
        }
    }
    assert!(passes > 12_000 && failures > 4_000, "the histories are one-sided: {passes} and {failures}");
}
