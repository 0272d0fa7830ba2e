//! Every operation on sockets that tokio documents as cancel safe, given up at every point at which it waits, over many
//! seeds: nothing is lost and nothing comes twice. Each operation is polled a chosen number of times, dropped, and begun
//! anew, until all that was sent has come.
#![cfg(target_os = "linux")]

mod datagrams;
mod halves;
mod streams;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation, mix};
use stormglass_net::{LinkOptions, Net, NetOptions};
use stormglass_tokio as tokio;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const SEEDS: u64 = 1_000;

/// Drops the future after so many polls that had to wait.
struct GivenUp<F> {
    future: Option<Pin<Box<F>>>,
    polls: u64,
    given_up: Rc<Cell<u64>>,
}

impl<F: Future> Future for GivenUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if self.polls == 0 {
            self.future = None;
            self.given_up.set(self.given_up.get() + 1);
            // It had not begun to wait in vain: the task looks again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.polls -= 1;
        Poll::Pending
    }
}

/// How often and how patiently operations are given up, by seed.
#[derive(Clone)]
struct Impatience {
    seed: u64,
    draws: Rc<Cell<u64>>,
    given_up: Rc<Cell<u64>>,
}

impl Impatience {
    /// Runs the operations that `make` makes until one of them completes.
    async fn until_done<F: Future>(&self, mut make: impl FnMut() -> F) -> F::Output {
        loop {
            let draw = self.draws.get();
            self.draws.set(draw + 1);
            let bits = mix(self.seed, draw);
            // Half are patient enough to see something; a pause lets things arrive between two tries.
            let polls = if bits & 1 == 0 { bits >> 1 & 3 } else { 1_000 };
            let future = Some(Box::pin(make()));
            if let Some(output) = (GivenUp { future, polls, given_up: Rc::clone(&self.given_up) }).await {
                return output;
            }
            tokio::time::sleep(Duration::from_micros(bits >> 40 & 0xfff)).await;
        }
    }
}

/// Runs `test` over all seeds; operations must have been given up.
fn over_seeds<F: Future<Output = ()> + 'static>(test: impl Fn(Impatience) -> F) {
    let given_up = Rc::new(Cell::new(0));
    for seed in 0..SEEDS {
        let impatience = Impatience { seed, draws: Rc::default(), given_up: Rc::clone(&given_up) };
        let mut simulation = Simulation::new(Options::new(seed));
        let links = LinkOptions { loss_ppm: 10_000, ..LinkOptions::default() };
        simulation.universe().insert(Net::new(NetOptions { links, ..NetOptions::default() }));
        simulation.universe().insert(Disk::new(DiskOptions::default()));
        let report = simulation.run(test(impatience));
        assert_eq!(report.outcome, Ok(()), "seed {seed}: {:?}", report.waiting);
    }
    assert!(given_up.get() > SEEDS / 2, "only {} operations were given up", given_up.get());
}

/// Writes 0, 1, 2 … byte by byte, each when the socket says that it can take it.
macro_rules! write_when_ready {
    ($impatience:expr, $writer:expr, $count:expr) => {
        for i in 0..$count {
            loop {
                if i % 2 == 0 {
                    $impatience.until_done(|| $writer.writable()).await.expect("open");
                } else {
                    $impatience.until_done(|| $writer.ready(Interest::WRITABLE)).await.expect("open");
                }
                match $writer.try_write(&[i]) {
                    Ok(n) => break assert_eq!(n, 1),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            tokio::time::sleep(Duration::from_micros(u64::from(i % 5) * 400)).await;
        }
    };
}
use write_when_ready;

/// Reads byte by byte to the end, each when the socket says that there is one.
macro_rules! read_when_ready {
    ($impatience:expr, $reader:expr) => {{
        let mut seen = Vec::new();
        loop {
            if seen.len() % 2 == 0 {
                $impatience.until_done(|| $reader.readable()).await.expect("open");
            } else {
                $impatience.until_done(|| $reader.ready(Interest::READABLE)).await.expect("open");
            }
            let mut byte = [0; 1];
            match $reader.try_read(&mut byte) {
                Ok(0) => break seen,
                Ok(_) => seen.push(byte[0]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }};
}
use read_when_ready;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a listener");
    (client, listener.accept().await.expect("a connection").0)
}

/// Writes 0, 1, 2 … with pauses.
async fn write_slowly(mut stream: impl tokio::io::AsyncWrite + Unpin, count: u8) {
    for i in 0..count {
        stream.write_all(&[i]).await.expect("open");
        stream.flush().await.expect("open");
        tokio::time::sleep(Duration::from_micros(u64::from(i % 7) * 300)).await;
    }
}

fn numbers(count: u8) -> Vec<u8> {
    (0..count).collect()
}
