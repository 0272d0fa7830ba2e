//! Every operation on sockets that tokio documents as cancel safe, given up at every point at which it waits, over many
//! seeds: nothing is lost and nothing comes twice. Each operation is polled a chosen number of times, dropped, and begun
//! anew, until all that was sent has come.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation, mix, spawn_local};
use stormglass_net::{LinkOptions, Net, NetOptions};
use stormglass_tokio as tokio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};

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

#[test]
fn accepting_loses_no_connection() {
    over_seeds(|impatience| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("bound");
        let clients = spawn_local(async move {
            let mut open = Vec::new();
            for i in 0..10 {
                let mut stream = TcpStream::connect(at).await.expect("a listener");
                stream.write_all(&[i]).await.expect("open");
                open.push(stream);
            }
            open
        });
        let mut seen = Vec::new();
        for _ in 0..10 {
            let (mut stream, _) = impatience.until_done(|| listener.accept()).await.expect("a connection");
            seen.push(stream.read_u8().await.expect("a byte"));
        }
        assert_eq!(seen, numbers(10));
        drop(clients.await.expect("no task is cancelled"));
    });
}

#[test]
fn reading_loses_and_doubles_no_byte() {
    over_seeds(|impatience| async move {
        let (client, mut server) = pair().await;
        spawn_local(write_slowly(client, 40));
        let mut seen = Vec::new();
        loop {
            let (n, bytes) = {
                let cell = std::cell::RefCell::new(&mut server);
                impatience
                    .until_done(|| async {
                        let mut buffer = [0; 3];
                        // One operation at a time holds the stream.
                        let n = std::future::poll_fn(|cx| {
                            let mut stream = cell.borrow_mut();
                            let mut into = tokio::io::ReadBuf::new(&mut buffer);
                            let read = tokio::io::AsyncRead::poll_read(Pin::new(&mut **stream), cx, &mut into);
                            read.map_ok(|()| into.filled().len())
                        })
                        .await;
                        (n.expect("open"), buffer)
                    })
                    .await
            };
            if n == 0 {
                break;
            }
            seen.extend_from_slice(&bytes[..n]);
        }
        assert_eq!(seen, numbers(40));
    });
}

#[test]
fn readiness_peeking_and_try_calls_lose_nothing() {
    over_seeds(|impatience| async move {
        let (client, server) = pair().await;
        let writer = spawn_local(async move {
            for i in 0..40 {
                while let Err(error) = client.try_write(&[i]) {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    client.writable().await.expect("open");
                }
                tokio::time::sleep(Duration::from_micros(u64::from(i % 5) * 400)).await;
            }
        });
        let mut seen = Vec::new();
        loop {
            let mut first = [0; 1];
            match seen.len() % 3 {
                0 => impatience.until_done(|| server.readable()).await.expect("open"),
                1 => drop(impatience.until_done(|| server.ready(Interest::READABLE)).await.expect("open")),
                _ => {
                    let peeked = impatience.until_done(|| async {
                        let mut byte = [0; 1];
                        server.peek(&mut byte).await.map(|n| (n, byte))
                    });
                    let (n, byte) = peeked.await.expect("open");
                    if n == 1 {
                        assert_eq!(usize::from(byte[0]), seen.len());
                    }
                }
            }
            match server.try_read(&mut first) {
                Ok(0) => break,
                Ok(_) => seen.push(first[0]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(seen, numbers(40));
        writer.await.expect("no task is cancelled");
    });
}

#[test]
fn writing_through_readiness_loses_and_doubles_nothing() {
    over_seeds(|impatience| async move {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_send_buffer_size(64).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = socket.connect(listener.local_addr().expect("bound")).await.expect("a listener");
        let (mut server, _) = listener.accept().await.expect("a connection");
        let reader = spawn_local(async move {
            let mut seen = Vec::new();
            server.read_to_end(&mut seen).await.expect("an orderly end");
            seen
        });
        let sent: Vec<u8> = (0..600_u32).map(|i| i as u8).collect();
        let mut at = 0;
        while at < sent.len() {
            // `write` is cancel safe: if it is given up, nothing was written.
            let step = sent.len().min(at + 50);
            let wrote = impatience.until_done(|| async {
                loop {
                    client.writable().await.expect("open");
                    match client.try_write(&sent[at..step]) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        done => return done.expect("open"),
                    }
                }
            });
            at += wrote.await;
        }
        drop(client);
        assert_eq!(reader.await.expect("no task is cancelled"), sent);
    });
}

#[test]
fn lines_are_lost_by_no_given_up_fill() {
    over_seeds(|impatience| async move {
        let (client, server) = pair().await;
        spawn_local(write_slowly(client, 40));
        let mut reader = BufReader::new(server);
        let mut seen = Vec::new();
        loop {
            let filled = {
                let cell = std::cell::RefCell::new(&mut reader);
                impatience
                    .until_done(|| async {
                        std::future::poll_fn(|cx| {
                            let mut reader = cell.borrow_mut();
                            let bytes = tokio::io::AsyncBufRead::poll_fill_buf(Pin::new(&mut **reader), cx);
                            bytes.map_ok(<[u8]>::to_vec)
                        })
                        .await
                    })
                    .await
                    .expect("open")
            };
            if filled.is_empty() {
                break;
            }
            reader.consume(filled.len());
            seen.extend(filled);
        }
        assert_eq!(seen, numbers(40));
    });
}

#[test]
fn receiving_datagrams_loses_and_doubles_none() {
    over_seeds(|impatience| async move {
        let a = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let at = a.local_addr().expect("bound");
        let sender = spawn_local(async move {
            let b = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
            for i in 0..30 {
                b.send_to(&[i], at).await.expect("room");
                tokio::time::sleep(Duration::from_micros(u64::from(i % 5) * 300)).await;
            }
            b
        });
        let mut seen = Vec::new();
        for i in 0..30 {
            let mut byte = [0; 1];
            if i % 2 == 0 {
                impatience.until_done(|| a.peek_sender()).await.expect("a datagram");
                a.try_recv(&mut byte).expect("there");
            } else {
                let got = impatience.until_done(|| async {
                    let mut byte = [0; 1];
                    a.recv_from(&mut byte).await.map(|_| byte)
                });
                byte = got.await.expect("a datagram");
            }
            seen.push(byte[0]);
        }
        // They may overtake each other.
        seen.sort_unstable();
        assert_eq!(seen, numbers(30));
        drop(sender.await.expect("no task is cancelled"));
    });
}

#[test]
fn sending_datagrams_sends_each_once() {
    over_seeds(|impatience| async move {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        let receiver = spawn_local(async move {
            let mut seen = Vec::new();
            let mut buffer = vec![0; 20_000];
            while seen.len() < 40 {
                assert_eq!(b.recv(&mut buffer).await.expect("there"), 20_000);
                seen.push(buffer[0]);
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            seen
        });
        for i in 0..40 {
            let datagram = vec![i; 20_000];
            impatience.until_done(|| a.send(&datagram)).await.expect("room");
        }
        assert_eq!(receiver.await.expect("no task is cancelled"), numbers(40));
    });
}

#[test]
fn unix_sockets_lose_no_connection_and_no_byte() {
    over_seeds(|impatience| async move {
        let listener = UnixListener::bind("\0cancel").expect("a free name");
        spawn_local(async {
            for _ in 0..5 {
                let stream = UnixStream::connect("\0cancel").await.expect("a listener");
                spawn_local(write_slowly(stream, 20));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        for _ in 0..5 {
            let (stream, _) = impatience.until_done(|| listener.accept()).await.expect("a connection");
            let mut seen = Vec::new();
            loop {
                impatience.until_done(|| stream.readable()).await.expect("open");
                let mut byte = [0; 1];
                match stream.try_read(&mut byte) {
                    Ok(0) => break,
                    Ok(_) => seen.push(byte[0]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(seen, numbers(20));
        }
    });
}

#[test]
fn halves_lose_nothing_when_their_readiness_is_given_up() {
    over_seeds(|impatience| async move {
        let (client, server) = pair().await;
        let (reader, _kept) = server.into_split();
        let (_other, writer) = client.into_split();
        let again = impatience.clone();
        let writing = spawn_local(async move {
            for i in 0..30 {
                loop {
                    if i % 2 == 0 {
                        again.until_done(|| writer.writable()).await.expect("open");
                    } else {
                        again.until_done(|| writer.ready(Interest::WRITABLE)).await.expect("open");
                    }
                    match writer.try_write(&[i]) {
                        Ok(n) => break assert_eq!(n, 1),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
                tokio::time::sleep(Duration::from_micros(u64::from(i % 5) * 400)).await;
            }
        });
        let mut seen = Vec::new();
        loop {
            if seen.len() % 2 == 0 {
                impatience.until_done(|| reader.readable()).await.expect("open");
            } else {
                impatience.until_done(|| reader.ready(Interest::READABLE)).await.expect("open");
            }
            let mut byte = [0; 1];
            match reader.try_read(&mut byte) {
                Ok(0) => break,
                Ok(_) => seen.push(byte[0]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(seen, numbers(30));
        writing.await.expect("no task is cancelled");
    });
}

#[test]
fn a_write_that_is_given_up_wrote_nothing() {
    over_seeds(|impatience| async move {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_send_buffer_size(64).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = socket.connect(listener.local_addr().expect("bound")).await.expect("a listener");
        let (mut server, _) = listener.accept().await.expect("a connection");
        let reader = spawn_local(async move {
            let mut seen = Vec::new();
            server.read_to_end(&mut seen).await.expect("an orderly end");
            seen
        });
        let sent: Vec<u8> = (0..400_u32).map(|i| i as u8).collect();
        let (client, mut at) = (std::cell::RefCell::new(client), 0);
        while at < sent.len() {
            let step = sent.len().min(at + 50);
            let wrote = impatience.until_done(|| {
                std::future::poll_fn(|cx| {
                    let mut client = client.borrow_mut();
                    tokio::io::AsyncWrite::poll_write(Pin::new(&mut *client), cx, &sent[at..step])
                })
            });
            at += wrote.await.expect("open");
        }
        drop(client);
        assert_eq!(reader.await.expect("no task is cancelled"), sent);
    });
}

#[test]
fn datagrams_that_are_sent_are_sent_once() {
    over_seeds(|impatience| async move {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").await, UdpSocket::bind("127.0.0.1:0").await);
        let (a, b) = (a.expect("a free port"), b.expect("a free port"));
        let at = a.local_addr().expect("bound");
        b.connect(at).await.expect("a route");
        for i in 0..20 {
            let word = [i; 9_000];
            match i % 3 {
                0 => impatience.until_done(|| b.send(&word)).await.expect("room"),
                1 => impatience.until_done(|| b.send_to(&word, at)).await.expect("room"),
                _ => {
                    impatience.until_done(|| b.writable()).await.expect("open");
                    b.send(&word).await.expect("room")
                }
            };
            let mut buffer = [0; 9_000];
            let (n, _) = impatience
                .until_done(|| async { a.readable().await.and_then(|()| a.try_recv_from(&mut [0; 9_000])) })
                .await
                .expect("there");
            assert_eq!(n, 9_000);
            assert_eq!(a.try_recv(&mut buffer).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
        }
    });
}
