//! Datagrams.

use std::future::poll_fn;
use std::io::ErrorKind;

use stormglass_kernel::*;
use stormglass_net::LinkOptions;
use stormglass_net::udp::UdpSocket;

use crate::common::*;

fn bind(port: u16) -> UdpSocket {
    UdpSocket::bind(([0, 0, 0, 0], port).into()).expect("a free port")
}

async fn receive(socket: &UdpSocket) -> std::io::Result<(Vec<u8>, std::net::SocketAddr)> {
    poll_fn(|cx| socket.poll_recv(cx, false)).await
}

async fn echo_datagrams(port: u16) {
    let socket = bind(port);
    while let Ok((bytes, from)) = receive(&socket).await {
        poll_fn(|cx| socket.poll_send(cx, &bytes, Some(from))).await.expect("a route back");
    }
}

#[test]
fn a_datagram_arrives_whole_with_its_senders_address() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo_datagrams(53));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let socket = bind(5_353);
        for len in [0, 1, 1_500, 65_507] {
            let begun = now();
            assert_eq!(socket.try_send(&pattern(len), Some(address(1, 53))).expect("room"), len);
            let (bytes, from) = receive(&socket).await.expect("an echo");
            assert_eq!((bytes, from), (pattern(len), address(1, 53)));
            assert!(now() - begun < ms(3));
        }
        let long = socket.try_send(&pattern(65_508), Some(address(1, 53)));
        assert_eq!(long.map_err(|e| e.kind()), Err(stormglass_long()));
        assert_eq!(kind(UdpSocket::bind(([0, 0, 0, 0], 5_353).into())), Some(ErrorKind::AddrInUse));
        drop(socket);
        bind(5_353);
    });
}

/// EMSGSIZE has no stable kind of its own.
fn stormglass_long() -> ErrorKind {
    if cfg!(target_os = "linux") { std::io::Error::from_raw_os_error(90).kind() } else { ErrorKind::InvalidInput }
}

#[test]
fn links_lose_datagrams_and_let_them_overtake_each_other() {
    let links = LinkOptions { loss_ppm: 200_000, jitter: ms(5), ..LinkOptions::constant(ms(1)) };
    let mut simulation = simulation_with(Options::new(5), 1, links);
    program(&mut simulation, 1, || async {
        let socket = bind(53);
        for i in 0..200_u8 {
            sleep(ms(1)).await;
            socket.try_send(&[i], Some(address(0, 53))).expect("room");
        }
        idle().await;
    });
    let seen = finish(simulation, async {
        let socket = bind(53);
        boot(1);
        let mut seen = Vec::new();
        while let Some(datagram) = timeout(secs(1), receive(&socket)).await {
            seen.push(datagram.expect("a socket").0[0]);
        }
        seen
    });
    assert!((130..185).contains(&seen.len()), "{} of 200 at 20 % loss", seen.len());
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    assert_ne!(seen, sorted, "none was overtaken");
    sorted.dedup();
    assert_eq!(sorted.len(), seen.len(), "one came twice");
}

/// Linux hands a datagram of the loopback to its receiver while it is sent.
#[test]
fn within_a_machine_datagrams_stay_in_order() {
    let simulation = simulation_with(Options::new(5), 1, LinkOptions::default());
    let seen = finish(simulation, async {
        let (from, to) = (bind(53), bind(54));
        for i in 0..100_u8 {
            from.try_send(&[i], Some("127.0.0.1:54".parse().expect("an address"))).expect("room");
        }
        let mut seen = Vec::new();
        while seen.len() < 100 {
            seen.push(receive(&to).await.expect("a socket").0[0]);
        }
        seen
    });
    assert!(seen.is_sorted(), "{seen:?}");
}

#[test]
fn a_full_queue_throws_datagrams_away() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let _socket = bind(53);
        idle().await;
    });
    let totals = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let socket = bind(0);
        for _ in 0..100 {
            socket.try_send(&pattern(10_000), Some(address(1, 53))).expect("room");
            sleep(ms(1)).await;
        }
        sleep(ms(10)).await;
        net(|n| n.totals())
    });
    assert!(totals.datagrams_delivered >= 19 && totals.datagrams_delivered <= 21, "{totals:?}");
    assert_eq!(totals.datagrams_delivered + totals.datagrams_overflowed, 100);
}

#[test]
fn a_connected_socket_learns_that_nobody_listens_and_another_does_not() {
    finish(simulation(1, 1), async {
        let connected = bind(0);
        connected.connect(address(1, 9)).expect("a route");
        assert_eq!(connected.peer_addr().expect("connected"), address(1, 9));
        connected.try_send(b"x", None).expect("room");
        assert_eq!(kind(receive(&connected).await), Some(ErrorKind::ConnectionRefused));
        let plain = bind(0);
        plain.try_send(b"x", Some(address(1, 9))).expect("room");
        assert!(timeout(secs(1), receive(&plain)).await.is_none());
        assert_eq!(kind(plain.try_send(b"x", None)), kind::<()>(Err(no_destination())));
    });
}

fn no_destination() -> std::io::Error {
    if cfg!(target_os = "linux") { std::io::Error::from_raw_os_error(89) } else { ErrorKind::InvalidInput.into() }
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let mut simulation = simulation(1, 2);
    for index in [1, 2] {
        program(&mut simulation, index, move || async move {
            let socket = bind(1_000);
            sleep(ms(u64::from(3 - index))).await;
            socket.try_send(&[index as u8], Some(address(0, 53))).expect("room");
            idle().await;
        });
    }
    finish(simulation, async {
        let socket = bind(53);
        socket.connect(address(1, 1_000)).expect("a route");
        boot(1);
        boot(2);
        let (bytes, from) = receive(&socket).await.expect("a datagram");
        assert_eq!((bytes, from), (vec![1], address(1, 1_000)));
        assert!(timeout(secs(1), receive(&socket)).await.is_none());
    });
}

#[test]
fn what_was_sent_before_a_drop_leaves_all_the_same() {
    finish(simulation(1, 0), async {
        let receiver = bind(53);
        bind(0).try_send(b"bye", Some(address(0, 53))).expect("room");
        assert_eq!(receive(&receiver).await.expect("a datagram").0, b"bye");
    });
}
