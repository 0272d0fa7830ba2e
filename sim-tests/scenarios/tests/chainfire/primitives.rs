//! The methods by which the catalogue breaks things (FM1 to FM5), each shown to do what it says.

use stormglass::faults::{Direction, block_port, graceful_stop, kill, one_way, partition, pause};
use stormglass::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::expect::{demand, hit, ms, s};

const PORT: u16 = 7;

/// A node that echoes, and writes down on its disk that it was stopped in good order.
async fn echo(host: Host) -> std::io::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::fs::write("/boots", host.boot().to_string()).await?;
    let listener = TcpListener::bind((host.name(), PORT)).await?;
    loop {
        tokio::select! {
            biased;
            _ = term.recv() => return tokio::fs::write("/stopped", b"yes").await,
            accepted = listener.accept() => {
                let (mut stream, _) = accepted?;
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        }
    }
}

async fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.map(|_| ())
}

fn say<T: std::fmt::Debug>(what: &str, seen: T) -> String {
    format!("{what}: {seen:?}")
}

/// FM1, `kill -9`: peers see the connection end within the link's latency, the page cache survives, nothing runs on.
#[stormglass::scenario(time = "30s", families("process"), tags("primitive"))]
async fn chainfire_fm1_kill(sim: Sim) -> Outcome {
    let node = sim.node("n1", echo);
    sim.sleep(ms(10)).await;
    let mut stream = TcpStream::connect(("n1", PORT)).await.map_err(|e| Evidence::new("primitive", e.to_string()))?;
    demand(ask(&mut stream).await.is_ok(), "primitive", || "no echo".to_owned())?;
    let crash = sim.inject(kill(node.name()));
    let begun = Instant::now();
    let ended = timeout(ms(100), stream.read(&mut [0; 1])).await;
    demand(matches!(ended, Ok(Ok(0) | Err(_))), "primitive", || say("a peer of the killed saw", &ended))?;
    demand(begun.elapsed() < ms(50), "primitive", || say("it took", begun.elapsed()))?;
    let refused = TcpStream::connect(("n1", PORT)).await.map(|_| ()).map_err(|e| e.kind());
    demand(refused == Err(std::io::ErrorKind::ConnectionRefused), "primitive", || say("connecting gave", refused))?;
    hit(&sim, crash)?;
    let stopped = sim.disk_file(&node, "/stopped");
    demand(stopped.is_none(), "primitive", || "kill -9 ran the handler of SIGTERM".to_owned())?;
    let boots = sim.disk_file(&node, "/boots");
    demand(boots.as_deref() == Some(b"1"), "primitive", || say("the page cache held", boots))?;
    sim.heal(crash);
    sim.sleep(ms(10)).await;
    let boots = sim.disk_file(&node, "/boots");
    demand(boots.as_deref() == Some(b"2"), "primitive", || say("after the restart it held", boots))?;
    Ok(Verdict::Pass)
}

/// FM2, SIGTERM: the handler runs, and the program ends by itself.
#[stormglass::scenario(time = "30s", families("process"), tags("primitive"))]
async fn chainfire_fm2_sigterm(sim: Sim) -> Outcome {
    let node = sim.node("n1", echo);
    sim.sleep(ms(10)).await;
    let stop = sim.inject(graceful_stop(node.name()));
    sim.sleep(ms(100)).await;
    demand(!sim.is_up(&node), "primitive", || "it is still up".to_owned())?;
    let stopped = sim.disk_file(&node, "/stopped");
    demand(stopped.as_deref() == Some(b"yes"), "primitive", || say("the handler wrote", stopped))?;
    hit(&sim, stop)?;
    Ok(Verdict::Pass)
}

/// FM3, `iptables … -j DROP` on one port in one direction: new connections get no answer, not even a refusal; another
/// port is untouched; what is sent is delivered once the filter is gone.
#[stormglass::scenario(time = "60s", families("network"), tags("primitive"))]
async fn chainfire_fm3_port_drop(sim: Sim) -> Outcome {
    let node = sim.node("n1", echo);
    sim.sleep(ms(10)).await;
    let mut open = TcpStream::connect(("n1", PORT)).await.map_err(|e| Evidence::new("primitive", e.to_string()))?;
    let block = sim.inject(block_port(node.name(), PORT, Direction::In));
    let silent = timeout(s(3), TcpStream::connect(("n1", PORT))).await;
    demand(silent.is_err(), "primitive", || "a filtered port answered".to_owned())?;
    let other = TcpStream::connect(("n1", PORT + 1)).await.map(|_| ()).map_err(|e| e.kind());
    demand(other == Err(std::io::ErrorKind::ConnectionRefused), "primitive", || say("the next port gave", other))?;
    demand(timeout(s(1), ask(&mut open)).await.is_err(), "primitive", || "an open connection got through".to_owned())?;
    hit(&sim, block)?;
    sim.heal(block);
    let mut answer = [0; 4];
    let late = timeout(s(10), open.read_exact(&mut answer)).await;
    demand(matches!(late, Ok(Ok(_))) && &answer == b"ping", "primitive", || say("after the filter", &late))?;
    Ok(Verdict::Pass)
}

/// FM4, SIGSTOP and SIGCONT: the machine still accepts connections and data, nobody answers, and everything is answered
/// after SIGCONT.
#[stormglass::scenario(time = "30s", families("process"), tags("primitive"))]
async fn chainfire_fm4_stop_and_continue(sim: Sim) -> Outcome {
    let node = sim.node("n1", echo);
    sim.sleep(ms(10)).await;
    let stop = sim.inject(pause(node.name()));
    let connected = timeout(s(1), TcpStream::connect(("n1", PORT))).await;
    let Ok(Ok(mut stream)) = connected else {
        return Err(Evidence::new("primitive", say("the stopped node's kernel did not accept", connected.is_ok())));
    };
    demand(timeout(s(2), ask(&mut stream)).await.is_err(), "primitive", || "a stopped process answered".to_owned())?;
    hit(&sim, stop)?;
    sim.heal(stop);
    let mut answer = [0; 4];
    let late = timeout(s(1), stream.read_exact(&mut answer)).await;
    demand(matches!(late, Ok(Ok(_))), "primitive", || say("after SIGCONT", &late))?;
    Ok(Verdict::Pass)
}

/// FM5, nodes cut from each other, both ways and one way: silence, then delivery after the cut is healed.
#[stormglass::scenario(time = "60s", families("network"), tags("primitive"))]
async fn chainfire_fm5_partition(sim: Sim) -> Outcome {
    let server = sim.node("n1", echo);
    let asked = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&asked);
    let client = sim.node("n2", move |_| {
        let log = std::sync::Arc::clone(&log);
        async move {
            let mut stream = TcpStream::connect(("n1", PORT)).await?;
            loop {
                ask(&mut stream).await?;
                log.lock().push(Instant::now());
                tokio::time::sleep(ms(100)).await;
            }
            #[expect(unreachable_code, reason = "names the type of the block")]
            Ok::<(), std::io::Error>(())
        }
    });
    for fault in [
        partition(server.name(), client.name()),
        one_way(server.name(), client.name()),
        one_way(client.name(), server.name()),
    ] {
        sim.sleep(s(1)).await;
        let before = asked.lock().len();
        demand(before > 0, "primitive", || "no echo before the cut".to_owned())?;
        let cut = sim.inject(fault);
        sim.sleep(ms(50)).await;
        let during = asked.lock().len();
        sim.sleep(s(2)).await;
        demand(asked.lock().len() == during, "primitive", || "an echo through the cut".to_owned())?;
        hit(&sim, cut)?;
        sim.heal(cut);
        sim.sleep(s(5)).await;
        demand(asked.lock().len() > during + 10, "primitive", || "no echo after the cut was healed".to_owned())?;
    }
    Ok(Verdict::Pass)
}
