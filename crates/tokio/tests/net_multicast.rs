//! Multicast between simulated nodes: who has joined hears it, by the link from the sender, and nobody else.
#![cfg(target_os = "linux")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use stormglass_kernel::{NodeId, Options, Simulation};
use stormglass_net::{LinkOptions, Net, ip_of};
use stormglass_tokio as tokio;
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 7, 7, 7);
const PORT: u16 = 5_353;
const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// What each node heard, and from whom.
type Heard = Rc<RefCell<BTreeMap<&'static str, Vec<(Vec<u8>, SocketAddr)>>>>;

/// Listens for three seconds.
async fn listen(name: &'static str, joins: bool, heard: Heard) {
    let socket = UdpSocket::bind((ANY, PORT)).await.expect("free");
    if joins {
        socket.join_multicast_v4(GROUP, ANY).expect("a group");
    }
    let mut buffer = [0; 64];
    while let Ok(got) = timeout(Duration::from_secs(1), socket.recv_from(&mut buffer)).await {
        let (n, from) = got.expect("nobody refuses a group");
        heard.borrow_mut().entry(name).or_default().push((buffer[..n].to_vec(), from));
        if &buffer[..n] == b"leave" && joins {
            socket.leave_multicast_v4(GROUP, ANY).expect("it has joined");
        }
    }
}

/// Runs listeners on three nodes, the third of which has not joined, and `send` on a fourth.
fn run<F>(
    seed: u64,
    links: impl Fn(&mut Net, [NodeId; 4]),
    send: fn() -> F,
) -> BTreeMap<&'static str, Vec<(Vec<u8>, SocketAddr)>>
where
    F: Future<Output = ()> + 'static,
{
    let heard = Heard::default();
    let mut simulation = Simulation::new(Options::new(seed));
    let mut add = |name| simulation.universe().kernel.add_node(name).expect("a new name");
    let nodes = ["one", "two", "deaf", "sender"].map(&mut add);
    let mut net = Net::default();
    links(&mut net, nodes);
    simulation.universe().insert(net);
    for (node, (name, joins)) in nodes.into_iter().zip([("one", true), ("two", true), ("deaf", false)]) {
        let heard = Rc::clone(&heard);
        simulation.set_program(node, Rc::new(move || Box::pin(listen(name, joins, Rc::clone(&heard)))));
    }
    simulation.set_program(
        nodes[3],
        Rc::new(move || {
            Box::pin(async move {
                sleep(Duration::from_millis(100)).await;
                send().await;
            })
        }),
    );
    let report = simulation.run(async move {
        stormglass_kernel::with(|u| nodes.into_iter().for_each(|node| _ = u.kernel.boot(node)));
        sleep(Duration::from_secs(5)).await;
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
    heard.take()
}

fn words(heard: &[(Vec<u8>, SocketAddr)]) -> Vec<String> {
    heard.iter().map(|(word, _)| String::from_utf8_lossy(word).into_owned()).collect()
}

#[test]
fn members_hear_a_group_and_nobody_else_does() {
    let heard = run(
        1,
        |_, _| {},
        || async {
            let socket = UdpSocket::bind((ANY, 0)).await.expect("free");
            socket.send_to(b"hello", (GROUP, PORT)).await.expect("room");
            socket.send_to(b"another port", (GROUP, PORT + 1)).await.expect("room");
            socket.send_to(b"another group", (Ipv4Addr::new(239, 7, 7, 8), PORT)).await.expect("room");
        },
    );
    assert_eq!(heard.keys().copied().collect::<Vec<_>>(), ["one", "two"]);
    for member in heard.values() {
        assert_eq!(words(member), ["hello"]);
        assert_eq!(member[0].1.ip(), ip_of(NodeId::from_index(4)), "it comes from the sender's own address");
    }
}

#[test]
fn who_leaves_hears_no_more() {
    let heard = run(
        2,
        |_, _| {},
        || async {
            let socket = UdpSocket::bind((ANY, 0)).await.expect("free");
            for word in [&b"before"[..], b"leave", b"after"] {
                socket.send_to(word, (GROUP, PORT)).await.expect("room");
                sleep(Duration::from_millis(100)).await;
            }
        },
    );
    assert_eq!(words(&heard["one"]), ["before", "leave"]);
}

#[test]
fn each_link_has_its_own_weather() {
    let heard = run(
        3,
        |net, [one, _, _, sender]| {
            net.set_link((sender, one), Some(LinkOptions { loss_ppm: 1_000_000, ..LinkOptions::default() }))
        },
        || async {
            let socket = UdpSocket::bind((ANY, 0)).await.expect("free");
            socket.connect((GROUP, PORT)).await.expect("a group");
            socket.send(b"hello").await.expect("room");
        },
    );
    assert_eq!(heard.keys().copied().collect::<Vec<_>>(), ["two"], "the link to the first one loses everything");
}

#[test]
fn the_senders_own_host_hears_it_unless_it_says_otherwise() {
    let mut simulation = Simulation::new(Options::new(4));
    simulation.universe().insert(Net::default());
    let report = simulation.run(async {
        let socket = UdpSocket::bind((ANY, PORT)).await.expect("free");
        socket.join_multicast_v4(GROUP, ANY).expect("a group");
        let mut buffer = [0; 8];
        for (on, ttl, hears) in [(true, 1, true), (true, 0, true), (false, 1, false)] {
            socket.set_multicast_loop_v4(on).expect("open");
            socket.set_multicast_ttl_v4(ttl).expect("open");
            socket.send_to(b"me", (GROUP, PORT)).await.expect("room");
            let heard = timeout(Duration::from_millis(50), socket.recv(&mut buffer)).await;
            assert_eq!(heard.is_ok(), hears, "loop {on}, ttl {ttl}");
        }
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
}

#[test]
fn nothing_leaves_the_host_at_a_time_to_live_of_zero() {
    let heard = run(
        5,
        |_, _| {},
        || async {
            let socket = UdpSocket::bind((ANY, 0)).await.expect("free");
            socket.set_multicast_ttl_v4(0).expect("open");
            socket.send_to(b"hello", (GROUP, PORT)).await.expect("room");
        },
    );
    assert!(heard.is_empty(), "{heard:?}");
}
