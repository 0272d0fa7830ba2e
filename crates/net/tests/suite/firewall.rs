//! Firewall rules, names that fail, ports that are shared, and connections that fall silent.

use std::io::ErrorKind;
use std::time::Duration;

use stormglass_kernel::*;
use stormglass_net::tcp::{BoundSocket, Keepalive, Reuse};
use stormglass_net::{Action, Direction, DnsFault, DnsRule, Filter, LookupError, Protocol, ip_of};

use crate::common::*;

fn drop_all(at: u16, direction: Direction) -> Filter {
    Filter::everything(node(at), direction)
}

#[test]
fn a_filter_matches_source_destination_ports_and_protocol() {
    let mut simulation = simulation(1, 3);
    (1..=3).for_each(|i| program(&mut simulation, i, || echo(80)));
    finish(simulation, async {
        (1..=3).for_each(boot);
        sleep(ms(1)).await;
        let tries = |to: u16| async move { timeout(ms(500), connect(address(to, 80))).await.map(|c| c.is_ok()) };
        // From the driver to n1 only, and only to port 80 over TCP.
        let filter = Filter {
            source: Some(NodeId::DRIVER),
            destination_port: Some(80),
            protocol: Some(Protocol::Tcp),
            ..drop_all(1, Direction::In)
        };
        net(|n| n.rules().filter(1, filter));
        assert_eq!([tries(1).await, tries(2).await], [None, Some(true)]);
        assert!(net(|n| n.rules().hits(1)).packets_dropped > 0);
        net(|n| n.rules().remove(1));
        let other = Filter { source: Some(node(3)), ..filter };
        net(|n| n.rules().filter(2, other));
        assert_eq!(tries(1).await, Some(true));
        assert_eq!(net(|n| n.rules().hits(2)).packets_dropped, 0);
        let udp_only = Filter { protocol: Some(Protocol::Udp), ..drop_all(1, Direction::In) };
        net(|n| n.rules().filter(3, udp_only));
        assert_eq!(tries(1).await, Some(true));
        let unrelated = [
            Filter { source_port: Some(81), ..drop_all(3, Direction::Out) },
            Filter { destination: Some(node(1)), ..drop_all(3, Direction::Out) },
        ];
        unrelated.into_iter().for_each(|filter| net(|n| n.rules().filter(5, filter)));
        assert_eq!(tries(3).await, Some(true));
        // Answers come from port 80.
        let answers = Filter { source_port: Some(80), ..drop_all(2, Direction::Out) };
        net(|n| n.rules().filter(4, answers));
        assert_eq!(tries(2).await, None);
    });
}

#[test]
fn a_filter_that_rejects_tells_the_sender_on_either_side() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let open = connect(address(1, 80)).await.expect("a listener");
        sleep(ms(10)).await;
        let reject = Filter { action: Action::Reject, ..drop_all(1, Direction::In) };
        net(|n| n.rules().filter(1, reject));
        let begun = now();
        assert_eq!(kind(connect(address(1, 80)).await), Some(ErrorKind::ConnectionRefused));
        // There and back.
        assert!((2_000_000..3_000_000).contains(&(now().as_nanos() - begun.as_nanos())));
        write_all(&open, b"x").await.expect("room");
        assert_eq!(kind(read(&open, 10).await), Some(ErrorKind::ConnectionReset));
        net(|n| n.rules().remove(1));
        let reject = Filter { action: Action::Reject, ..drop_all(0, Direction::Out) };
        net(|n| n.rules().filter(2, reject));
        let begun = now();
        assert_eq!(kind(connect(address(1, 80)).await), Some(ErrorKind::ConnectionRefused));
        assert!(now().as_nanos() - begun.as_nanos() < 1_000_000, "the machine's own answer takes no way");
        assert!(net(|n| n.totals()).packets_rejected >= 3);
    });
}

#[test]
fn names_fail_and_go_stale_and_recover() {
    finish(simulation(1, 2), async {
        let ask = |name: &str| {
            with(|u| {
                let (net, kernel) = u.get::<stormglass_net::Net>().expect("a network");
                net.lookup(kernel, name)
            })
        };
        let own = |i| Ok(vec![ip_of(node(i)).into()]);
        assert_eq!(ask("n1"), own(1));
        assert_eq!(ask("nobody"), Err(LookupError::Unknown));
        let rule = |fault| DnsRule { asker: None, name: Some("N1".to_owned()), fault };
        net(|n| n.dns().add(1, rule(DnsFault::Stale(vec![ip_of(node(2)).into()]))));
        assert_eq!([ask("n1"), ask("n2")], [own(2), own(2)]);
        net(|n| n.dns().add(2, rule(DnsFault::Silent)));
        assert_eq!(ask("n1"), Err(LookupError::Again));
        assert!(net(|n| n.dns().remove(2)) && net(|n| n.dns().remove(1)));
        assert_eq!(ask("n1"), own(1));
        let elsewhere = DnsRule { asker: Some(node(2)), name: None, fault: DnsFault::Unknown };
        net(|n| n.dns().add(3, elsewhere));
        assert_eq!(ask("n1"), own(1));
        assert_eq!([1, 2, 3].map(|f| net(|n| n.dns().hits(f))), [1, 1, 0]);
        let totals = net(|n| n.totals());
        assert_eq!((totals.lookups_stale, totals.lookups_failed), (1, 1));
    });
}

#[test]
fn listeners_that_share_a_port_share_its_connections() {
    finish(simulation(1, 0), async {
        let shared = Reuse { address: false, port: true };
        let bind = |reuse| BoundSocket::bind(([127, 0, 0, 1], 80).into(), reuse);
        let first = bind(shared).expect("free").listen(1024).expect("bound");
        assert_eq!(kind(bind(Reuse::default())), Some(ErrorKind::AddrInUse));
        assert_eq!(kind(bind(Reuse { address: true, port: false })), Some(ErrorKind::AddrInUse));
        let second = bind(shared).expect("shared").listen(1024).expect("bound");
        let mut open = Vec::new();
        for _ in 0..100 {
            open.push(connect(([127, 0, 0, 1], 80).into()).await.expect("a listener"));
        }
        let mut counts = [0, 0];
        for (count, listener) in counts.iter_mut().zip([&first, &second]) {
            while let Some(Ok(stream)) = timeout(ms(1), accept(listener)).await {
                drop(stream);
                *count += 1;
            }
        }
        assert_eq!(counts[0] + counts[1], 100);
        assert!(counts.iter().all(|&n| n > 25), "{counts:?}");
    });
}

#[test]
fn old_connections_keep_a_port_from_those_who_do_not_share_it() {
    finish(simulation(1, 0), async {
        let at: std::net::SocketAddr = ([127, 0, 0, 1], 80).into();
        let listener = listen(80);
        let client = connect(at).await.expect("a listener");
        let server = accept(&listener).await.expect("a connection");
        // The server closes first and keeps TIME_WAIT.
        drop((server, listener));
        assert_eq!(read(&client, 1).await.expect("the end"), b"");
        drop(client);
        sleep(secs(1)).await;
        let bind = |address| BoundSocket::bind(at, Reuse { address, port: false });
        assert_eq!(kind(bind(false)), Some(ErrorKind::AddrInUse));
        drop(bind(true).expect("old connections are no hindrance"));
        // Two may be bound so, but only one of them listens.
        let (one, other) = (bind(true).expect("free"), bind(true).expect("shared"));
        let _listens = one.listen(1).expect("the first");
        assert_eq!(kind(other.listen(1)), Some(ErrorKind::AddrInUse));
        sleep(secs(61)).await;
        assert_eq!(kind(bind(false)), Some(ErrorKind::AddrInUse));
    });
}

#[test]
fn a_silent_peer_is_found_out_by_keepalive_and_a_living_one_is_not() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("a listener");
        let keepalive = Keepalive { idle: secs(60), interval: secs(10), probes: 3 };
        stream.set_keepalive(Some(keepalive)).expect("open");
        assert_eq!(stream.keepalive().expect("open"), Some(keepalive));
        assert!(timeout(secs(1_000), read(&stream, 1)).await.is_none(), "the peer answers probes");
        let probes = net(|n| n.totals()).keepalives_sent;
        assert!((10..20).contains(&probes), "{probes}");
        take_down(1, Down::PowerLoss);
        let begun = now();
        assert_eq!(kind(read(&stream, 1).await), Some(ErrorKind::TimedOut));
        let took = Duration::from_nanos(now().as_nanos() - begun.as_nanos());
        assert!((secs(30)..secs(95)).contains(&took), "{took:?}");
    });
}

#[test]
fn a_user_timeout_ends_a_stalled_connection_when_it_says() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("a listener");
        stream.set_user_timeout(Some(secs(7))).expect("open");
        net(|n| n.rules().cut(1, &both_ways(0, 1)));
        write_all(&stream, b"x").await.expect("room");
        let begun = now();
        assert_eq!(kind(read(&stream, 1).await), Some(ErrorKind::TimedOut));
        let took = Duration::from_nanos(now().as_nanos() - begun.as_nanos());
        assert!((secs(6)..=secs(8)).contains(&took), "{took:?}");
    });
}

#[test]
fn ephemeral_ports_run_out_towards_one_address_and_not_towards_another() {
    finish(simulation(1, 0), async {
        let (one, other) = (listen(80), listen(81));
        let mut open = Vec::new();
        let refused = loop {
            match connect(([127, 0, 0, 1], 80).into()).await {
                Ok(stream) => open.push((stream, accept(&one).await.expect("a connection"))),
                Err(error) => break error,
            }
        };
        assert_eq!((refused.kind(), open.len()), (ErrorKind::AddrNotAvailable, 28_232));
        connect(([127, 0, 0, 1], 81).into()).await.expect("ports are free towards another address");
        drop(other);
        // Who closed first keeps the port for a minute.
        open.clear();
        sleep(secs(61)).await;
        connect(([127, 0, 0, 1], 80).into()).await.expect("a free port");
    });
}
