//! TCP in good weather: opening, talking, closing.

mod common;

use std::io::ErrorKind;

use common::*;
use stormglass_kernel::*;

/// A node that echoes whatever any connection sends, until it ends.
async fn echo(port: u16) {
    let listener = listen(port);
    while let Ok(stream) = accept(&listener).await {
        spawn_local(async move {
            while let Ok(bytes) = read(&stream, 4096).await {
                if bytes.is_empty() || write_all(&stream, &bytes).await.is_err() {
                    return;
                }
            }
        });
    }
}

#[test]
fn a_round_trip_takes_the_latency_of_both_links() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let report = simulation.run(async {
        boot(1);
        sleep(ms(1)).await;
        let begun = now();
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let opened = now();
        write_all(&stream, b"hello").await.expect("an open connection");
        let answer = read_exact(&stream, 5).await.expect("an open connection");
        (answer, opened - begun, now() - opened)
    });
    let (answer, opening, talking) = report.outcome.expect("the scenario ends by itself");
    assert_eq!(answer, b"hello");
    for taken in [opening, talking] {
        assert!((ms(2)..ms(2) + std::time::Duration::from_micros(5)).contains(&taken), "{taken:?}");
    }
}

#[test]
fn a_closed_port_refuses_after_a_round_trip() {
    let report = simulation(1, 1).run(async {
        let begun = now();
        let refused = kind(connect(address(1, 80)).await);
        (refused, now() - begun)
    });
    let (refused, taken) = report.outcome.expect("the scenario ends by itself");
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
    assert!((ms(2)..ms(3)).contains(&taken), "{taken:?}");
}
