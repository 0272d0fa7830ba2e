//! The book's tutorial, as it stands there: a counter that keeps its total on disk, and scenarios that pull the plug.

#[allow(unreachable_pub, reason = "in the tutorial this is a crate of its own")]
mod counter;

use stormglass::faults::{Kind, Profile};
use stormglass::prelude::*;
use tokio::time::timeout;

use counter::Store;

stormglass::main!();

/// In good weather the counter counts.
#[stormglass::scenario(time = "10s", tags("tutorial"))]
async fn counter_counts(sim: Sim) -> Outcome {
    sim.node("counter", |host| counter::serve(host.name().to_owned(), Store::Careful));
    sim.sleep(Duration::from_millis(10)).await;
    for expected in 1..=100 {
        let total = counter::add("counter", 1).await;
        let total = total.map_err(|error| Evidence::new("liveness", format!("no answer: {error}")))?;
        if total != expected {
            return Err(Evidence::new("counting", format!("after {expected} additions the total is {total}")));
        }
    }
    Ok(Verdict::Pass)
}

/// Power fails and processes die for twenty seconds: the total holds all that was acknowledged, and nothing that nobody
/// asked for. `--param store=careless` runs the tutorial's first version, which loses writes.
#[stormglass::scenario(time = "60s", families("process"), tags("tutorial"))]
async fn counter_survives_power_loss(sim: Sim) -> Outcome {
    let store = if sim.param("store") == Some("careless") { Store::Careless } else { Store::Careful };
    let counter = sim.node("counter", move |host| counter::serve(host.name().to_owned(), store));
    let storm = Duration::from_secs(20);
    let weather = swarm().kind(Kind::Crash).kind(Kind::PowerLoss).profile(Profile::Storm);
    sim.storm(weather.sparing(Budget::restarts_unbounded(counter.name())).until(storm));

    let (mut asked, mut acknowledged) = (0, 0);
    while sim.now() < storm {
        asked += 1;
        if let Ok(Ok(_)) = timeout(Duration::from_millis(500), counter::add("counter", 1)).await {
            acknowledged += 1;
        }
        sim.sleep(Duration::from_millis(5)).await;
    }

    let mut total = 0;
    let calm = sim.calm(Duration::from_secs(5));
    calm.until(async || match timeout(Duration::from_secs(1), counter::add("counter", 0)).await {
        Ok(Ok(answer)) => {
            total = answer;
            Convergence::reached()
        }
        Ok(Err(error)) => Convergence::pending(format!("the counter answers with an error: {error}")),
        Err(_) => Convergence::pending("the counter does not answer"),
    })
    .await?;

    sim.count("acknowledged", acknowledged);
    if total < acknowledged {
        let cause = format!("{acknowledged} additions were acknowledged, and the total is {total}");
        return Err(Evidence::new("durability", cause));
    }
    if total > asked {
        return Err(Evidence::new(
            "exactly once",
            format!("{asked} additions were asked for, and the total is {total}"),
        ));
    }
    Ok(Verdict::Pass)
}
