//! TCP round trips of 64 bytes between two nodes, 1 ms each way, with the trace digest on.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stormglass_kernel::{Options, Simulation, spawn_local, with};
use stormglass_net::tcp::{Buffers, Listener, Stream};
use stormglass_net::{LinkOptions, Net, NetOptions, ip_of};

const MESSAGE: usize = 64;
const ROUND_TRIPS: u64 = 20_000;

async fn read_message(stream: &Stream, buffer: &mut [u8; MESSAGE]) {
    let mut filled = 0;
    while filled < MESSAGE {
        let into = &mut buffer[filled..];
        let max = into.len();
        let mut at = 0;
        let sink = |bytes: &[u8]| {
            into[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let mut sink = sink;
        let n = poll_fn(|cx| stream.poll_read(cx, max, &mut sink)).await.expect("an open connection");
        assert!(n > 0, "the peer closed");
        filled += n;
    }
}

async fn write_message(stream: &Stream, buffer: &[u8; MESSAGE]) {
    let mut written = 0;
    while written < MESSAGE {
        written += poll_fn(|cx| stream.poll_write(cx, &buffer[written..])).await.expect("an open connection");
    }
}

async fn serve() {
    let listener = Listener::bind(([0, 0, 0, 0], 80).into(), 128).expect("a free port");
    loop {
        let (stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a listener");
        spawn_local(async move {
            let mut buffer = [0; MESSAGE];
            for _ in 0..ROUND_TRIPS {
                read_message(&stream, &mut buffer).await;
                write_message(&stream, &buffer).await;
            }
        });
    }
}

fn round_trips() -> u64 {
    let mut simulation = Simulation::new(Options::new(1));
    let universe = simulation.universe();
    let server = universe.kernel.add_node("server").expect("a new name");
    let links = LinkOptions::constant(Duration::from_millis(1));
    universe.insert(Net::new(NetOptions { links, ..NetOptions::default() }));
    simulation.set_program(server, Rc::new(|| Box::pin(serve())));
    let report = simulation.run(async move {
        with(|u| u.kernel.boot(server));
        // The first SYN reaches the machine before its program listens: the listener is there when it is sent again.
        let stream = loop {
            let stream = Stream::connect(None, (ip_of(server), 80).into(), Buffers::default()).expect("a route");
            if poll_fn(|cx| stream.poll_connected(cx)).await.is_ok() {
                break stream;
            }
        };
        let mut buffer = [7; MESSAGE];
        for _ in 0..ROUND_TRIPS {
            write_message(&stream, &buffer).await;
            read_message(&stream, &mut buffer).await;
        }
    });
    report.outcome.expect("the scenario ends by itself");
    report.records
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tcp");
    group.throughput(Throughput::Elements(ROUND_TRIPS));
    group.bench_function("round trips of 64 B, 1 ms each way", |b| b.iter(round_trips));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
