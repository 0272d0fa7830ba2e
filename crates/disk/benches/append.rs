//! The path of a write-ahead log: append 100 bytes and sync, on one node, trace digest on.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stormglass_disk::{Disk, DiskOptions, Handle, OpenFlags, Reply, Request, submit};
use stormglass_kernel::{Options, Simulation};

const APPENDS: u64 = 10_000;

async fn ask(request: Request) -> Reply {
    let operation = submit(request).expect("a simulation with a disk");
    operation.await.expect("no fault is on")
}

fn append_and_sync(sync: bool) -> u64 {
    let mut simulation = Simulation::new(Options::new(1));
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let report = simulation.run(async move {
        let flags = OpenFlags { append: true, create: true, ..OpenFlags::default() };
        let Reply::Opened(key) = ask(Request::Open("/wal".into(), flags)).await else { return };
        let handle = Handle::adopt(key).expect("just opened");
        let key = handle.key().expect("just opened");
        let mut buffer = Vec::new();
        for _ in 0..APPENDS {
            buffer.extend_from_slice(&[7; 100]);
            if let Reply::Bytes(emptied) = ask(Request::Write(key, 0, std::mem::take(&mut buffer))).await {
                buffer = emptied;
            }
            if sync {
                ask(Request::Sync(key, true)).await;
            }
        }
    });
    report.records
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("wal");
    group.throughput(Throughput::Elements(APPENDS));
    group.bench_function("append 100 B and sync", |b| b.iter(|| black_box(append_and_sync(true))));
    group.bench_function("append 100 B", |b| b.iter(|| black_box(append_and_sync(false))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
