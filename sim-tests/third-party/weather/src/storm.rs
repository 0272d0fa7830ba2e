//! The storm: latency, loss, partitions and resets, all of them in every seed, at instants that the seed draws.

use std::time::Duration;

use stormglass::faults::{Kind, Links, Probability, latency, loss, partition, restart};
use stormglass::prelude::*;

/// How long the storm lasts.
pub const STORM: Duration = Duration::from_secs(16);

/// The storm comes in gusts. Each brings everything.
const GUST: Duration = Duration::from_secs(4);

/// How often a gust kills. A connection that is idle when its process dies is closed, and one that waits for an answer hears
/// of the end: only what is on its way to the dead is answered with a reset.
const BLOWS: u64 = 3;

/// How long a supervisor takes to restart a process.
const DOWN: Duration = Duration::from_millis(50);

/// Lets the storm loose between `services` and `clients`. In each gust some of `mortal` are killed and restarted while packets
/// are slow: their connections are then in the middle of something, and are reset.
pub(crate) fn storm(sim: &Sim, services: &[NodeName], clients: &[NodeName], mortal: &[NodeName]) {
    let all: Vec<NodeName> = services.iter().chain(clients).cloned().collect();
    for gust in 0..(STORM.as_millis() / GUST.as_millis()) as u64 {
        let begins = GUST * gust as u32;
        let draw = |what: &'static str, low, high| sim.choose(what, "gust", gust, low, high);
        let ms = |what, low, high| Duration::from_millis(draw(what, low, high));

        let slow = begins + ms("slow at", 0, 400);
        let extra = ms("slow by", 30, 200);
        sim.inject(latency(Links::among(&all), extra).at(slow).lasting(ms("slow for", 1_600, 2_000)));
        for blow in gust * BLOWS..(gust + 1) * BLOWS {
            let victim = &mortal[sim.choose("victim", "blow", blow, 0, mortal.len() as u64 - 1) as usize];
            let after = Duration::from_millis(sim.choose("killed after", "blow", blow, 300, 1_500));
            sim.inject(restart(victim).at(slow + after).lasting(DOWN));
        }
        let lost = loss(Links::among(&all), percent(draw("loss", 2, 20)));
        sim.inject(lost.at(begins + ms("loss at", 0, 2_000)).lasting(ms("loss for", 800, 1_500)));
        // Either everyone is cut off from the services, or one client is cut off from everyone.
        let alone = draw("cut", 0, clients.len() as u64) as usize;
        let cut = match clients.get(alone) {
            Some(client) => partition(client, all.iter().filter(|name| *name != client).cloned().collect::<Vec<_>>()),
            None => partition(services, clients),
        };
        sim.inject(cut.at(begins + ms("cut at", 2_000, 3_000)).lasting(ms("cut for", 300, 900)));
    }
}

fn percent(percent: u64) -> Probability {
    match Probability::from_ppm(percent as u32 * 10_000) {
        Ok(probability) => probability,
        Err(error) => unreachable!("{percent} %: {error}"),
    }
}

/// What every program goes through in every seed, by the names under which the run counts its hits.
const WEATHER: [(&str, Kind); 4] = [
    ("late packets", Kind::LatencySpike),
    ("lost packets", Kind::Loss),
    ("packets cut off", Kind::PartitionHalves),
    ("tasks killed", Kind::Restart),
];

/// Counts what the storm hit.
///
/// # Errors
/// Evidence that something of it hit nothing, or that no connection was reset.
pub(crate) fn all_hit(sim: &Sim) -> Result<(), Evidence> {
    let records = sim.fault_records();
    let hits = |kind| records.iter().filter(|fault| fault.kind == kind).map(|fault| fault.hits.total()).sum();
    let mut hits: Vec<(&str, u64)> = WEATHER.iter().map(|&(name, kind)| (name, hits(kind))).collect();
    hits.push(("resets", sim.world_counters().get("net.resets").copied().unwrap_or_default()));
    for (name, count) in hits {
        sim.count(name, count);
        if count == 0 {
            return Err(Evidence::new("non-vacuity", format!("the storm went by without {name}")));
        }
    }
    Ok(())
}
