//! The law of a stream: in any weather its bytes arrive once and in order, or an error does.

use proptest::prelude::*;
use stormglass_kernel::*;
use stormglass_net::LinkOptions;
use stormglass_net::tcp::Stream;

use crate::common::*;

/// One thing that happens, after a pause in milliseconds.
#[derive(Clone, Copy, Debug)]
enum Weather {
    Cut { there: bool, back: bool },
    Loss(u32),
    Latency(u64),
    Heal,
    Pause,
    Resume,
    Kill,
    Power,
    Boot,
}

fn weather() -> impl Strategy<Value = Vec<(u64, Weather)>> {
    let one = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(there, back)| Weather::Cut { there, back }),
        3 => (0_u32..400_000).prop_map(Weather::Loss),
        2 => (0_u64..300).prop_map(Weather::Latency),
        4 => Just(Weather::Heal),
        1 => Just(Weather::Pause),
        2 => Just(Weather::Resume),
        1 => Just(Weather::Kill),
        1 => Just(Weather::Power),
        2 => Just(Weather::Boot),
    ];
    // Short against a transfer, which takes about a second, so that most of it happens while bytes flow.
    prop::collection::vec((prop_oneof![3 => 0_u64..150, 1 => 0_u64..2_000], one), 0..16)
}

async fn happen(list: Vec<(u64, Weather)>) {
    for (pause, weather) in list {
        sleep(ms(pause)).await;
        let node = node(1);
        match weather {
            Weather::Cut { there, back } => net(|n| {
                let [to, from] = both_ways(0, 1);
                let pairs: Vec<_> = [(there, to), (back, from)].into_iter().filter(|p| p.0).map(|p| p.1).collect();
                n.rules().cut(1, &pairs);
            }),
            Weather::Loss(ppm) => net(|n| n.rules().add_loss(1, &both_ways(0, 1), ppm)),
            Weather::Latency(extra) => {
                net(|n| n.rules().add_latency(1, &both_ways(0, 1), ms(extra), ms(extra)));
            }
            Weather::Heal => drop(net(|n| n.rules().remove(1))),
            Weather::Pause => _ = with(|u| u.kernel.pause(node)),
            Weather::Resume => _ = with(|u| u.kernel.resume(node)),
            Weather::Kill => _ = with(|u| u.kernel.take_down(node, Down::Kill)),
            Weather::Power => _ = with(|u| u.kernel.take_down(node, Down::PowerLoss)),
            Weather::Boot => _ = with(|u| u.kernel.boot(node)),
        }
    }
    with(|u| {
        u.kernel.resume(node(1));
        u.kernel.boot(node(1));
    });
    net(|n| n.rules().remove(1));
}

/// Writes the pattern in uneven pieces with pauses, then ends its half.
async fn write_unevenly(stream: &Stream, len: usize) -> std::io::Result<()> {
    let bytes = pattern(len);
    let mut written = 0;
    while written < len {
        let n = (1 + written * 7 % 30_000).min(len - written);
        write_all(stream, &bytes[written..written + n]).await?;
        written += n;
        sleep(ms((written % 5) as u64 * 10)).await;
    }
    stream.shutdown_write()
}

/// Accepts, and with each connection reads all and writes `len` at once.
async fn serve(len: usize) {
    let listener = listen(80);
    while let Ok(stream) = accept(&listener).await {
        let stream = std::rc::Rc::new(stream);
        let writer = std::rc::Rc::clone(&stream);
        spawn_local(async move {
            let _ = write_unevenly(&writer, len).await;
        });
        spawn_local(async move {
            let (bytes, end) = read_to_end(&stream).await;
            check(&bytes, len, end.is_ok());
        });
    }
}

fn check(bytes: &[u8], len: usize, ended_in_order: bool) {
    assert!(pattern(len).starts_with(bytes), "{} bytes, not those that were sent", bytes.len());
    assert!(!ended_in_order || bytes.len() == len, "an orderly end after {} of {len} bytes", bytes.len());
}

fn case(seed: u64, len: usize, reorders: bool, rough: bool, list: Vec<(u64, Weather)>) -> Report<()> {
    let mut links = LinkOptions { jitter: ms(2), reorders, ..LinkOptions::constant(ms(1)) };
    if rough {
        links.duplicate_ppm = 50_000;
        links.corrupt_ppm = 20_000;
        (links.reorder_ppm, links.reorder_by) = (30_000, ms(7));
        (links.mtu, links.bandwidth) = (Some(9_000), Some(50_000_000));
    }
    let mut simulation = simulation_with(Options::new(seed), 1, links);
    program(&mut simulation, 1, move || serve(len));
    simulation.run(async move {
        boot(1);
        sleep(ms(1)).await;
        let killed = list.iter().any(|(_, w)| matches!(w, Weather::Kill | Weather::Power));
        let happening = spawn_local(happen(list));
        if let Ok(stream) = connect(address(1, 80)).await {
            let stream = std::rc::Rc::new(stream);
            let writer = std::rc::Rc::clone(&stream);
            let writing = spawn_local(async move { write_unevenly(&writer, len).await });
            let read = timeout(secs(2_000), read_to_end(&stream)).await;
            // A reader whose peer lost power while idle hears nothing: the writer's error is its only news.
            if let Some((bytes, end)) = read {
                // A killed program's connection ends in order wherever it was.
                check(&bytes, len, end.is_ok() && !killed);
                assert!(killed || end.is_ok(), "{end:?} though nobody was killed");
            } else {
                assert!(killed, "the stream hangs");
            }
            let wrote = timeout(secs(2_000), writing).await.expect("a writer ends").expect("no task is cancelled");
            assert!(killed || wrote.is_ok(), "{wrote:?} though nobody was killed");
        }
        happening.await.expect("no task is cancelled");
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_once_and_in_order_or_an_error_does(
        seed: u64,
        len in prop_oneof![Just(0), 1_usize..2_000, 1_usize..400_000],
        reorders: bool,
        rough: bool,
        list in weather(),
    ) {
        let report = case(seed, len, reorders, rough, list.clone());
        prop_assert_eq!(&report.outcome, &Ok(()));
        prop_assert_eq!(case(seed, len, reorders, rough, list).digest, report.digest);
    }
}
