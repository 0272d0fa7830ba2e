//! Suspension: what the clocks of a machine show that stood still, and who reaches it meanwhile.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use stormglass::faults::{ClockFault, clock, counter, suspend};
use stormglass::prelude::*;
use tokio::net::UdpSocket;

use super::{demand, expect};

/// One look at a node's clocks.
#[derive(Clone, Copy)]
struct Look {
    instant: Instant,
    wall: SystemTime,
}

/// Looks every millisecond.
async fn looks(looks: Arc<Mutex<Vec<Look>>>) {
    loop {
        looks.lock().push(Look { instant: Instant::now(), wall: SystemTime::now() });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[stormglass::scenario(time = "600s", tags("selftest"))]
pub(crate) async fn suspension_calibrated(sim: Sim) -> Result<(), Evidence> {
    let seen = Arc::new(Mutex::new(Vec::<Look>::new()));
    let heard = Arc::new(Mutex::new(0_u64));
    let (of_node, of_socket) = (Arc::clone(&seen), Arc::clone(&heard));
    sim.node("n", move |_| {
        let (seen, heard) = (Arc::clone(&of_node), Arc::clone(&of_socket));
        async move {
            let socket = UdpSocket::bind("0.0.0.0:7").await.expect("a free port");
            tokio::spawn(looks(seen));
            loop {
                let _ = socket.recv_from(&mut [0; 8]).await;
                *heard.lock() += 1;
            }
            #[allow(unreachable_code)]
            ()
        }
    });
    sim.node("sender", |_| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a free port");
        loop {
            let _ = socket.send_to(&[0], "n:7").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        #[allow(unreachable_code)]
        ()
    });
    sim.sleep(Duration::from_millis(100)).await;
    let before = *heard.lock();
    demand(before > 5, || format!("only {before} datagrams before it"))?;
    let id = sim.inject(suspend("n").lasting(Duration::from_millis(700)));
    sim.sleep(Duration::from_millis(10)).await;
    let (so_far, looked) = (*heard.lock(), seen.lock().len());
    sim.sleep(Duration::from_millis(680)).await;
    expect(&sim, "suspend: datagrams heard while it lasts", *heard.lock() - so_far, 0, 0)?;
    expect(&sim, "suspend: looks while it lasts", (seen.lock().len() - looked) as u64, 0, 0)?;
    sim.sleep(Duration::from_millis(210)).await;
    let looks = seen.lock().clone();
    let gap = |of: fn(&Look, &Look) -> Duration| {
        looks.windows(2).map(|pair| micros(of(&pair[0], &pair[1]))).max().unwrap_or(0)
    };
    let wall = gap(|one, other| other.wall.duration_since(one.wall).unwrap_or_default());
    let monotonic = gap(|one, other| other.instant - one.instant);
    expect(&sim, "suspend of 700 ms: longest step of the wall clock, us", wall, 701_000, 500)?;
    expect(&sim, "suspend of 700 ms: longest step of the monotonic clock, us", monotonic, 1_000, 500)?;
    // 20 in 200 ms; those of the 700 ms are lost.
    expect(&sim, "suspend: datagrams heard in the 200 ms after it", *heard.lock() - so_far, 20, 3)?;
    demand(sim.hits(id).get(counter::PACKETS_DROPPED) > 60, || "packets to it are lost".to_owned())?;

    // What else befalls its clocks meanwhile does not wake the monotonic one.
    seen.lock().clear();
    sim.sleep(Duration::from_millis(5)).await;
    sim.inject(suspend("n").lasting(Duration::from_millis(700)));
    sim.sleep(Duration::from_millis(100)).await;
    sim.inject(clock("n", ClockFault::Drift { ppm: 100 }).lasting(Duration::from_millis(200)));
    sim.sleep(Duration::from_millis(800)).await;
    let looks = seen.lock().clone();
    demand(looks.len() > 100, || format!("{} looks before and after it", looks.len()))?;
    let longest = looks.windows(2).map(|pair| micros(pair[1].instant - pair[0].instant)).max().unwrap_or(0);
    expect(&sim, "suspend, its clock drifts meanwhile: longest step of the monotonic clock, us", longest, 1_000, 500)
}
