//! A storm: random deliveries, losses, copies, reorderings, crashes, slow disks and snapshots on a [`Model`], all
//! drawn from one seed, and then calm, in which the cluster must converge.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{Model, NodeId, id};

/// How many steps a storm has.
pub const STEPS: u32 = 1500;

/// Runs the storm of this seed.
pub fn storm(seed: u64) -> Result<Model, String> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let size = if rng.random_bool(0.5) { 3 } else { 5 };
    let mut model = Model::new(size, seed);
    model.synced = rng.random_bool(0.3);
    // Swarm: each storm has its own mix.
    let (loss, copies, reorder) = (rng.random_range(0.0..0.1), rng.random_range(0.0..0.1), rng.random_range(0.0..0.5));
    let (crashes, cuts, snapshots) =
        (rng.random_range(0.0..0.02), rng.random_range(0.0..0.02), rng.random_range(0.0..0.02));
    let leaders = rng.random_bool(0.5);
    let pace = rng.random_range(1..150u64);
    for step in 0..STEPS {
        let node = id(rng.random_range(1..=size));
        if rng.random_bool(crashes) {
            // Leaders are worth crashing more than others.
            let target = model.leader().filter(|_| leaders).unwrap_or(node);
            turn(&mut model, target);
        } else if rng.random_bool(crashes * 2.0) && model.nodes[&node].raft.is_none() {
            turn(&mut model, node);
        } else if rng.random_bool(cuts) {
            cut(&mut model, &mut rng, node, size)?;
        } else if rng.random_bool(snapshots) {
            model.snapshot(node)?;
        } else {
            match rng.random_range(0..10) {
                0 => {
                    model.now += Duration::from_millis(rng.random_range(1..=pace));
                    for node in 1..=size {
                        model.act(id(node), |raft, now| {
                            if raft.deadline().is_some_and(|deadline| now >= deadline) {
                                raft.tick(now);
                            }
                        })?;
                    }
                }
                1 => {
                    model.propose(node, &format!("{step}"))?;
                }
                2 => {
                    model.read(node)?;
                }
                3 => model.sync(node)?,
                _ => deliver(&mut model, &mut rng, (loss, copies, reorder))?,
            }
        }
    }
    calm(&mut model, size)?;
    Ok(model)
}

/// Crashes a node that runs, starts one that does not.
fn turn(model: &mut Model, node: NodeId) {
    if model.nodes[&node].raft.is_some() {
        model.crash(node);
    } else {
        model.start(node);
    }
}

fn cut(model: &mut Model, rng: &mut Xoshiro256PlusPlus, node: NodeId, size: u64) -> Result<(), String> {
    match rng.random_range(0..3) {
        0 => {
            model.cut.insert((node, id(rng.random_range(1..=size))));
            Ok(())
        }
        1 => {
            model.isolate(node);
            Ok(())
        }
        _ => model.heal(),
    }
}

fn deliver(
    model: &mut Model,
    rng: &mut Xoshiro256PlusPlus,
    (loss, copies, reorder): (f64, f64, f64),
) -> Result<(), String> {
    if model.wire.is_empty() {
        return Ok(());
    }
    let at = if rng.random_bool(reorder) { rng.random_range(0..model.wire.len()) } else { 0 };
    if rng.random_bool(loss) {
        model.wire.remove(at);
        return Ok(());
    }
    if rng.random_bool(copies) {
        let copy = model.wire[at].clone();
        model.wire.push_back(copy);
    }
    model.deliver(at)
}

fn calm(model: &mut Model, size: u64) -> Result<(), String> {
    model.synced = true;
    for node in 1..=size {
        if model.nodes[&id(node)].raft.is_none() {
            model.start(id(node));
        }
        while model.nodes[&id(node)].has_writes() {
            model.sync(id(node))?;
        }
    }
    model.heal()?;
    model.run(Duration::from_secs(5))?;
    let leader = model.leader().ok_or("no leader within 5 s of calm")?;
    model.propose(leader, "last")?;
    model.run(Duration::from_secs(2))?;
    if model.converged() { Ok(()) } else { Err("the nodes did not converge within 7 s of calm".to_owned()) }
}
