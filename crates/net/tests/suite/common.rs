//! What every test of the network shares: a simulation with nodes, sleep, and futures over the handles.

#![allow(unreachable_pub)]

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use stormglass_kernel::*;
use stormglass_net::tcp::{Buffers, Listener, Stream};
use stormglass_net::{LinkOptions, Net, NetOptions, ip_of};

pub struct Sleep {
    deadline_ns: u64,
    timer: Option<TimerId>,
}

pub fn sleep(delay: Duration) -> Sleep {
    Sleep { deadline_ns: with(|u| u.kernel.deadline_after(delay)), timer: None }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline_ns = self.deadline_ns;
        let fired = with(|u| {
            let timer = *self.timer.get_or_insert_with(|| u.kernel.create_timer(deadline_ns));
            u.kernel.note_wait(Wait::Timer { deadline_ns });
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

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A program that does nothing for ever.
pub async fn idle() {
    std::future::pending::<()>().await;
}

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn now() -> VirtualTime {
    with(|u| u.kernel.now())
}

/// Changes the network of the current simulation.
pub fn net<R>(f: impl FnOnce(&mut Net) -> R) -> R {
    with(|u| f(u.get::<Net>().expect("the simulation has a network").0))
}

pub fn node(index: u16) -> NodeId {
    NodeId::from_index(index)
}

pub fn address(index: u16, port: u16) -> SocketAddr {
    (ip_of(node(index)), port).into()
}

pub fn both_ways(a: u16, b: u16) -> [(NodeId, NodeId); 2] {
    [(node(a), node(b)), (node(b), node(a))]
}

/// A simulation of `nodes` nodes beside the driver, called n1, n2 and so on, with constant links of 1 ms.
pub fn simulation(seed: u64, nodes: u16) -> Simulation {
    simulation_with(Options::new(seed), nodes, LinkOptions::constant(ms(1)))
}

pub fn simulation_with(options: Options, nodes: u16, links: LinkOptions) -> Simulation {
    let mut simulation = Simulation::new(options);
    let universe = simulation.universe();
    for i in 1..=nodes {
        universe.kernel.add_node(&format!("n{i}")).expect("a new name");
    }
    universe.insert(Net::new(NetOptions { links, ..NetOptions::default() }));
    simulation
}

/// Sets the program of a node.
pub fn program<F: Future<Output = ()> + 'static>(s: &mut Simulation, index: u16, f: impl Fn() -> F + 'static) {
    s.set_program(node(index), Rc::new(move || Box::pin(f())));
}

pub fn boot(index: u16) {
    assert!(with(|u| u.kernel.boot(node(index))), "n{index} was up");
}

pub fn take_down(index: u16, how: Down) {
    assert!(with(|u| u.kernel.take_down(node(index), how)).is_some(), "n{index} was down");
}

pub fn listen(port: u16) -> Listener {
    Listener::bind(([0, 0, 0, 0], port).into(), 1024).expect("the port is free")
}

pub async fn accept(listener: &Listener) -> io::Result<Stream> {
    poll_fn(|cx| listener.poll_accept(cx)).await.map(|(stream, _)| stream)
}

pub async fn connect(to: SocketAddr) -> io::Result<Stream> {
    let stream = Stream::connect(None, to, Buffers::default())?;
    poll_fn(|cx| stream.poll_connected(cx)).await?;
    Ok(stream)
}

pub async fn read(stream: &Stream, max: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    poll_fn(|cx| stream.poll_read(cx, max, |bytes| out.extend_from_slice(bytes))).await?;
    Ok(out)
}

pub async fn read_exact(stream: &Stream, n: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    while out.len() < n {
        let more = read(stream, n - out.len()).await?;
        if more.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.extend(more);
    }
    Ok(out)
}

pub async fn read_to_end(stream: &Stream) -> (Vec<u8>, io::Result<()>) {
    let mut out = Vec::new();
    loop {
        match read(stream, 64 * 1024).await {
            Ok(more) if more.is_empty() => return (out, Ok(())),
            Ok(more) => out.extend(more),
            Err(e) => return (out, Err(e)),
        }
    }
}

pub async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// `None` when `delay` passes first.
pub async fn timeout<F: Future>(delay: Duration, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut sleep = sleep(delay);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| None)
    })
    .await
}

pub fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
    result.err().map(|e| e.kind())
}

pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) >> 3) as u8).collect()
}

/// Runs a scenario that must end by itself and gives what it gave.
pub fn finish<T: std::fmt::Debug + 'static>(s: Simulation, main: impl Future<Output = T> + 'static) -> T {
    s.run(main).outcome.expect("the scenario ends by itself")
}

/// A node that echoes whatever any connection sends, until it ends.
pub async fn echo(port: u16) {
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
