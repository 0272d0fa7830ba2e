//! Memory: who is killed for want of it and when, and which allocations fail.

use std::sync::Arc;

use parking_lot::Mutex;
use stormglass::faults::{counter, failing_allocations, kill, no_memory};
use stormglass::prelude::*;

use super::{demand, expect};

/// Bytes of each allocation.
const BLOCK: usize = 10_000;

/// What a node tells of itself.
#[derive(Default)]
struct Told {
    /// When it booted, in microseconds.
    boots: Vec<u64>,
    /// What it had allocated when it was last polled.
    bytes: u64,
    /// Whether a collection grew, by its size.
    grew: Vec<(usize, bool)>,
}

fn micros(sim: &Sim) -> u64 {
    u64::try_from(sim.now().as_micros()).unwrap_or(u64::MAX)
}

/// Allocates a block, and tries to grow a small collection or a large one.
fn bite(told: &mut Told) {
    let block = std::hint::black_box(Vec::<u8>::with_capacity(BLOCK));
    told.bytes += block.capacity() as u64;
    if told.grew.len() < told.grew.capacity() {
        let size = if told.grew.len().is_multiple_of(2) { 1_000 } else { 2_000_000 };
        let grown = std::hint::black_box(Vec::<u8>::new()).try_reserve(size).is_ok();
        told.grew.push((size, grown));
    }
}

async fn hungry(sim: Sim, told: Arc<Mutex<Told>>) {
    told.lock().boots.push(micros(&sim));
    loop {
        bite(&mut told.lock());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[stormglass::scenario(time = "600s", tags("selftest"))]
pub(crate) async fn memory_calibrated(sim: Sim) -> Result<(), Evidence> {
    let told = Arc::new(Mutex::new(Told { boots: Vec::with_capacity(100), ..Told::default() }));
    let (of_node, clock) = (Arc::clone(&told), sim.clone());
    sim.node("n", move |_| hungry(clock.clone(), Arc::clone(&of_node)));
    sim.node("other", |_| async { std::future::pending::<()>().await });
    sim.sleep(Duration::from_millis(100)).await;

    told.lock().bytes = 0;
    let (begun, id) = (micros(&sim), sim.inject(no_memory("n", 100_000).lasting(Duration::from_secs(1))));
    sim.sleep(Duration::from_millis(500)).await;
    // A block is counted by the program after it was granted; timers take a few bytes of their own.
    expect(&sim, "no-memory left=100000: bytes allocated until the kill", told.lock().bytes, 100_000, BLOCK as u64)?;
    expect(&sim, "no-memory: killed", sim.hits(id).get(counter::OUT_OF_MEMORY), 1, 0)?;
    expect(&sim, "no-memory: boots while it lasts", told.lock().boots.len() as u64, 1, 0)?;
    sim.sleep(Duration::from_millis(600)).await;
    let boots = told.lock().boots.clone();
    expect(&sim, "no-memory +1s: boots after, us", boots.last().copied().unwrap_or(0) - begun, 1_000_000, 200)?;
    demand(told.lock().bytes > 500_000, || "after it memory is there again".to_owned())?;

    // A new process has all that is left to itself.
    told.lock().bytes = 0;
    let id = sim.inject(no_memory("n", 100_000).lasting(Duration::from_secs(1)));
    sim.sleep(Duration::from_millis(5)).await;
    sim.inject(kill("n").lasting(Duration::from_millis(10)));
    sim.sleep(Duration::from_millis(500)).await;
    expect(&sim, "no-memory, a kill after 5 blocks: bytes allocated", told.lock().bytes, 150_000, 2 * BLOCK as u64)?;
    expect(&sim, "no-memory, a kill beside: killed for want", sim.hits(id).get(counter::OUT_OF_MEMORY), 1, 0)?;
    sim.sleep(Duration::from_secs(1)).await;

    // Two faults at once: each counts for itself, and the one that has run out first is the one that killed.
    told.lock().bytes = 0;
    let long = sim.inject(no_memory("n", 100_000).lasting(Duration::from_secs(1)));
    sim.sleep(Duration::from_micros(4_500)).await;
    let generous = sim.inject(no_memory("n", 200_000).lasting(Duration::from_secs(1)));
    sim.sleep(Duration::from_millis(500)).await;
    expect(&sim, "no-memory twice: bytes allocated until the kill", told.lock().bytes, 100_000, BLOCK as u64)?;
    expect(&sim, "no-memory twice: killed by the first", sim.hits(long).get(counter::OUT_OF_MEMORY), 1, 0)?;
    expect(&sim, "no-memory twice: killed by the second", sim.hits(generous).get(counter::OUT_OF_MEMORY), 0, 0)?;
    sim.sleep(Duration::from_secs(2)).await;

    let boots = told.lock().boots.len();
    told.lock().grew = Vec::with_capacity(200);
    let id = sim.inject(failing_allocations("n", 1_000_000).lasting(Duration::from_secs(1)));
    sim.sleep(Duration::from_secs(2)).await;
    let grew = told.lock().grew.clone();
    let failed = |size| grew.iter().filter(|(of, grew)| *of == size && !grew).count() as u64;
    demand(grew.len() == 200, || format!("{} of 200", grew.len()))?;
    expect(&sim, "no-memory refuses=1000000: failures of 100 at 2,000,000 bytes", failed(2_000_000), 100, 0)?;
    expect(&sim, "no-memory refuses=1000000: failures of 100 at 1,000 bytes", failed(1_000), 0, 0)?;
    expect(&sim, "no-memory refuses=1000000: hits", sim.hits(id).get(counter::ALLOCATIONS_REFUSED), 100, 0)?;
    demand(told.lock().boots.len() == boots, || "nobody is killed for it".to_owned())
}
