//! The scenario that an animal lives in: a node of its own, and a neighbour that may live the same life before it.

use std::time::Duration;

use stormglass::prelude::*;

use crate::animals;

/// Names the animal.
pub(crate) const ANIMAL: &str = "animal";
/// When there, the neighbour lives the animal's life three times before the animal does: at its boot, and twice in the
/// millisecond in which the animal begins.
pub(crate) const NEIGHBOUR: &str = "neighbour";

/// When the animal begins: in the midst of a millisecond.
const AWAKE: Duration = Duration::from_micros(1_000_500);

/// A node that runs the animal `--param animal=NAME` twice and notes what it saw.
#[stormglass::scenario(time = "10s", tags("zoo"))]
pub(crate) async fn zoo(sim: Sim) {
    let name = sim.param(ANIMAL).unwrap_or_default().to_owned();
    let Some(animal) = animals().find(|animal| animal.name == name) else {
        let all: Vec<_> = animals().map(|animal| animal.name).collect();
        sim.refuse_run(format!("no animal `{name}`"), &format!("--param animal= one of {}", all.join(", ")));
        return;
    };
    let live = animal.live;
    let has_neighbour = sim.param(NEIGHBOUR).is_some();
    sim.node("neighbour", move |_| async move {
        let shortly_before = tokio::time::Instant::now() + AWAKE - Duration::from_micros(100);
        if has_neighbour {
            let _ = live().await;
        }
        tokio::time::sleep_until(shortly_before).await;
        for _ in 0..if has_neighbour { 2 } else { 0 } {
            let _ = live().await;
        }
        std::future::pending::<()>().await;
    });
    let notes = sim.clone();
    sim.node("animal", move |_| {
        let sim = notes.clone();
        async move {
            tokio::time::sleep(AWAKE).await;
            for life in 1..=2 {
                for (i, seen) in live().await.into_iter().enumerate() {
                    sim.feature(&format!("{life}.{i} {seen}"));
                }
            }
            sim.feature("lived");
            std::future::pending::<()>().await;
        }
    });
    sim.sleep(Duration::from_secs(5)).await;
}

/// Notes which parts of this process may be executed, as `/proc/self/maps` says.
#[stormglass::scenario(time = "1s", tags("zoo"))]
pub(crate) async fn code(sim: Sim) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter(|line| line.contains(" r-xp ")).for_each(|line| sim.feature(line));
}
