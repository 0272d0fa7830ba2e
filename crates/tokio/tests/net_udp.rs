//! One source, two worlds: UDP on real loopback sockets and in a simulation.

use std::future::Future;
use std::io::ErrorKind;

use stormglass_kernel::{Options, Simulation};
use stormglass_net::Net;
use stormglass_tokio as tokio;
use tokio::net::UdpSocket;

fn in_both_worlds<F: Future<Output = ()> + 'static>(test: impl Fn() -> F) {
    let runtime = real_tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test());
    let mut simulation = Simulation::new(Options::new(1));
    simulation.universe().insert(Net::default());
    let report = simulation.run(test());
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
}

#[test]
fn datagrams_keep_their_bounds_and_lose_what_does_not_fit() {
    in_both_worlds(|| async {
        let a = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let b = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let (to_a, to_b) = (a.local_addr().expect("bound"), b.local_addr().expect("bound"));
        assert_eq!(a.send_to(b"first", to_b).await.expect("room"), 5);
        assert_eq!(a.send_to(b"", to_b).await.expect("room"), 0);
        assert_eq!(a.try_send_to(b"third", to_b).expect("room"), 5);
        let mut buffer = [0; 3];
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (n, from) = b.recv_from(&mut buffer).await.expect("a datagram");
            assert_eq!(from, to_a);
            seen.push(buffer[..n].to_vec());
        }
        // Simulated datagrams may overtake each other.
        seen.sort();
        assert_eq!(seen, [&b""[..], b"fir", b"thi"]);
        let error = b.try_recv_from(&mut buffer).expect_err("nothing is left");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn connected_sockets_talk_to_their_peer() {
    in_both_worlds(|| async {
        let a = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let b = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        a.connect(b.local_addr().expect("bound")).await.expect("a route");
        b.connect(a.local_addr().expect("bound")).await.expect("a route");
        assert_eq!(a.peer_addr().expect("connected"), b.local_addr().expect("bound"));
        a.send(b"ping").await.expect("room");
        b.readable().await.expect("a socket");
        let mut buffer = [0; 8];
        assert_eq!(b.peek(&mut buffer).await.expect("a datagram"), 4);
        assert_eq!(b.peek_sender().await.expect("a datagram"), a.local_addr().expect("bound"));
        assert_eq!(b.recv(&mut buffer).await.expect("a datagram"), 4);
        assert_eq!(&buffer[..4], b"ping");
        let unconnected = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        assert_eq!(unconnected.peer_addr().expect_err("no peer").kind(), ErrorKind::NotConnected);
        let error = unconnected.send(b"x").await.expect_err("no destination");
        assert_eq!(error.to_string(), "Destination address required (os error 89)");
    });
}

#[test]
fn a_connected_socket_is_refused_where_nobody_listens() {
    in_both_worlds(|| async {
        let closed = UdpSocket::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        socket.connect(closed).await.expect("a route");
        socket.send(b"x").await.expect("room");
        let error = socket.recv(&mut [0; 4]).await.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_datagram_that_is_too_long_is_refused() {
    in_both_worlds(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let error = socket.send_to(&[0; 65_508], "127.0.0.1:9").await.expect_err("too long");
        assert_eq!(error.to_string(), "Message too long (os error 90)");
    });
}
