//! Two hundred nodes, idle for a simulated hour and in a gossip for a simulated second, with the trace digest on.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[allow(dead_code, reason = "the bench uses a part of what the tests use")]
#[path = "../tests/suite/common.rs"]
mod common;
#[allow(dead_code, reason = "its tests are not run here")]
#[path = "../tests/suite/crowd.rs"]
mod crowd;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("200 nodes");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(3_600));
    group.bench_function("idle for a simulated hour", |b| b.iter(|| black_box(crowd::idle_hour())));
    group.throughput(Throughput::Elements(1));
    group.bench_function("10 messages a second each, a simulated second", |b| b.iter(|| black_box(crowd::gossip(1))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
