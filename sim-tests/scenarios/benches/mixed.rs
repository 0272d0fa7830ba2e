//! What a seed of ChainFire's mixed scenario costs: five nodes, five clients at 100 operations a second, a minute of
//! weather, judged. Each iteration is the next seed, so that the figure is a mean over weathers and not over one.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use stormglass::faults::Seed;
use stormglass::harness::{Limits, RunRequest, Verdict, registered};

#[allow(dead_code, reason = "the bench uses a part of what the scenarios use")]
#[path = "../tests/chainfire/attribution.rs"]
mod attribution;
#[allow(dead_code, reason = "the bench uses a part of what the scenarios use")]
#[path = "../tests/chainfire/cluster.rs"]
mod cluster;
#[path = "../tests/chainfire/mixed.rs"]
mod mixed;
#[allow(dead_code, reason = "the bench uses a part of what the scenarios use")]
#[path = "../tests/chainfire/oracle.rs"]
mod oracle;
#[path = "../tests/chainfire/workload.rs"]
mod workload;

fn mixed_seed(c: &mut Criterion) {
    let scenarios = registered().expect("names are unique");
    let scenario = scenarios["chainfire_mixed"];
    let seed = Cell::new(0);
    let mut group = c.benchmark_group("scenario");
    group.sample_size(20).measurement_time(Duration::from_secs(20));
    group.bench_function("chainfire_mixed, one seed", |b| {
        b.iter(|| {
            seed.set(seed.get() + 1);
            let limits = Limits::for_virtual_time(scenario.defaults.virtual_time);
            let record = (scenario.run)(&RunRequest::new(Seed(seed.get()), limits)).expect("the request is plain");
            assert_eq!(record.verdict, Verdict::Pass, "seed {}: {:?}", record.seed, record.evidence);
            black_box(record)
        });
    });
    group.finish();
}

criterion_group!(benches, mixed_seed);
criterion_main!(benches);
