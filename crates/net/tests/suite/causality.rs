//! Equal runs are equal, and unrelated flows do not disturb each other.

use stormglass_kernel::*;
use stormglass_net::LinkOptions;

use crate::common::*;

fn busy(seed: u64) -> Report<()> {
    let links = LinkOptions { loss_ppm: 20_000, ..LinkOptions::default() };
    let mut simulation = simulation_with(Options::new(seed), 3, links);
    for index in 1..=3 {
        program(&mut simulation, index, || echo(80));
    }
    simulation.run(async {
        (1..=3).for_each(boot);
        sleep(ms(1)).await;
        let clients: Vec<_> = (1..=3).map(|index| spawn_local(talk(index, 50))).collect();
        sleep(ms(20)).await;
        net(|n| n.rules().cut(1, &both_ways(0, 2)));
        take_down(3, Down::Kill);
        sleep(ms(700)).await;
        net(|n| n.rules().remove(1));
        boot(3);
        for client in clients {
            client.await.expect("no task is cancelled");
        }
    })
}

/// Talks to an echoing node, over new connections if one breaks.
async fn talk(index: u16, times: usize) {
    let mut done = 0;
    while done < times {
        let Ok(stream) = connect(address(index, 80)).await else {
            sleep(ms(50)).await;
            continue;
        };
        while done < times {
            if write_all(&stream, &pattern(300)).await.is_err() || read_exact(&stream, 300).await.is_err() {
                break;
            }
            done += 1;
        }
    }
}

#[test]
fn one_seed_gives_one_digest_and_another_seed_another() {
    let first = busy(1);
    assert_eq!(first.outcome, Ok(()));
    assert!(first.records > 1_000);
    assert_eq!(busy(1).digest, first.digest);
    assert_ne!(busy(2).digest, first.digest);
}

/// What a pair of nodes did, while another pair is busy or is not.
fn pair_beside(other_is_busy: bool) -> Vec<Record> {
    let records = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&records);
    let mut options = Options::new(9);
    options.trace = Some(Box::new(move |bytes: &[u8]| {
        let (chunks, _) = bytes.as_chunks::<RECORD_BYTES>();
        sink.lock().expect("no test panics while holding it").extend(chunks.iter().map(Record::from_bytes));
    }));
    let mut simulation = simulation_with(options, 4, LinkOptions { loss_ppm: 30_000, ..LinkOptions::default() });
    for index in [1, 3] {
        program(&mut simulation, index, || echo(80));
    }
    program(&mut simulation, 2, || async {
        sleep(ms(5)).await;
        talk(1, 100).await;
        idle().await;
    });
    program(&mut simulation, 4, move || async move {
        sleep(ms(2)).await;
        if other_is_busy {
            talk(3, 300).await;
        }
        idle().await;
    });
    let report = simulation.run(async {
        (1..=4).for_each(boot);
        sleep(secs(30)).await;
    });
    assert_eq!(report.outcome, Ok(()));
    let records = std::mem::take(&mut *records.lock().expect("no test panics while holding it"));
    records.into_iter().filter(|r| r.node == node(1) || r.node == node(2)).collect()
}

#[test]
fn a_pair_of_nodes_does_the_same_whatever_another_pair_does() {
    let (quiet, busy) = (pair_beside(false), pair_beside(true));
    assert!(quiet.len() > 500, "{} records", quiet.len());
    let difference = quiet.iter().zip(&busy).position(|(a, b)| a != b);
    assert_eq!(difference.map(|i| (quiet[i], busy[i])), None);
    assert_eq!(quiet.len(), busy.len());
}

#[test]
fn a_decision_of_one_flow_can_be_overridden_by_its_name() {
    let taken = |line: Option<&str>| {
        let mut options = Options::new(1);
        options.overrides = line.map(|l| l.parse().expect("a well-formed override")).into_iter().collect();
        let links = LinkOptions { jitter: ms(50), ..LinkOptions::constant(ms(1)) };
        let mut simulation = simulation_with(options, 1, links);
        program(&mut simulation, 1, || echo(80));
        let report = simulation.run(async {
            boot(1);
            sleep(ms(1)).await;
            let begun = now();
            let _stream = connect(address(1, 80)).await.expect("n1 listens");
            now() - begun
        });
        assert_eq!(report.unused_overrides, Vec::<String>::new());
        report.outcome.expect("the scenario ends by itself")
    };
    let plain = taken(None);
    assert_ne!(taken(Some("net.delay driver>n1 tcp#1 @0 = 51000000")), plain);
    assert_ne!(taken(Some("net.delay driver<n1 tcp#1 @0 = 51000000")), plain);
    let lost = taken(Some("net.loss driver>n1 tcp#1 @0 = 1"));
    assert!(lost >= secs(1), "a lost SYN is sent again after a second: {lost:?}");
}
