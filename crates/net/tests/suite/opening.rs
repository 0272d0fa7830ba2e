//! Opening connections: latency, refusal, silence, ports, backlog.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use stormglass_kernel::*;
use stormglass_net::tcp::{BoundSocket, Buffers, Listener, Reuse, Stream};
use stormglass_net::{Net, ip_of};

use crate::common::*;

#[test]
fn a_round_trip_takes_the_latency_of_both_links() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (answer, opening, talking) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let begun = now();
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let opened = now();
        write_all(&stream, b"hello").await.expect("an open connection");
        let answer = read_exact(&stream, 5).await.expect("an open connection");
        (answer, opened - begun, now() - opened)
    });
    assert_eq!(answer, b"hello");
    for taken in [opening, talking] {
        assert!((ms(2)..ms(2) + Duration::from_micros(5)).contains(&taken), "{taken:?}");
    }
}

#[test]
fn a_closed_port_refuses_after_a_round_trip() {
    let (refused, taken) = finish(simulation(1, 1), async {
        let begun = now();
        let refused = kind(connect(address(1, 80)).await);
        (refused, now() - begun)
    });
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
    assert!((ms(2)..ms(3)).contains(&taken), "{taken:?}");
}

#[test]
fn a_silent_host_times_out_after_127_seconds_as_on_linux() {
    let (error, taken, sent) = finish(simulation(1, 1), async {
        net(|n| n.rules().cut(1, &both_ways(0, 1)));
        let begun = now();
        let error = kind(connect(address(1, 80)).await);
        (error, now() - begun, net(|n| n.totals().segments_sent))
    });
    assert_eq!(error, Some(ErrorKind::TimedOut));
    assert!((secs(127)..secs(127) + ms(1)).contains(&taken), "{taken:?}");
    assert_eq!(sent, 7, "one SYN and six more");
}

#[test]
fn a_lost_syn_or_syn_ack_is_sent_again_after_a_second() {
    for direction in [(0, 1), (1, 0)] {
        let mut simulation = simulation(1, 1);
        program(&mut simulation, 1, || echo(80));
        let taken = finish(simulation, async move {
            boot(1);
            sleep(ms(1)).await;
            let begun = now();
            net(|n| n.rules().cut(1, &[(node(direction.0), node(direction.1))]));
            spawn_local(async {
                sleep(ms(100)).await;
                net(|n| n.rules().remove(1));
            });
            let stream = connect(address(1, 80)).await.expect("the link is whole again");
            write_all(&stream, b"x").await.expect("an open connection");
            read_exact(&stream, 1).await.expect("an open connection");
            now() - begun
        });
        assert!((secs(1)..secs(1) + ms(10)).contains(&taken), "{direction:?}: {taken:?}");
    }
}

#[test]
fn there_is_no_way_to_hosts_that_do_not_exist() {
    let errors = finish(simulation(1, 1), async {
        let to = |ip: [u8; 4]| async move { kind(connect((ip, 80).into()).await) };
        [to([10, 0, 0, 77]).await, to([192, 168, 0, 1]).await]
    });
    assert_eq!(errors, [Some(ErrorKind::HostUnreachable), Some(ErrorKind::NetworkUnreachable)]);
}

#[test]
fn names_of_nodes_localhost_and_numbers_resolve() {
    let found = finish(simulation(1, 2), async {
        ["driver", "n2", "localhost", "10.1.2.3", "n3"].map(|name| {
            with(|u| {
                let (net, kernel) = u.get::<Net>().expect("the simulation has a network");
                net.lookup(kernel, name).unwrap_or_default()
            })
        })
    });
    let v4 = |ip| vec![IpAddr::V4(ip)];
    let expected =
        [v4(ip_of(node(0))), v4(ip_of(node(2))), v4(Ipv4Addr::LOCALHOST), v4(Ipv4Addr::new(10, 1, 2, 3)), vec![]];
    assert_eq!(found, expected);
}

#[test]
fn loopback_stays_inside_its_node_and_is_quick() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        spawn_local(echo(80));
        sleep(ms(1)).await;
        let begun = now();
        let stream = connect(([127, 0, 0, 1], 80).into()).await.expect("a listener on this node");
        assert_eq!(stream.local_addr().expect("open").ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        write_all(&stream, b"x").await.expect("an open connection");
        read_exact(&stream, 1).await.expect("an open connection");
        assert!(now() - begun < Duration::from_micros(100), "{:?}", now() - begun);
        let own = connect(address(1, 80)).await.expect("the same listener by the node's own address");
        assert_eq!(own.peer_addr().expect("open"), address(1, 80));
    });
    let refused = finish(simulation, async {
        boot(1);
        sleep(ms(10)).await;
        kind(connect(([127, 0, 0, 1], 80).into()).await)
    });
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused), "the driver's loopback is its own");
}

#[test]
fn a_port_is_in_use_while_its_listener_lives_and_free_at_once_after() {
    finish(simulation(1, 1), async {
        let bind = |ip: [u8; 4], port| Listener::bind((ip, port).into(), 8);
        let first = bind([0, 0, 0, 0], 80).expect("a free port");
        assert_eq!(kind(bind([10, 0, 0, 1], 80)), Some(ErrorKind::AddrInUse));
        assert_eq!(kind(bind([127, 0, 0, 1], 80)), Some(ErrorKind::AddrInUse));
        assert_eq!(kind(bind([10, 0, 0, 2], 81)), Some(ErrorKind::AddrNotAvailable));
        drop(first);
        let own = bind([10, 0, 0, 1], 80).expect("the port is free again");
        let loopback = bind([127, 0, 0, 1], 80).expect("another address");
        assert_eq!(kind(bind([0, 0, 0, 0], 80)), Some(ErrorKind::AddrInUse));
        assert_eq!((own.local_addr().unwrap(), loopback.local_addr().unwrap()).0, address(0, 80));
        let any = bind([0, 0, 0, 0], 0).expect("an ephemeral port").local_addr().unwrap().port();
        assert!((32_768..=60_999).contains(&any), "{any}");
    });
}

#[test]
fn ephemeral_ports_differ_and_a_port_of_ones_own_is_kept() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (ports, own) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let mut streams = Vec::new();
        for _ in 0..200 {
            streams.push(connect(address(1, 80)).await.expect("n1 listens"));
        }
        let ports: std::collections::BTreeSet<_> =
            streams.iter().map(|s| s.local_addr().expect("open").port()).collect();
        let bound = BoundSocket::bind(([0, 0, 0, 0], 7_777).into(), Reuse::default()).expect("a free port");
        let local = bound.local_addr().expect("bound");
        drop(bound);
        let stream = Stream::connect(Some(local), address(1, 80), Buffers::default()).expect("a route");
        std::future::poll_fn(|cx| stream.poll_connected(cx)).await.expect("n1 listens");
        let again = Stream::connect(Some(local), address(1, 80), Buffers::default());
        assert_eq!(kind(again), Some(ErrorKind::AddrNotAvailable));
        (ports, stream.local_addr().expect("open"))
    });
    assert_eq!(ports.len(), 200);
    assert_eq!(own, address(0, 7_777));
}

#[test]
fn a_full_backlog_makes_a_connect_wait_and_accepting_lets_it_in() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = Listener::bind(([0, 0, 0, 0], 80).into(), 1).expect("a free port");
        sleep(ms(1_500)).await;
        loop {
            accept(&listener).await.expect("a listener");
        }
    });
    let opened = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let begun = now();
        let mut opened = Vec::new();
        let handles: Vec<_> = (0..4).map(|_| spawn_local(async { (connect(address(1, 80)).await, now()) })).collect();
        for handle in handles {
            let (stream, at) = handle.await.expect("no task is cancelled");
            stream.expect("sooner or later there is room");
            opened.push((at - begun).as_millis());
        }
        opened.sort_unstable();
        opened
    });
    // Two fit at once; a second later there is still no room; the next try comes three seconds after the first.
    assert_eq!(opened, [2, 2, 3_002, 3_002]);
}

#[test]
fn giving_up_an_accept_loses_no_connection() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let mut accepted = Vec::new();
        while accepted.len() < 20 {
            // Shorter than the pause between connections: most waits are given up.
            if let Some(stream) = timeout(Duration::from_micros(300), accept(&listener)).await {
                let stream = stream.expect("a listener");
                write_all(&stream, b"!").await.expect("an open connection");
                accepted.push(stream);
            }
        }
        idle().await;
    });
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        for i in 0..20 {
            let stream = connect(address(1, 80)).await.expect("n1 listens");
            let answer = timeout(secs(5), read_exact(&stream, 1)).await;
            answer.unwrap_or_else(|| panic!("connection {i} was never accepted")).expect("an answer");
        }
    });
}

#[test]
fn both_ends_may_open_at_once() {
    let mut simulation = simulation(1, 2);
    let side = |own: u16, other: u16| async move {
        let local = Some(address(own, 9_000));
        let stream = Stream::connect(local, address(other, 9_000), Buffers::default()).expect("a route");
        std::future::poll_fn(|cx| stream.poll_connected(cx)).await.expect("the other side opens too");
        write_all(&stream, &[own as u8]).await.expect("an open connection");
        assert_eq!(read_exact(&stream, 1).await.expect("a byte"), [other as u8]);
        idle().await;
    };
    program(&mut simulation, 1, move || side(1, 2));
    program(&mut simulation, 2, move || side(2, 1));
    finish(simulation, async {
        boot(1);
        boot(2);
        sleep(secs(5)).await;
        // Had a side's read failed, its panic would have ended the run.
        assert_eq!(net(|n| n.totals().resets), 0);
    });
}
