//! Operations on files one by one, and what a disk costs a simulation that never uses it.

use std::future::poll_fn;
use std::hint::black_box;
use std::task::Poll;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stormglass_disk::{Disk, DiskOptions, Handle, OpenFlags, Reply, Request, submit};
use stormglass_kernel::{Options, Simulation};

const OPERATIONS: u64 = 10_000;
const BLOCK: u64 = 4_096;
/// Blocks of the file, used round and round.
const BLOCKS: u64 = 256;

#[derive(Clone, Copy)]
enum What {
    Write,
    WriteAndSync,
    Read,
    OpenAndClose,
}

async fn ask(request: Request) -> Reply {
    let operation = submit(request).expect("a simulation with a disk");
    operation.await.expect("no fault is on")
}

async fn open() -> Handle {
    let flags = OpenFlags { read: true, write: true, create: true, ..OpenFlags::default() };
    match ask(Request::Open("/file".into(), flags)).await {
        Reply::Opened(key) => Handle::adopt(key).expect("just opened"),
        other => panic!("an open gave {other:?}"),
    }
}

fn work(what: What) -> u64 {
    let mut simulation = Simulation::new(Options::new(1));
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let report = simulation.run(async move {
        let file = open().await;
        let key = file.key().expect("just opened");
        ask(Request::Put(key, Some(0), vec![7; (BLOCK * BLOCKS) as usize])).await;
        ask(Request::Sync(key, false)).await;
        let mut buffer = Vec::new();
        for n in 0..OPERATIONS {
            let at = n % BLOCKS * BLOCK;
            match what {
                What::Write | What::WriteAndSync => {
                    ask(Request::Put(key, Some(at), vec![n as u8; BLOCK as usize])).await;
                    if matches!(what, What::WriteAndSync) {
                        ask(Request::Sync(key, true)).await;
                    }
                }
                What::Read => {
                    buffer.clear();
                    match ask(Request::ReadAt(key, at, BLOCK as usize, std::mem::take(&mut buffer))).await {
                        Reply::Bytes(read) => buffer = read,
                        other => panic!("a read gave {other:?}"),
                    }
                }
                What::OpenAndClose => drop(open().await),
            }
        }
    });
    report.records
}

/// A task that yields, in a world with a disk or without one.
fn no_files(with_disk: bool) -> u64 {
    let mut simulation = Simulation::new(Options::new(1));
    if with_disk {
        simulation.universe().insert(Disk::new(DiskOptions::default()));
    }
    let report = simulation.run(async {
        for _ in 0..OPERATIONS {
            let mut yielded = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    });
    report.polls
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("file");
    group.throughput(Throughput::Elements(OPERATIONS));
    group.bench_function("write 4 KiB", |b| b.iter(|| black_box(work(What::Write))));
    group.bench_function("write 4 KiB and fdatasync", |b| b.iter(|| black_box(work(What::WriteAndSync))));
    group.bench_function("read 4 KiB", |b| b.iter(|| black_box(work(What::Read))));
    group.bench_function("open and close", |b| b.iter(|| black_box(work(What::OpenAndClose))));
    group.finish();
    let mut group = c.benchmark_group("no file");
    group.throughput(Throughput::Elements(OPERATIONS));
    group.bench_function("polls in a world without a disk", |b| b.iter(|| black_box(no_files(false))));
    group.bench_function("polls in a world with a disk", |b| b.iter(|| black_box(no_files(true))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
