//! Processes: how much a node gets done, when it boots and as what, and what it can open.

use std::sync::Arc;

use parking_lot::Mutex;
use stormglass::faults::{graceful_stop, no_descriptors, pause, power_loss, restart, slow, starve, upgrade};
use stormglass::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use super::{demand, expect};

/// What a node tells of itself.
#[derive(Default)]
struct Told {
    /// When it booted, in microseconds, and as which version.
    boots: Vec<(u64, u32)>,
    /// Steps of a loop that never rests.
    steps: u64,
    /// When it was asked to stop, in microseconds.
    asked: Vec<u64>,
}

fn micros(sim: &Sim) -> u64 {
    u64::try_from(sim.now().as_micros()).unwrap_or(u64::MAX)
}

async fn busy(sim: Sim, told: Arc<Mutex<Told>>, version: u32) {
    told.lock().boots.push((micros(&sim), version));
    let (of_signals, clock) = (Arc::clone(&told), sim.clone());
    let mut asked = signal(SignalKind::terminate()).expect("a handler");
    let loops = async {
        loop {
            let steps = {
                let mut told = told.lock();
                told.steps += 1;
                told.steps
            };
            // A program that only ever yields is taken for one that makes no progress.
            match steps % 1_000 {
                0 => tokio::time::sleep(Duration::from_nanos(1)).await,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::select! {
        () = loops => {}
        _ = asked.recv() => of_signals.lock().asked.push(micros(&clock)),
    }
}

#[stormglass::scenario(time = "600s", tags("selftest"))]
pub(crate) async fn processes_calibrated(sim: Sim) -> Result<(), Evidence> {
    let told = Arc::new(Mutex::new(Told::default()));
    let (of_node, clock) = (Arc::clone(&told), sim.clone());
    sim.node("n", move |host| busy(clock.clone(), Arc::clone(&of_node), host.version()));
    let second = Duration::from_millis(200);
    let steps_in = |duration: Duration| {
        let (sim, told) = (sim.clone(), Arc::clone(&told));
        async move {
            let before = told.lock().steps;
            sim.sleep(duration).await;
            told.lock().steps - before
        }
    };
    let full = steps_in(second).await;
    let share = |steps: u64| steps * 1_000 / full;
    let id = sim.inject(slow("n", 10));
    expect(&sim, "slow factor=10: steps, thousandths", share(steps_in(second).await), 100, 5)?;
    sim.heal(id);
    expect(&sim, "after slow: steps, thousandths", share(steps_in(second).await), 1_000, 20)?;
    let id = sim.inject(starve("n", Duration::from_millis(20), Duration::from_millis(5)).lasting(4 * second));
    expect(&sim, "starve runs=5ms of 20ms: steps, thousandths", share(steps_in(4 * second).await) / 4, 250, 15)?;
    demand(sim.hits(id).total() > 30, || "a starved process was held back at each period".to_owned())?;
    let id = sim.inject(pause("n"));
    expect(&sim, "pause: steps", steps_in(second).await, 0, 1)?;
    sim.heal(id);
    expect(&sim, "after pause: steps, thousandths", share(steps_in(second).await), 1_000, 20)?;
    for (what, fault) in [
        ("crash", stormglass::faults::kill("n")),
        ("power-loss", power_loss("n")),
        ("graceful-stop", graceful_stop("n")),
        ("upgrade", upgrade("n", 2)),
    ] {
        let (before, boots) = (micros(&sim), told.lock().boots.len());
        sim.inject_for(fault, Duration::from_millis(700)).await;
        sim.sleep(Duration::from_millis(1)).await;
        let boots_after = told.lock().boots.clone();
        let at = boots_after.last().map_or(0, |boot| boot.0);
        expect(&sim, &format!("{what} +700ms: boots after, us"), at - before, 700_000, 200)?;
        expect(&sim, &format!("{what}: boots"), (boots_after.len() - boots) as u64, 1, 0)?;
    }
    expect(&sim, "graceful-stop, upgrade: signals", told.lock().asked.len() as u64, 2, 0)?;
    let (before, _) = (micros(&sim), sim.inject(restart("n")));
    sim.sleep(second).await;
    let last = told.lock().boots.last().copied().unwrap_or_default();
    expect(&sim, "restart: boots after, us", last.0 - before, 10_000, 200)?;
    expect(&sim, "upgrade to=2: version after a restart", last.1.into(), 2, 0)?;
    expect(&sim, "before the upgrade: version", told.lock().boots[0].1.into(), 1, 0)?;
    // It would keep the simulation busy for nothing.
    sim.inject(pause("n"));
    descriptors_run_out(&sim).await
}

/// Opens files and connections until nothing goes any more.
async fn descriptors_run_out(sim: &Sim) -> Result<(), Evidence> {
    let opened = Arc::new(Mutex::new(Vec::<Result<(), String>>::new()));
    let accepted = Arc::new(Mutex::new(Vec::<Result<(), Option<i32>>>::new()));
    let of_server = Arc::clone(&accepted);
    sim.node("server", move |_| {
        let accepted = Arc::clone(&of_server);
        async move {
            let listener = TcpListener::bind("0.0.0.0:7").await?;
            loop {
                let taken = listener.accept().await;
                let starved = taken.is_err();
                accepted.lock().push(taken.map(|_| ()).map_err(|error| error.raw_os_error()));
                if starved {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            #[allow(unreachable_code)]
            Ok::<(), std::io::Error>(())
        }
    });
    let of_client = Arc::clone(&opened);
    sim.sleep(Duration::from_millis(10)).await;
    sim.node("client", move |_| {
        let opened = Arc::clone(&of_client);
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut held = (Vec::new(), Vec::new());
            for number in 0..3 {
                let file = tokio::fs::File::create(format!("/f{number}")).await;
                opened.lock().push(file.map(|file| held.0.push(file)).map_err(|error| error.to_string()));
                let stream = TcpStream::connect("server:7").await;
                opened.lock().push(stream.map(|stream| held.1.push(stream)).map_err(|error| error.to_string()));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            let file = std::fs::File::create("/after");
            opened.lock().push(file.map(|_| ()).map_err(|error| error.to_string()));
            std::future::pending::<()>().await;
        }
    });
    sim.inject(no_descriptors("client", 3).lasting(Duration::from_secs(1)));
    sim.sleep(Duration::from_secs(3)).await;
    let seen = opened.lock().clone();
    let (done, refused): (Vec<_>, Vec<_>) = seen[..6].iter().partition(|result| result.is_ok());
    expect(sim, "no-descriptors left=3: opened of 6", done.len() as u64, 3, 0)?;
    let too_many =
        |result: &&&Result<(), String>| matches!(**result, Err(said) if said == "Too many open files (os error 24)");
    expect(sim, "no-descriptors: refused with EMFILE of 3", refused.iter().filter(too_many).count() as u64, 3, 0)?;
    demand(seen.get(6) == Some(&Ok(())), || format!("after the fault files open again: {:?}", seen.get(6)))?;
    let fault = no_descriptors("server", 0).lasting(Duration::from_secs(1));
    accepted.lock().clear();
    sim.inject(fault);
    let client = TcpStream::connect("server:7").await;
    demand(client.is_ok(), || "the kernel opens connections that nobody accepts yet".to_owned())?;
    sim.sleep(Duration::from_secs(2)).await;
    let taken = accepted.lock().clone();
    demand(taken.contains(&Err(Some(24))), || format!("accept says EMFILE: {taken:?}"))?;
    demand(taken.last() == Some(&Ok(())), || format!("and takes the connection afterwards: {taken:?}"))
}
