//! What happens when ephemeral ports run out: on real sockets, in a network namespace of its own with twenty of them, and in
//! a simulation with as few. The answers must be equal.
#![cfg(target_os = "linux")]

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use stormglass_kernel::{Options, Simulation};
use stormglass_net::Net;
use stormglass_tokio as tokio;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

const FIRST: u16 = 40_000;
const LAST: u16 = 40_019;

/// Set for the process that runs within the namespace.
const INSIDE: &str = "STORMGLASS_FEW_PORTS";

fn on(last: u8, port: u16) -> SocketAddr {
    ([127, 0, 0, last], port).into()
}

/// Repeats `make` until it fails, and says how often it did not and why it did; and what it made.
async fn until_it_fails<T, F: Future<Output = io::Result<T>>>(mut make: impl FnMut() -> F) -> (String, Vec<T>) {
    let mut made = Vec::new();
    loop {
        match make().await {
            Ok(one) => made.push(one),
            Err(error) => return (format!("{} {:?} {:?}", made.len(), error.kind(), error.raw_os_error()), made),
        }
    }
}

fn text<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?} {:?}", error.kind(), error.raw_os_error()), |_| "ok".to_owned())
}

async fn connect_from(local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(local)?;
    socket.connect(to).await
}

async fn answers() -> Vec<String> {
    let mut seen = Vec::new();
    let mut see = |what: &str, answer: String| seen.push(format!("{what}: {answer}"));
    {
        let (answer, mut made) = until_it_fails(|| TcpListener::bind(on(1, 0))).await;
        see("listeners on an address", answer);
        see("a listener on another address", text(TcpListener::bind(on(2, 0)).await));
        see("a listener on every address", text(TcpListener::bind("0.0.0.0:0").await));
        see("a connection when all are bound", text(TcpStream::connect(made[0].local_addr().expect("bound")).await));
        let port = made.pop().expect("twenty").local_addr().expect("bound").port();
        let again = TcpListener::bind(on(1, 0)).await;
        see(
            "what was freed is given again",
            (again.and_then(|l| l.local_addr()).ok() == Some(on(1, port))).to_string(),
        );
    }
    {
        let (one, two) = (TcpListener::bind(on(1, 80)).await, TcpListener::bind(on(1, 81)).await);
        let (one, two) = (one.expect("a free port"), two.expect("a free port"));
        let to = one.local_addr().expect("bound");
        let (answer, made) = until_it_fails(|| async {
            let stream = TcpStream::connect(to).await?;
            Ok((one.accept().await?, stream))
        })
        .await;
        see("connections to an address", answer);
        see("a connection to another port", text(TcpStream::connect(two.local_addr().expect("bound")).await));
        see("a connection from an address of its own", text(connect_from(on(3, 0), to).await));
        see("a listener beside connections", text(TcpListener::bind(on(1, 0)).await));
        // Reset, so that nothing waits for a minute.
        for ((accepted, _), stream) in made {
            stream.set_zero_linger().expect("open");
            drop((stream, accepted));
        }
        // What a task does to its sockets is done at the end of its poll.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        see("a connection when they are gone", text(TcpStream::connect(to).await));
    }
    {
        let (answer, made) = until_it_fails(|| UdpSocket::bind(on(1, 0))).await;
        see("datagram sockets on an address", answer);
        see("a datagram socket on another address", text(UdpSocket::bind(on(2, 0)).await));
        see("a datagram socket on every address", text(UdpSocket::bind("0.0.0.0:0").await));
        let mut ports: Vec<u16> = made.iter().filter_map(|socket| Some(socket.local_addr().ok()?.port())).collect();
        ports.sort_unstable();
        see("ports of datagram sockets", format!("{ports:?}"));
    }
    seen
}

/// The answers of real sockets; `None`, said aloud, where no namespace can be made.
fn really() -> Option<Vec<String>> {
    let within = format!(
        "ip link set lo up && echo {FIRST} {LAST} > /proc/sys/net/ipv4/ip_local_port_range && exec \"$0\" \"$@\""
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", &within])
        .arg(std::env::current_exe().expect("a running binary has a path"))
        .args(["within_the_namespace", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output();
    let (text, problem) = match output {
        Ok(output) => {
            (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
        }
        Err(error) => (String::new(), error.to_string()),
    };
    let answers: Vec<String> = text.lines().filter_map(|line| Some(line.strip_prefix("seen ")?.to_owned())).collect();
    if answers.is_empty() {
        let _ = writeln!(io::stderr(), "no network namespace here: running out of ports was NOT compared: {problem}");
        return None;
    }
    Some(answers)
}

/// Does nothing, unless it is started by the test below.
#[test]
fn within_the_namespace() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let runtime = real_tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for answer in runtime.block_on(answers()) {
        println!("seen {answer}");
    }
}

fn simulated(seed: u64) -> Vec<String> {
    let mut simulation = Simulation::new(Options::new(seed));
    let mut net = Net::default();
    net.set_ephemeral_ports(&(FIRST..=LAST));
    simulation.universe().insert(net);
    let report = simulation.run(answers());
    assert!(report.outcome.is_ok(), "{:?} {:?}", report.outcome, report.waiting);
    report.outcome.expect("checked above")
}

#[test]
fn ports_run_out_as_real_ones_do() {
    let first = simulated(0);
    assert_eq!(first[0], "listeners on an address: 20 AddrInUse Some(98)");
    for seed in 1..10 {
        assert_eq!(simulated(seed), first, "seed {seed}");
    }
    if let Some(real) = really() {
        assert_eq!(first, real);
    }
}
