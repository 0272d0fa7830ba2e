//! Links: datagrams with numbers and the instants at which they left, from one node to another.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use parking_lot::Mutex;
use stormglass::faults::{
    Direction, LinkFault, Links, NameFault, Probability, block_port, impair, latency, loss, names,
};
use stormglass::faults::{bridge, flap, isolate, majority_ring, one_way, partition};
use stormglass::net::LinkOptions;
use stormglass::prelude::*;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::{mpsc, oneshot};

use super::expect;

/// What a datagram has with its headers: 20 bytes of IP and 8 of UDP.
const HEADERS: u64 = 28;
/// What each packet takes without a fault.
const BASE: Duration = Duration::from_millis(1);

/// A datagram that arrived: its number, when it left, and when it came, in nanoseconds.
type Arrival = (u64, u64, u64);

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

async fn receive(sim: Sim, arrived: Arc<Mutex<Vec<Arrival>>>) -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:9").await?;
    let mut buffer = vec![0; 2_048];
    loop {
        let len = socket.recv(&mut buffer).await?;
        let word = |at: usize| u64::from_le_bytes(buffer[at..at + 8].try_into().expect("eight bytes"));
        assert!(len >= 16, "nobody sends less");
        arrived.lock().push((word(0), word(8), nanos(sim.now())));
    }
}

/// So many datagrams of so many bytes, one after each pause, to a node.
struct Burst {
    count: u64,
    bytes: usize,
    pause: Duration,
    done: oneshot::Sender<()>,
}

async fn send(sim: Sim, bursts: Arc<tokio::sync::Mutex<mpsc::Receiver<Burst>>>) -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    // A name is looked up once; what faults of names do is measured by itself.
    let to = lookup_host("b:9").await?.next().ok_or(ErrorKind::NotFound)?;
    let mut bursts = bursts.lock().await;
    while let Some(burst) = bursts.recv().await {
        let mut datagram = vec![0; burst.bytes];
        for number in 0..burst.count {
            datagram[..8].copy_from_slice(&number.to_le_bytes());
            datagram[8..16].copy_from_slice(&nanos(sim.now()).to_le_bytes());
            socket.send_to(&datagram, to).await?;
            tokio::time::sleep(burst.pause).await;
        }
        let _ = burst.done.send(());
    }
    std::future::pending().await
}

struct Wire {
    sim: Sim,
    bursts: mpsc::Sender<Burst>,
    arrived: Arc<Mutex<Vec<Arrival>>>,
}

impl Wire {
    /// What arrives of a burst while a fault is on.
    async fn through(&self, fault: Fault, count: u64, bytes: usize, pause: Duration) -> Vec<Arrival> {
        self.arrived.lock().clear();
        let id = self.sim.inject(fault);
        let (done, sent) = oneshot::channel();
        let burst = Burst { count, bytes, pause, done };
        assert!(self.bursts.send(burst).await.is_ok(), "the sender is there");
        sent.await.expect("the sender says when");
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.sim.heal(id);
        std::mem::take(&mut *self.arrived.lock())
    }
}

fn percent(text: &str) -> Probability {
    text.parse().expect("a probability")
}

#[stormglass::scenario(time = "600s", tags("selftest"))]
pub(crate) async fn links_calibrated(sim: Sim) -> Result<(), Evidence> {
    sim.set_links(LinkOptions::constant(BASE));
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let (of_b, clock) = (Arc::clone(&arrived), sim.clone());
    sim.node("b", move |_| receive(clock.clone(), Arc::clone(&of_b)));
    let (bursts, taken) = mpsc::channel(1);
    let (taken, clock) = (Arc::new(tokio::sync::Mutex::new(taken)), sim.clone());
    sim.sleep(Duration::from_millis(10)).await;
    sim.node("a", move |_| send(clock.clone(), Arc::clone(&taken)));
    let wire = Wire { sim: sim.clone(), bursts, arrived };
    let there = || Links::one_way("a", "b");
    let ms = Duration::from_millis;
    let late = |arrival: &Arrival| arrival.2 - arrival.1 - nanos(BASE);

    let seen = wire.through(latency(Links::one_way("a", "b"), ms(200)), 1_000, 100, ms(1)).await;
    expect(
        &sim,
        "latency-spike extra=200ms: least delay, us",
        seen.iter().map(late).min().unwrap_or(0) / 1_000,
        200_000,
        200,
    )?;
    // The verb's jitter is a tenth of the extra: uniform from 0 to 20 ms.
    let mean = seen.iter().map(late).sum::<u64>() / seen.len().max(1) as u64;
    expect(&sim, "latency-spike jitter=20ms: mean delay, us", mean / 1_000, 210_000, 800)?;

    let seen = wire.through(loss(there(), percent("10%")), 10_000, 100, ms(1)).await;
    expect(&sim, "loss probability=10%: lost of 10000", 10_000 - seen.len() as u64, 1_000, 120)?;

    let seen = wire.through(impair(there(), LinkFault::Duplication(percent("20%"))), 10_000, 100, ms(1)).await;
    expect(&sim, "duplication probability=20%: copies of 10000", seen.len() as u64 - 10_000, 2_000, 160)?;

    let seen = wire.through(impair(there(), LinkFault::Corruption(percent("5%"))), 10_000, 100, ms(1)).await;
    expect(&sim, "corruption probability=5%: discarded of 10000", 10_000 - seen.len() as u64, 500, 90)?;

    let fault = impair(there(), LinkFault::Reordering { probability: percent("10%"), by: ms(5) });
    let seen = wire.through(fault, 10_000, 100, ms(1)).await;
    let overtaken = seen.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
    let held: Vec<u64> = seen.iter().map(late).filter(|late| *late > 1_000_000).collect();
    expect(&sim, "reordering probability=10%: held back of 10000", held.len() as u64, 1_000, 120)?;
    expect(&sim, "reordering by=5ms: held back by, us", held.iter().max().copied().unwrap_or(0) / 1_000, 5_000, 50)?;
    expect(&sim, "reordering: overtaken of 10000", overtaken as u64, 1_000, 250)?;

    // 300 datagrams of 1,000 bytes with their headers, at once; 100 KB pass in a second.
    let bytes = 1_000 - HEADERS as usize;
    let narrow = LinkFault::Bandwidth { rate: 100_000, queue: 1 << 20 };
    let seen = wire.through(impair(there(), narrow), 300, bytes, Duration::from_nanos(1)).await;
    let last = seen.iter().map(late).max().unwrap_or(0);
    expect(&sim, "bandwidth rate=100000: 300 KB take, us", last / 1_000, 3_000_000, 20_000)?;
    let narrow = LinkFault::Bandwidth { rate: 100_000, queue: 10_000 };
    let seen = wire.through(impair(there(), narrow), 300, bytes, Duration::from_nanos(1)).await;
    expect(&sim, "bandwidth queue=10000: packets of 1000 bytes that pass at once", seen.len() as u64, 10, 2)?;

    let seen = wire.through(isolate("a", ["b"]), 1_000, 100, ms(1)).await;
    expect(&sim, "isolate-one: arrived of 1000", seen.len() as u64, 0, 0)?;
    let seen = wire.through(one_way("b", "a"), 1_000, 100, ms(1)).await;
    expect(&sim, "one-way of the other direction: arrived of 1000", seen.len() as u64, 1_000, 0)?;
    cuts_of_shapes(&sim, &wire).await?;
    let udp = Fault::new(stormglass::faults::Action::PortBlock {
        node: "b".into(),
        port: 9,
        protocol: stormglass::faults::Protocol::Udp,
        direction: Direction::In,
    });
    let seen = wire.through(udp, 1_000, 100, ms(1)).await;
    expect(&sim, "port-block udp/9 in: arrived of 1000", seen.len() as u64, 0, 0)?;
    let seen = wire.through(block_port("b", 9, Direction::In), 1_000, 100, ms(1)).await;
    expect(&sim, "port-block tcp/9 in: datagrams arrived of 1000", seen.len() as u64, 1_000, 0)?;
    names_mislead(&sim).await
}

/// Cuts of many shapes, as the link from `a` to `b` feels them.
async fn cuts_of_shapes(sim: &Sim, wire: &Wire) -> Result<(), Evidence> {
    let ms = Duration::from_millis;
    for other in ["c", "d"] {
        sim.node(other, |_| std::future::pending::<()>());
    }
    // In a ring of four each one hears its two neighbours, and not the node opposite.
    let shapes = [
        ("partition-halves: arrived of 1000", partition(["a", "c"], ["b", "d"]), 0),
        ("partition-halves, on one side: arrived of 1000", partition(["a", "b"], ["c", "d"]), 1_000),
        ("bridge, from side to side: arrived of 1000", bridge("c", ["a"], ["b", "d"]), 0),
        ("bridge, from the bridge: arrived of 1000", bridge("a", ["b"], ["c", "d"]), 1_000),
        ("majority-ring, opposite: arrived of 1000", majority_ring(["a", "c", "b", "d"]), 0),
        ("majority-ring, beside: arrived of 1000", majority_ring(["a", "b", "c", "d"]), 1_000),
    ];
    for (what, fault, arrive) in shapes {
        let seen = wire.through(fault, 1_000, 100, ms(1)).await;
        expect(sim, what, seen.len() as u64, arrive, 0)?;
    }
    let fault = flap(["a"], ["b"], ms(50), ms(150)).lasting(ms(2_000));
    let seen = wire.through(fault, 1_000, 100, ms(1)).await;
    // Of each cycle what left in the 50 ms of the cut, and the millisecond's worth under way when it began.
    expect(sim, "flap cut=50ms healed=150ms: arrived of 1000", seen.len() as u64, 750, 10)
}

/// What a node is told when it asks for names.
async fn names_mislead(sim: &Sim) -> Result<(), Evidence> {
    let (ask, questions) = mpsc::channel::<oneshot::Sender<String>>(1);
    let questions = Arc::new(tokio::sync::Mutex::new(questions));
    sim.node("asker", move |_| {
        let questions = Arc::clone(&questions);
        async move {
            let mut questions = questions.lock().await;
            while let Some(reply) = questions.recv().await {
                let told = match lookup_host("b:9").await {
                    Ok(mut addresses) => addresses.next().map(|address| address.ip().to_string()).unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                let _ = reply.send(told);
            }
        }
    });
    let told = || async {
        let (reply, told) = oneshot::channel();
        ask.send(reply).await.expect("the asker is there");
        told.await.expect("the asker tells")
    };
    let right = told().await;
    let stale = NameFault::Stale { name: "b".into(), answer: "a".into() };
    for (fault, wanted) in [
        (NameFault::Silent, "failed to lookup address information: Temporary failure in name resolution".to_owned()),
        (NameFault::Unknown, "failed to lookup address information: Name or service not known".to_owned()),
        (
            stale,
            lookup_host("a:9").await.ok().and_then(|mut all| all.next()).map_or(String::new(), |a| a.ip().to_string()),
        ),
    ] {
        let what = fault.kind();
        let id = sim.inject(names("asker", fault));
        let told_now = told().await;
        if !told_now.starts_with(&wanted) {
            return Err(Evidence::new("calibration", format!("{what}: told `{told_now}`, not `{wanted}`")));
        }
        sim.heal(id);
        expect(sim, &format!("{what}: answers that misled"), sim.hits(id).total(), 1, 0)?;
        if told().await != right {
            return Err(Evidence::new("calibration", format!("{what} outlives its end")));
        }
    }
    // Whoever was not named is told the truth.
    let seen: BTreeSet<String> = [told().await].into();
    (seen == [right].into()).then_some(()).ok_or_else(|| Evidence::new("calibration", "names stay wrong"))
}
