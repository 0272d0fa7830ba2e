//! What the kernel costs: polls, timers, and whole small simulations, with the trace digest on.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stormglass_kernel::{NodeId, Options, Simulation, TimerId, spawn_local, try_with, with};

async fn yield_now() {
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

struct Sleep {
    deadline_ns: u64,
    timer: Option<TimerId>,
}

fn sleep(delay: Duration) -> Sleep {
    Sleep { deadline_ns: with(|u| u.kernel.deadline_after(delay)), timer: None }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline_ns = self.deadline_ns;
        let fired = with(|u| {
            let timer = *self.timer.get_or_insert_with(|| u.kernel.create_timer(deadline_ns));
            u.kernel.poll_timer(timer, cx.waker())
        });
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            try_with(|u| u.kernel.cancel_timer(timer));
        }
    }
}

/// A simulation of `nodes` nodes, each of which runs `tasks` tasks made by `task`; ends when all of them have.
fn run<F: Future<Output = ()> + 'static>(nodes: u16, tasks: u64, task: fn(u64) -> F) -> u64 {
    let mut simulation = Simulation::new(Options::new(1));
    let ids: Vec<NodeId> = (0..nodes).filter_map(|n| simulation.universe().kernel.add_node(&format!("n{n}"))).collect();
    for &id in &ids {
        simulation.set_program(
            id,
            Rc::new(move || {
                Box::pin(async move {
                    let handles: Vec<_> = (0..tasks).map(|n| spawn_local(task(n))).collect();
                    for handle in handles {
                        let _ = handle.await;
                    }
                })
            }),
        );
    }
    let report = simulation.run(async move {
        for &id in &ids {
            with(|u| u.kernel.boot(id));
        }
        while ids.iter().any(|&id| with(|u| u.kernel.node(id).is_up())) {
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    report.polls
}

async fn yields(_: u64) {
    for _ in 0..1_000 {
        yield_now().await;
    }
}

async fn sleeps(n: u64) {
    for i in 0..100 {
        sleep(Duration::from_nanos(1_000_000 + (n * 7_919 + i * 104_729) % 9_000_000)).await;
    }
}

async fn idle(_: u64) {
    sleep(Duration::from_millis(10)).await;
}

fn polls(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel");
    group.sample_size(20);
    group.throughput(Throughput::Elements(run(5, 20, yields)));
    group.bench_function("polls, 100 yielding tasks on 5 nodes", |b| b.iter(|| black_box(run(5, 20, yields))));
    group.throughput(Throughput::Elements(1_000 * 100));
    group.bench_function("timers, 1000 tasks sleeping 1-10 ms on 5 nodes", |b| {
        b.iter(|| black_box(run(5, 200, sleeps)))
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("5-node simulations, one timer each", |b| b.iter(|| black_box(run(5, 1, idle))));
    group.throughput(Throughput::Elements(1));
    group.bench_function("200 idle nodes for 10 ms", |b| b.iter(|| black_box(run(200, 1, idle))));
    group.finish();
}

criterion_group!(benches, polls);
criterion_main!(benches);
