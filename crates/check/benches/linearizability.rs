//! What a linearizability check costs on histories of the size that one seed of a campaign leaves behind.

#[path = "../tests/oracle/generate.rs"]
mod generate;
#[path = "../tests/oracle/mod.rs"]
mod oracle;

use criterion::{Criterion, criterion_group, criterion_main};
use generate::{Features, Shape, rng, valid};
use std::hint::black_box;
use stormglass_check::linearizable;
use stormglass_check::model::Kv;

fn campaign(criterion: &mut Criterion) {
    let cas = Features { cas: true, ..Features::default() };
    let all = Features { cas: true, delete: true, append: true, ..Features::default() };
    let cases = [
        ("unique values, 10 keys", 10, 0, Features::default()),
        ("unique values with cas, 10 keys", 10, 0, cas),
        ("few values with cas, 10 keys", 10, 5, cas),
        ("few values with cas, 50 keys", 50, 5, cas),
        ("few values with cas, 1 key", 1, 5, cas),
        ("everything but transactions, 10 keys", 10, 5, all),
    ];
    let mut group = criterion.benchmark_group("6,000 operations, 5 clients, 1 % unknown");
    for (name, keys, values, features) in cases {
        let shape = Shape { operations: 6_000, clients: 5, keys, values, unknown: 1, length: 1_000, features };
        let history = valid(&mut rng(1), &shape);
        group.bench_function(name, |bencher| {
            bencher.iter(|| linearizable(&Kv::default(), black_box(&history)));
        });
    }
    group.finish();
}

criterion_group!(benches, campaign);
criterion_main!(benches);
