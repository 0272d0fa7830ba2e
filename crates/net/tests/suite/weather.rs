//! Loss, latency, partitions, filters: they delay a stream and never tear it.

use std::io::ErrorKind;

use stormglass_kernel::*;
use stormglass_net::{Direction, LinkOptions, Protocol, RuleHits};

use crate::common::*;

/// Sends `len` bytes from n1 to the driver, while the driver does `weather`. Gives what came, and when.
fn transfer<F: Future<Output = ()> + 'static>(
    seed: u64,
    links: LinkOptions,
    len: usize,
    weather: impl Fn() -> F + 'static,
) -> (Vec<u8>, std::time::Duration, u64) {
    let mut simulation = simulation_with(Options::new(seed), 1, links);
    program(&mut simulation, 1, move || async move {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        write_all(&stream, &pattern(len)).await.expect("an open connection");
        drop(stream);
        idle().await;
    });
    finish(simulation, async move {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let begun = now();
        spawn_local(weather());
        let (bytes, end) = read_to_end(&stream).await;
        end.expect("an orderly end");
        (bytes, now() - begun, net(|n| n.totals().segments_retransmitted))
    })
}

#[test]
fn loss_becomes_delay_and_never_a_hole() {
    let links = LinkOptions { loss_ppm: 100_000, ..LinkOptions::constant(ms(1)) };
    for seed in 0..20 {
        let (bytes, _, again) = transfer(seed, links, 1_000_000, idle);
        assert!(bytes == pattern(1_000_000), "seed {seed}: {} bytes", bytes.len());
        assert!(again > 0, "seed {seed}: a tenth of the segments was lost and none sent again");
    }
}

#[test]
fn without_loss_nothing_is_sent_twice() {
    for seed in 0..20 {
        let (bytes, _, again) = transfer(seed, LinkOptions::default(), 1_000_000, idle);
        assert!(bytes == pattern(1_000_000));
        assert_eq!(again, 0, "seed {seed}");
    }
}

#[test]
fn segments_that_overtake_each_other_are_put_in_order() {
    let links = LinkOptions { jitter: ms(20), reorders: true, ..LinkOptions::constant(ms(1)) };
    for seed in 0..20 {
        let (bytes, ..) = transfer(seed, links, 1_000_000, idle);
        assert!(bytes == pattern(1_000_000), "seed {seed}: {} bytes", bytes.len());
    }
}

#[test]
fn after_a_partition_the_bytes_go_on_exactly_once_and_in_order() {
    let (bytes, taken, again) = transfer(1, LinkOptions::constant(ms(1)), 2_000_000, || async {
        // Between two flights: at a whole millisecond nanoseconds would say what is cut off.
        sleep(std::time::Duration::from_micros(3500)).await;
        net(|n| n.rules().cut(7, &both_ways(0, 1)));
        sleep(secs(10)).await;
        assert!(net(|n| n.rules().hits(7)).packets_dropped > 0);
        net(|n| n.rules().remove(7));
    });
    assert!(bytes == pattern(2_000_000), "{} bytes", bytes.len());
    assert!(again > 0 && taken > secs(10), "{again} segments again, {taken:?}");
    // Backed-off timeouts, at most doubling: the silence lasts no longer than about twice the partition.
    assert!(taken < secs(27), "{taken:?}");
}

#[test]
fn bytes_that_are_sent_again_in_other_pieces_arrive_once() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        sleep(ms(100)).await;
        // The first piece arrives and its acknowledgement does not; the second is lost: one segment brings both again.
        net(|n| n.rules().cut(1, &[(node(1), node(0))]));
        write_all(&stream, b"first ").await.expect("a send buffer");
        sleep(ms(10)).await;
        net(|n| n.rules().cut(1, &[(node(0), node(1))]));
        write_all(&stream, b"second").await.expect("a send buffer");
        sleep(ms(10)).await;
        net(|n| n.rules().remove(1));
        assert_eq!(read_exact(&stream, 12).await.expect("an echo"), b"first second");
        assert!(timeout(secs(10), read(&stream, 1)).await.is_none(), "more came than was sent");
    });
}

#[test]
fn a_partition_is_silence_in_both_directions() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        net(|n| n.rules().cut(1, &both_ways(0, 1)));
        write_all(&stream, b"hello").await.expect("a send buffer");
        assert!(timeout(secs(30), read(&stream, 5)).await.is_none());
        net(|n| n.rules().remove(1));
        assert_eq!(read_exact(&stream, 5).await.expect("an echo"), b"hello");
    });
}

#[test]
fn a_cut_drops_what_is_under_way_and_what_is_sent_but_not_what_passes_it_by() {
    let hits = finish(simulation(1, 1), async {
        let pair = [(node(0), node(1))];
        let send = || {
            let socket = stormglass_net::udp::UdpSocket::bind(([0, 0, 0, 0], 0).into()).expect("a port");
            socket.try_send(b"x", Some(address(1, 9))).expect("room");
        };
        let mut hits = Vec::new();
        for (cut_at, heal_at) in [(500, 2_000), (0, 500), (300, 700)] {
            let id = cut_at;
            if cut_at == 0 {
                net(|n| n.rules().cut(id, &pair));
            }
            send();
            sleep(std::time::Duration::from_micros(u64::from(cut_at))).await;
            if cut_at != 0 {
                net(|n| n.rules().cut(id, &pair));
            }
            sleep(std::time::Duration::from_micros(u64::from(heal_at - cut_at))).await;
            net(|n| n.rules().remove(id));
            sleep(ms(5)).await;
            hits.push(net(|n| n.rules().hits(id)).packets_dropped);
        }
        hits
    });
    assert_eq!(hits, [1, 1, 0]);
}

#[test]
fn extra_latency_adds_up_and_ends_with_its_fault() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (took, hits) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let mut took = Vec::new();
        let add = |id, extra| net(|n| n.rules().add_latency(id, &both_ways(0, 1), ms(extra), ms(0)));
        for step in 0..4 {
            match step {
                1 => add(1, 10),
                2 => add(2, 20),
                3 => drop(net(|n| n.rules().remove(1))),
                _ => {}
            }
            let begun = now();
            write_all(&stream, b"x").await.expect("an open connection");
            read_exact(&stream, 1).await.expect("an echo");
            took.push((now() - begun).as_millis());
            sleep(ms(100)).await;
        }
        (took, net(|n| n.rules().hits(2)))
    });
    assert_eq!(took, [2, 22, 62, 42]);
    assert!(hits.packets_delayed >= 4 && hits.packets_dropped == 0, "{hits:?}");
}

#[test]
fn a_filter_hits_one_port_in_one_direction_as_iptables_does() {
    let mut simulation = simulation(1, 2);
    for index in [1, 2] {
        program(&mut simulation, index, || async {
            spawn_local(echo(80));
            echo(81).await;
        });
    }
    finish(simulation, async {
        boot(1);
        boot(2);
        sleep(ms(1)).await;
        let opens =
            |index, port| async move { matches!(timeout(secs(3), connect(address(index, port))).await, Some(Ok(_))) };
        net(|n| n.rules().block_port(1, node(1), 80, Protocol::Tcp, Direction::In));
        assert!(!opens(1, 80).await && opens(1, 81).await && opens(2, 80).await);
        assert!(net(|n| n.rules().hits(1)).packets_dropped > 0);
        net(|n| n.rules().remove(1));
        assert!(opens(1, 80).await);
        net(|n| n.rules().block_port(2, node(0), 80, Protocol::Tcp, Direction::Out));
        assert!(!opens(1, 80).await && opens(1, 81).await && !opens(2, 80).await);
        net(|n| n.rules().remove(2));
        net(|n| n.rules().block_port(3, node(1), 80, Protocol::Udp, Direction::In));
        assert!(opens(1, 80).await);
        assert_eq!(net(|n| n.rules().hits(3)), RuleHits::default());
    });
}

#[test]
fn a_reset_that_overtakes_data_does_not_take_its_place() {
    // The reset's place is beyond what has arrived: it is asked for again, with the right place, and counts then.
    let mut simulation = simulation_with(
        Options::new(3),
        1,
        LinkOptions { jitter: ms(30), reorders: true, ..LinkOptions::constant(ms(1)) },
    );
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        loop {
            let stream = accept(&listener).await.expect("a listener");
            write_all(&stream, &pattern(100_000)).await.expect("an open connection");
            sleep(std::time::Duration::from_micros(10)).await;
            stream.set_linger(Some(std::time::Duration::ZERO)).expect("an open connection");
        }
    });
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        for _ in 0..50 {
            let stream = connect(address(1, 80)).await.expect("n1 listens");
            let (bytes, end) = timeout(secs(100), read_to_end(&stream)).await.expect("the reset arrives");
            assert_eq!(end.map_err(|e| e.kind()), Err(ErrorKind::ConnectionReset));
            assert!(pattern(100_000).starts_with(&bytes), "{} bytes", bytes.len());
        }
    });
}

#[test]
fn a_reset_beyond_a_hole_that_will_never_be_filled_counts_all_the_same() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        sleep(ms(50)).await;
        write_all(&stream, b"lost for ever").await.expect("an open connection");
        sleep(ms(50)).await;
        stream.set_linger(Some(std::time::Duration::ZERO)).expect("an open connection");
        drop(stream);
        idle().await;
    });
    let (error, taken) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let begun = now();
        net(|n| n.rules().cut(1, &[(node(1), node(0))]));
        sleep(ms(75)).await;
        net(|n| n.rules().remove(1));
        (timeout(secs(60), read(&stream, 1)).await.map(kind), now() - begun)
    });
    assert_eq!(error, Some(Some(ErrorKind::ConnectionReset)));
    assert!(taken < ms(110), "{taken:?}");
}
