//! Two hundred nodes: what they cost, in events and polls, grows with what they do and not with how many they are.

use std::future::poll_fn;

use stormglass_kernel::*;
use stormglass_net::LinkOptions;
use stormglass_net::udp::UdpSocket;

use crate::common::*;

pub(crate) const NODES: u16 = 200;
const PORT: u16 = 7_000;
const MESSAGES_A_SECOND: u64 = 10;

fn socket() -> UdpSocket {
    UdpSocket::bind(([0, 0, 0, 0], PORT).into()).expect("a free port")
}

fn crowd() -> Simulation {
    let mut options = Options::new(1);
    options.limits.virtual_time = VirtualTime::MAX;
    simulation_with(options, NODES, LinkOptions::constant(ms(1)))
}

/// Boots every node, lets `seconds` pass, and tells what the run took.
fn run(simulation: Simulation, seconds: u64) -> Report<()> {
    let report = simulation.run(async move {
        (1..=NODES).for_each(boot);
        sleep(secs(seconds)).await;
    });
    assert_eq!(report.outcome, Ok(()));
    report
}

/// Nodes that wait for messages, and for a timer that is a day away, while an hour passes.
pub(crate) fn idle_hour() -> Report<()> {
    let mut simulation = crowd();
    for node in 1..=NODES {
        program(&mut simulation, node, || async {
            spawn_local(sleep(secs(86_400)));
            let socket = socket();
            while poll_fn(|cx| socket.poll_recv(cx, false)).await.is_ok() {}
        });
    }
    run(simulation, 3_600)
}

/// Nodes each of which tells another something ten times a second.
pub(crate) fn gossip(seconds: u64) -> Report<()> {
    let mut simulation = crowd();
    for node in 1..=NODES {
        program(&mut simulation, node, move || async move {
            let sender = socket();
            spawn_local(async move {
                let own = UdpSocket::bind(([0, 0, 0, 0], PORT + 1).into()).expect("a free port");
                let first = u64::from(node) * 1_000_000_000 / MESSAGES_A_SECOND / u64::from(NODES);
                sleep(std::time::Duration::from_nanos(first)).await;
                for round in 0.. {
                    let other = 1 + ((u64::from(node) * 37 + round * 61) % u64::from(NODES)) as u16;
                    own.try_send(&[node as u8; 64], Some(address(other, PORT))).expect("room");
                    sleep(ms(1_000 / MESSAGES_A_SECOND)).await;
                }
            });
            while poll_fn(|cx| sender.poll_recv(cx, false)).await.is_ok() {}
        });
    }
    run(simulation, seconds)
}

#[test]
fn two_hundred_idle_nodes_cost_a_few_polls_each_however_long_they_are_idle() {
    let report = idle_hour();
    let nodes = u64::from(NODES);
    assert!(report.polls <= 3 * nodes, "{} polls", report.polls);
    assert!(report.events <= 6 * nodes, "{} events", report.events);
    assert!(report.polls >= 2 * nodes, "{} polls: nobody was there", report.polls);
}

#[test]
fn what_gossip_costs_grows_with_its_messages_and_with_nothing_else() {
    let (short, long) = (gossip(1), gossip(3));
    let messages = 2 * MESSAGES_A_SECOND * u64::from(NODES);
    // Sending is a timer and a poll, receiving an arrival and a poll; a poll is an event too, and so is its end.
    let (events, polls) = (long.events - short.events, long.polls - short.polls);
    assert!((2 * messages - 10..=2 * messages + 10).contains(&polls), "{polls} polls for {messages} messages");
    assert!((3 * messages..=6 * messages).contains(&events), "{events} events for {messages} messages");
}
