//! What links do to packets, each with its count: duplicates, overtaking, flipped bits, fragments, narrow wires.

use std::future::poll_fn;
use std::time::Duration;

use stormglass_kernel::*;
use stormglass_net::udp::UdpSocket;
use stormglass_net::{Counters, LinkOptions, Spread};

use crate::common::*;

fn plain() -> LinkOptions {
    LinkOptions::constant(ms(1))
}

/// Sends `len` bytes to an echo and back over such links. Gives the counters and how long it took.
fn transfer(seed: u64, links: LinkOptions, len: usize) -> (Counters, Duration) {
    let mut simulation = simulation_with(Options::new(seed), 1, links);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async move {
        boot(1);
        sleep(ms(1)).await;
        let stream = std::rc::Rc::new(connect(address(1, 80)).await.expect("a listener"));
        let begun = now();
        let writer = std::rc::Rc::clone(&stream);
        let writing = spawn_local(async move { write_all(&writer, &pattern(len)).await });
        assert!(read_exact(&stream, len).await.expect("the echo") == pattern(len), "other bytes than were sent");
        writing.await.expect("no task is cancelled").expect("open");
        (net(|n| n.totals()), Duration::from_nanos(now().as_nanos() - begun.as_nanos()))
    })
}

/// Sends datagrams of `len` bytes, one a millisecond, and gives those that arrive, in order, with the counters.
fn datagrams(links: LinkOptions, count: u8, len: usize) -> (Vec<Vec<u8>>, Counters) {
    let mut simulation = simulation_with(Options::new(5), 1, links);
    let got = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = std::rc::Rc::clone(&got);
    program(&mut simulation, 1, move || {
        let kept = std::rc::Rc::clone(&kept);
        async move {
            let socket = UdpSocket::bind(([0, 0, 0, 0], 9).into()).expect("a free port");
            loop {
                let (bytes, _) = poll_fn(|cx| socket.poll_recv(cx, false)).await.expect("a datagram");
                kept.borrow_mut().push(bytes);
            }
        }
    });
    finish(simulation, async move {
        boot(1);
        sleep(ms(1)).await;
        let socket = UdpSocket::bind(address(0, 9)).expect("a free port");
        for i in 0..count {
            let mut bytes = pattern(len);
            bytes[0] = i;
            poll_fn(|cx| socket.poll_send(cx, &bytes, Some(address(1, 9)))).await.expect("room");
            sleep(ms(1)).await;
        }
        sleep(secs(10)).await;
        (got.take(), net(|n| n.totals()))
    })
}

#[test]
fn a_link_without_impairments_counts_none() {
    let (counters, _) = transfer(1, plain(), 100_000);
    let hits = [
        counters.packets_duplicated,
        counters.packets_held_back,
        counters.packets_corrupted,
        counters.corruption_undetected,
        counters.queue_dropped,
        counters.fragments_sent,
    ];
    assert_eq!(hits, [0; 6]);
}

#[test]
fn duplicates_arrive_at_a_socket_and_leave_a_stream_as_it_is() {
    let links = LinkOptions { duplicate_ppm: 500_000, jitter: ms(3), ..plain() };
    let (got, counters) = datagrams(links, 100, 10);
    assert_eq!(got.len() as u64, 100 + counters.packets_duplicated);
    assert!((30..70).contains(&counters.packets_duplicated));
    assert!(transfer(2, links, 200_000).0.packets_duplicated > 5);
}

#[test]
fn a_packet_that_is_held_back_is_overtaken() {
    let links = LinkOptions { reorder_ppm: 200_000, reorder_by: ms(5), ..plain() };
    let (got, counters) = datagrams(links, 100, 10);
    assert_eq!(got.len(), 100);
    let overtaken = got.windows(2).filter(|w| w[0][0] > w[1][0]).count();
    assert!(overtaken > 5 && counters.packets_held_back > 10, "{overtaken}, {}", counters.packets_held_back);
    assert!(transfer(3, links, 500_000).0.packets_held_back > 3);
}

#[test]
fn flipped_bits_are_caught_by_the_checksum_and_sent_again() {
    let links = LinkOptions { corrupt_ppm: 100_000, ..plain() };
    let (got, counters) = datagrams(links, 100, 10);
    assert_eq!(got.len() as u64, 100 - counters.packets_corrupted);
    assert!(counters.packets_corrupted > 3);
    assert!(got.iter().all(|bytes| bytes[1..] == pattern(10)[1..]));
    let (counters, _) = transfer(4, links, 500_000);
    assert!(counters.packets_corrupted > 3 && counters.segments_retransmitted > 0);
    assert_eq!(counters.corruption_undetected, 0);
}

#[test]
fn what_slips_past_the_checksum_arrives_with_other_bytes_and_only_if_asked_for() {
    let links = LinkOptions { corrupt_ppm: 1_000_000, undetected_ppm: 1_000_000, ..plain() };
    let (got, counters) = datagrams(links, 50, 100);
    assert_eq!((got.len(), counters.corruption_undetected), (50, 50));
    let other = got.iter().enumerate().filter(|(i, bytes)| {
        let mut sent = pattern(100);
        sent[0] = *i as u8;
        **bytes != sent
    });
    assert_eq!(other.count(), 50);
}

#[test]
fn segments_fit_the_mtu_and_datagrams_beyond_it_die_with_any_fragment() {
    let links = LinkOptions { mtu: Some(1_500), ..plain() };
    let (counters, _) = transfer(5, links, 146_000);
    // 100 segments of 1,460 bytes each way, at least.
    assert!(counters.segments_sent >= 200, "{}", counters.segments_sent);
    assert_eq!(counters.fragments_sent, 0);
    let (got, counters) = datagrams(links, 20, 8_000);
    assert_eq!((got.len(), counters.fragments_sent), (20, 20 * 6));
    // A tenth of all packets is lost: of one in six pieces, nearly half.
    let (got, _) = datagrams(LinkOptions { loss_ppm: 100_000, ..links }, 200, 8_000);
    assert!((80..135).contains(&got.len()), "{} of 200", got.len());
    let (got, _) = datagrams(LinkOptions { loss_ppm: 100_000, ..links }, 200, 800);
    assert!((165..195).contains(&got.len()), "{} of 200", got.len());
}

#[test]
fn a_narrow_wire_takes_its_time_and_drops_what_its_queue_cannot_hold() {
    // A megabyte a second each way.
    let links = LinkOptions { bandwidth: Some(8_000_000), queue: 1 << 20, mtu: Some(1_500), ..plain() };
    let (counters, took) = transfer(6, links, 1_000_000);
    assert!((1_000..1_300).contains(&took.as_millis()), "{took:?}");
    assert_eq!(counters.queue_dropped, 0);
    let (counters, took) = transfer(6, LinkOptions { queue: 20_000, ..links }, 1_000_000);
    assert!(counters.queue_dropped > 0 && took > Duration::from_millis(1_000), "{took:?}");
}

#[test]
fn every_distribution_keeps_the_least_latency_and_has_its_own_tail() {
    let spreads = [
        Spread::Uniform,
        Spread::Exponential,
        Spread::LogNormal { sigma_thousandths: 700 },
        Spread::Bimodal { detour: ms(50), detour_ppm: 100_000 },
    ];
    let mut digests = Vec::new();
    for spread in spreads {
        let links = LinkOptions { spread, jitter: ms(2), ..plain() };
        let (got, _) = datagrams(links, 100, 10);
        assert_eq!(got.len(), 100);
        digests.push(got);
    }
    assert!(digests.windows(2).all(|w| w[0] != w[1]), "every distribution orders arrivals differently");
}

#[test]
fn an_override_of_a_delay_goes_before_any_distribution() {
    let line = "net.delay driver>n1 udp#9 @0 = 77000000".parse().expect("a well-formed override");
    let links = LinkOptions { spread: Spread::Exponential, jitter: ms(2), ..plain() };
    let options = Options { overrides: vec![line], ..Options::new(1) };
    let mut simulation = simulation_with(options, 1, links);
    program(&mut simulation, 1, || async {
        let socket = UdpSocket::bind(([0, 0, 0, 0], 9).into()).expect("a free port");
        let (bytes, from) = poll_fn(|cx| socket.poll_recv(cx, false)).await.expect("a datagram");
        poll_fn(|cx| socket.poll_send(cx, &bytes, Some(from))).await.expect("room");
        idle().await;
    });
    let took = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let socket = UdpSocket::bind(address(0, 9)).expect("a free port");
        let begun = now();
        poll_fn(|cx| socket.poll_send(cx, b"x", Some(address(1, 9)))).await.expect("room");
        poll_fn(|cx| socket.poll_recv(cx, false)).await.expect("an answer");
        now().as_nanos() - begun.as_nanos()
    });
    assert!((78_000_000..120_000_000).contains(&took), "{took} ns");
}

#[test]
fn a_link_may_change_while_bytes_flow() {
    let mut simulation = simulation(7, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("a listener");
        for (i, mtu) in [None, Some(576), Some(9_000), Some(68), None].into_iter().enumerate() {
            let links = LinkOptions { mtu, loss_ppm: 10_000 * i as u32, ..plain() };
            for pair in both_ways(0, 1) {
                net(|n| n.set_link(pair, Some(links)));
            }
            write_all(&stream, &pattern(3_000)).await.expect("open");
            assert_eq!(read_exact(&stream, 3_000).await.expect("open"), pattern(3_000));
        }
    });
}
