//! One source, two worlds: each test runs on real loopback sockets and in a simulation.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use stormglass_kernel::{Fifo, Options, Simulation};
use stormglass_net::Net;
use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::support::SURROUNDINGS;

/// Runs `test` on real sockets, then on the loopback of a simulated node.
fn in_both_worlds<F: Future<Output = ()> + 'static>(test: impl Fn() -> F) {
    real_tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(real_tokio::task::LocalSet::new().run_until(test()));
    in_simulation(test());
}

fn in_simulation(test: impl Future<Output = ()> + 'static) {
    in_simulation_with(Options::new(1), test);
}

fn in_simulation_with(options: Options, test: impl Future<Output = ()> + 'static) {
    let mut simulation = Simulation::new(Options { on_poll: Some(SURROUNDINGS.before_poll), ..options });
    simulation.universe().insert(Net::default());
    let report = SURROUNDINGS.run(|| simulation.run(test));
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    // The handshake needs no accept, in neither world.
    let client = TcpStream::connect(address).await.expect("a listener");
    let (server, from) = listener.accept().await.expect("a connection");
    assert_eq!(from, client.local_addr().expect("open"));
    assert_eq!(server.peer_addr().expect("open"), from);
    assert_eq!(client.peer_addr().expect("open"), address);
    (client, server)
}

/// Runs both at once on the current task.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    real_tokio::join!(a, b)
}

#[test]
fn bytes_arrive_in_order_and_then_the_end() {
    in_both_worlds(|| async {
        let (mut client, mut server) = pair().await;
        client.write_all(b"hello ").await.expect("open");
        client.write_all(b"world").await.expect("open");
        client.shutdown().await.expect("open");
        let mut text = String::new();
        server.read_to_string(&mut text).await.expect("an orderly end");
        assert_eq!(text, "hello world");
        server.write_all(b"and back").await.expect("the other half is open");
        drop(server);
        text.clear();
        client.read_to_string(&mut text).await.expect("an orderly end");
        assert_eq!(text, "and back");
        let error = client.write_all(b"x").await.expect_err("this half was shut down");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_megabyte_goes_through_both_ways_at_once_in_owned_halves() {
    in_both_worlds(|| async {
        let (client, server) = pair().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i >> 3) as u8).collect();
        let exchange = |stream: TcpStream, sent: Vec<u8>| async move {
            let (mut read, mut write) = stream.into_split();
            let (wrote, received) = both(
                async {
                    write.write_all(&sent).await?;
                    write.shutdown().await
                },
                async {
                    let mut received = Vec::new();
                    read.read_to_end(&mut received).await.map(|_| received)
                },
            )
            .await;
            wrote.expect("open");
            assert!(received.expect("an orderly end") == sent);
            read.reunite(write).expect("the halves of one stream");
        };
        both(exchange(client, sent.clone()), exchange(server, sent)).await;
    });
}

#[test]
fn borrowed_halves_work_side_by_side() {
    in_both_worlds(|| async {
        let (mut client, mut server) = pair().await;
        let (mut read, mut write) = client.split();
        let echo = async {
            let mut buffer = [0; 5];
            server.read_exact(&mut buffer).await.expect("open");
            server.write_all(&buffer).await.expect("open");
        };
        let talk = async {
            write.write_all(b"12345").await.expect("open");
            let mut peeked = [0; 3];
            assert_eq!(read.peek(&mut peeked).await.expect("open"), 3);
            let mut buffer = [0; 5];
            read.read_exact(&mut buffer).await.expect("open");
            assert_eq!((&peeked, &buffer), (b"123", b"12345"));
        };
        both(echo, talk).await;
    });
}

#[test]
fn halves_of_different_streams_do_not_reunite() {
    in_both_worlds(|| async {
        let ((a, _x), (b, _y)) = (pair().await, pair().await);
        let ((a, _c), (_d, b)) = (a.into_split(), b.into_split());
        let error = a.reunite(b).expect_err("two streams");
        assert_eq!(error.to_string(), "tried to reunite halves that are not from the same socket");
    });
}

#[test]
fn dropping_the_write_half_ends_the_stream_and_forgetting_it_does_not() {
    in_both_worlds(|| async {
        let (client, mut server) = pair().await;
        let (_read, write) = client.into_split();
        drop(write);
        assert_eq!(server.read(&mut [0; 8]).await.expect("an orderly end"), 0);
        let (client, server) = pair().await;
        let (read, write) = client.into_split();
        write.forget();
        assert_eq!(server.try_read(&mut [0; 8]).expect_err("open").kind(), ErrorKind::WouldBlock);
        drop(read);
        server.readable().await.expect("a socket");
        assert_eq!(server.try_read(&mut [0; 8]).expect("an orderly end"), 0);
    });
}

#[test]
fn nobody_listening_is_refused_and_a_port_in_use_says_so() {
    in_both_worlds(|| async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let error = TcpListener::bind(address).await.expect_err("the port is in use");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(listener);
        let error = TcpStream::connect(address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "Connection refused (os error 111)");
        TcpListener::bind(address).await.expect("the port is free again");
    });
}

#[test]
fn the_first_of_several_addresses_that_answers_is_taken() {
    in_both_worlds(|| async {
        let listener = TcpListener::bind("localhost:0").await.expect("a free port");
        let good = listener.local_addr().expect("bound");
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
        let list: &[SocketAddr] = &[closed, good];
        let stream = TcpStream::connect(list).await.expect("the second answers");
        assert_eq!(stream.peer_addr().expect("open"), good);
        let none: &[SocketAddr] = &[];
        let error = TcpStream::connect(none).await.expect_err("no address");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidInput, "could not resolve to any address")
        );
        let mut found = lookup_host("127.0.0.1:80").await.expect("a number");
        assert_eq!(found.next(), Some(([127, 0, 0, 1], 80).into()));
        assert!(lookup_host("no-such-host.invalid:80").await.is_err());
    });
}

#[test]
fn readiness_and_try_calls_agree() {
    in_both_worlds(|| async {
        let (client, mut server) = pair().await;
        assert_eq!(client.try_read(&mut [0; 4]).expect_err("nothing there").kind(), ErrorKind::WouldBlock);
        let ready = client.ready(Interest::READABLE | Interest::WRITABLE).await.expect("a socket");
        assert!(ready.is_writable() && !ready.is_readable());
        assert_eq!(client.try_write(b"ping").expect("room"), 4);
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await.expect("open");
        server.write_all(b"pong!").await.expect("open");
        client.readable().await.expect("a socket");
        let mut bytes = Vec::with_capacity(16);
        assert_eq!(client.try_read_buf(&mut bytes).expect("there"), 5);
        assert_eq!(bytes, b"pong!");
        drop(server);
        let ready = client.ready(Interest::READABLE).await.expect("a socket");
        assert!(ready.is_readable());
        assert_eq!(client.try_read(&mut [0; 4]).expect("the end"), 0);
    });
}

#[test]
fn a_socket_is_set_up_before_it_connects_or_listens() {
    in_both_worlds(|| async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a socket");
        socket.set_nodelay(true).expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(16).expect("a bound socket");
        let address = listener.local_addr().expect("bound");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_nodelay(true).expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let local = socket.local_addr().expect("bound");
        let stream = socket.connect(address).await.expect("a listener");
        assert_eq!(stream.local_addr().expect("open"), local);
        assert!(stream.nodelay().expect("open"));
        stream.set_nodelay(false).expect("open");
        assert!(!stream.nodelay().expect("open"));
        assert_eq!(listener.accept().await.expect("a connection").1, local);
    });
}

#[test]
fn zero_linger_resets() {
    in_both_worlds(|| async {
        let (client, mut server) = pair().await;
        client.set_zero_linger().expect("open");
        assert_eq!(client.linger().expect("open"), Some(Duration::ZERO));
        drop(client);
        let error = server.read(&mut [0; 4]).await.expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(error.to_string(), "Connection reset by peer (os error 104)");
    });
}

#[test]
fn vectored_writes_and_reads_take_their_buffers_in_turn() {
    in_both_worlds(|| async {
        use std::io::{IoSlice, IoSliceMut};
        let (mut client, server) = pair().await;
        let sent = client.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b"cde")]).await;
        assert_eq!(sent.expect("open"), 5);
        while server.peek(&mut [0; 5]).await.expect("open") < 5 {}
        let (mut first, mut second) = ([0; 3], [0; 8]);
        let got = server.try_read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]);
        assert_eq!(got.expect("there"), 5);
        assert_eq!((&first, &second[..2]), (b"abc", &b"de"[..]));
    });
}

#[test]
fn what_needs_a_file_descriptor_is_refused_by_name_in_a_simulation() {
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    in_simulation(async {
        let error = TcpListener::from_std(std_listener).expect_err("a real socket");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("TcpListener::from_std"), "{error}");
        let (client, _server) = pair().await;
        let error = client.into_std().expect_err("no descriptor");
        assert!(error.to_string().contains("TcpStream::into_std"), "{error}");
    });
}

#[test]
fn a_task_that_always_has_something_to_read_lets_others_run() {
    // First woken, first run: the two tasks take turns.
    let options = Options { policy: Box::new(Fifo), ..Options::new(1) };
    in_simulation_with(options, async {
        let (mut client, mut server) = pair().await;
        server.write_all(&[7; 10_000]).await.expect("open");
        client.readable().await.expect("a socket");
        let reads = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = std::rc::Rc::clone(&reads);
        let reading = stormglass_kernel::spawn_local(async move {
            for _ in 0..10_000 {
                client.read_u8().await.expect("open");
                count.set(count.get() + 1);
            }
        });
        let mut turns = 0;
        while reads.get() < 10_000 {
            turns += u32::from(reads.get() > 0);
            let mut once = false;
            std::future::poll_fn(|cx: &mut std::task::Context<'_>| {
                if std::mem::replace(&mut once, true) {
                    return std::task::Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
        }
        reading.await.expect("no task is cancelled");
        assert_eq!(turns, 10_000 / 128);
    });
}

#[test]
fn a_task_may_wait_for_more_streams_than_its_budget() {
    in_simulation(async {
        let mut pairs = Vec::new();
        for _ in 0..300 {
            pairs.push(pair().await);
        }
        let (clients, mut servers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let mut reads: Vec<Pin<Box<dyn Future<Output = u8>>>> = Vec::new();
        for mut client in clients {
            reads.push(Box::pin(async move { client.read_u8().await.expect("open") }));
        }
        let all = std::future::poll_fn(|cx| {
            reads.retain_mut(|read| read.as_mut().poll(cx).is_pending());
            if reads.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        let write = async {
            for server in &mut servers {
                server.write_all(b"x").await.expect("open");
            }
        };
        both(all, write).await;
    });
}
