//! One source, two worlds: Unix sockets on the real system and in a simulation.
#![cfg(target_os = "linux")]

use std::future::Future;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::path::{Path, PathBuf};

use stormglass_disk::{Disk, DiskOptions};
use stormglass_kernel::{Options, Simulation};
use stormglass_net::Net;
use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream};

/// Runs `test` with an empty folder, really, then simulated.
fn in_both_worlds<F: Future<Output = ()> + 'static>(name: &str, test: impl Fn(PathBuf) -> F) {
    let real = std::env::temp_dir().join(format!("stormglass-unix-{}-{name}", std::process::id()));
    let runtime = real_tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::fs::create_dir_all(&real).await.expect("a folder");
        test(real.clone()).await;
        tokio::fs::remove_dir_all(&real).await.expect("the folder");
    });
    let mut simulation = Simulation::new(Options::new(1));
    simulation.universe().insert(Net::default());
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let folder = PathBuf::from("/run/test");
    let inside = test(folder.clone());
    let report = simulation.run(async move {
        tokio::fs::create_dir_all(&folder).await.expect("a folder");
        inside.await;
    });
    assert_eq!(report.outcome, Ok(()), "{:?}", report.waiting);
}

async fn connected(path: &Path) -> (UnixStream, UnixStream) {
    let listener = UnixListener::bind(path).expect("a free name");
    let client = UnixStream::connect(path).await.expect("a listener");
    let (server, from) = listener.accept().await.expect("a connection");
    assert!(from.is_unnamed());
    (client, server)
}

fn kind<T: std::fmt::Debug>(result: std::io::Result<T>) -> ErrorKind {
    result.expect_err("an error").kind()
}

#[test]
fn a_stream_carries_bytes_both_ways_and_ends_in_order() {
    in_both_worlds("stream", |folder| async move {
        let path = folder.join("socket");
        let (mut client, mut server) = connected(&path).await;
        assert_eq!(client.peer_addr().expect("open").as_pathname(), Some(&*path));
        assert_eq!(server.local_addr().expect("open").as_pathname(), Some(&*path));
        assert!(client.local_addr().expect("open").is_unnamed() && server.peer_addr().expect("open").is_unnamed());
        client.write_all(b"ping").await.expect("open");
        // No link lies between the ends: the bytes are there at once.
        let mut buffer = [0; 8];
        server.readable().await.expect("open");
        assert_eq!(server.try_read(&mut buffer).expect("there"), 4);
        assert_eq!(kind(server.try_read(&mut buffer)), ErrorKind::WouldBlock);
        client.shutdown().await.expect("open");
        assert_eq!(server.read(&mut buffer).await.expect("the end"), 0);
        server.write_all(b"still").await.expect("half open");
        let mut text = String::new();
        drop(server);
        client.read_to_string(&mut text).await.expect("the end");
        assert_eq!(text, "still");
        assert_eq!(kind(client.write_all(b"x").await), ErrorKind::BrokenPipe);
    });
}

#[test]
fn unread_bytes_make_the_end_a_reset() {
    in_both_worlds("reset", |_| async {
        let (mut a, mut b) = UnixStream::pair().expect("a pair");
        a.write_all(b"never read").await.expect("open");
        b.write_all(b"last").await.expect("open");
        drop(b);
        let mut buffer = [0; 8];
        assert_eq!(kind(a.write(b"x").await), ErrorKind::BrokenPipe);
        assert_eq!(a.read(&mut buffer).await.map_err(|e| e.kind()), Ok(4));
        assert_eq!(kind(a.read(&mut buffer).await), ErrorKind::ConnectionReset);
        assert_eq!(a.read(&mut buffer).await.expect("the end"), 0);
    });
}

#[test]
fn a_full_queue_makes_a_writer_wait_until_it_is_read() {
    in_both_worlds("full", |_| async {
        let (a, b) = UnixStream::pair().expect("a pair");
        let mut sent = 0;
        a.writable().await.expect("open");
        while let Ok(n) = a.try_write(&[7; 4096]) {
            sent += n;
        }
        assert!((100_000..1_000_000).contains(&sent), "{sent} bytes");
        let reader = async {
            let mut got = 0;
            let mut buffer = [0; 8192];
            while got < sent {
                b.readable().await.expect("open");
                match b.try_read(&mut buffer) {
                    Ok(n) => got += n,
                    Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
                }
            }
            got
        };
        let (writable, got) = real_tokio::join!(a.writable(), reader);
        writable.expect("open");
        assert_eq!(got, sent);
        assert_eq!(a.try_write(b"more").expect("room"), 4);
    });
}

#[test]
fn a_name_outlives_its_socket_until_its_file_is_removed() {
    in_both_worlds("names", |folder| async move {
        let path = folder.join("socket");
        assert_eq!(kind(UnixStream::connect(&path).await), ErrorKind::NotFound);
        assert_eq!(kind(UnixListener::bind(folder.join("no/such/folder"))), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).expect("a free name");
        assert_eq!(listener.local_addr().expect("bound").as_pathname(), Some(&*path));
        assert_eq!(kind(UnixListener::bind(&path)), ErrorKind::AddrInUse);
        drop(listener);
        assert!(tokio::fs::try_exists(&path).await.expect("a folder"));
        assert_eq!(kind(UnixStream::connect(&path).await), ErrorKind::ConnectionRefused);
        assert_eq!(kind(UnixListener::bind(&path)), ErrorKind::AddrInUse);
        tokio::fs::remove_file(&path).await.expect("a file");
        let listener = UnixListener::bind(&path).expect("the name is free");
        let moved = folder.join("moved");
        tokio::fs::rename(&path, &moved).await.expect("a file");
        assert_eq!(kind(UnixStream::connect(&path).await), ErrorKind::NotFound);
        UnixStream::connect(&moved).await.expect("the socket goes with its file");
        drop(listener);
    });
}

#[test]
fn abstract_names_go_with_their_sockets() {
    in_both_worlds("abstract", |_| async {
        let name = format!("\0stormglass {}", std::process::id());
        assert_eq!(kind(UnixStream::connect(&name).await), ErrorKind::ConnectionRefused);
        let listener = UnixListener::bind(&name).expect("a free name");
        let shown = listener.local_addr().expect("bound");
        assert_eq!(shown.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert_eq!(kind(UnixListener::bind(&name)), ErrorKind::AddrInUse);
        let client = UnixStream::connect_addr(&shown).await.expect("a listener");
        assert_eq!(client.peer_addr().expect("open").as_abstract_name(), Some(&name.as_bytes()[1..]));
        drop(listener);
        UnixListener::bind(&name).expect("the name is free again");
    });
}

#[test]
fn connections_nobody_accepts_are_reset() {
    in_both_worlds("embryos", |folder| async move {
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).expect("a free name");
        let mut client = UnixStream::connect(&path).await.expect("a listener");
        client.write_all(b"hello").await.expect("open");
        drop(listener);
        assert_eq!(kind(client.read(&mut [0; 4]).await), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_backlog_has_an_end() {
    in_both_worlds("backlog", |folder| async move {
        let path = folder.join("socket");
        let socket = UnixSocket::new_stream().expect("a socket");
        socket.bind(&path).expect("a free name");
        let listener = socket.listen(1).expect("bound");
        let _first = UnixStream::connect(&path).await.expect("room");
        let _second = UnixStream::connect(&path).await.expect("room");
        assert_eq!(kind(UnixStream::connect(&path).await), ErrorKind::WouldBlock);
        listener.accept().await.expect("a connection");
        UnixStream::connect(&path).await.expect("room again");
    });
}

#[test]
fn a_client_may_have_a_name() {
    in_both_worlds("named", |folder| async move {
        let (path, own) = (folder.join("socket"), folder.join("client"));
        let listener = UnixListener::bind(&path).expect("a free name");
        let socket = UnixSocket::new_stream().expect("a socket");
        socket.bind(&own).expect("a free name");
        assert_eq!(kind(socket.bind(folder.join("again"))), ErrorKind::InvalidInput);
        let client = socket.connect(&path).await.expect("a listener");
        let (server, from) = listener.accept().await.expect("a connection");
        assert_eq!(from.as_pathname(), Some(&*own));
        assert_eq!(server.peer_addr().expect("open").as_pathname(), Some(&*own));
        assert_eq!(client.local_addr().expect("open").as_pathname(), Some(&*own));
        let pid = client.peer_cred().expect("open").pid();
        assert_eq!(pid, i32::try_from(std::process::id()).ok());
        let socket = UnixSocket::new_datagram().expect("a socket");
        assert!(socket.listen(1).expect_err("datagrams").to_string().contains("datagram"));
    });
}

#[test]
fn halves_work_side_by_side_and_reunite() {
    in_both_worlds("halves", |_| async {
        let (mut a, mut b) = UnixStream::pair().expect("a pair");
        {
            let (mut read, mut write) = a.split();
            let (_, echoed) = real_tokio::join!(
                async {
                    let mut buffer = [0; 3];
                    b.read_exact(&mut buffer).await.expect("open");
                    b.write_all(&buffer).await.expect("open");
                },
                async {
                    write.write_all(b"abc").await.expect("open");
                    let mut buffer = [0; 3];
                    read.read_exact(&mut buffer).await.expect("open");
                    buffer
                }
            );
            assert_eq!(&echoed, b"abc");
        }
        let (read, write) = a.into_split();
        let mut a = read.reunite(write).expect("one stream");
        let (read, write) = b.into_split();
        drop(write);
        assert_eq!(a.read(&mut [0; 1]).await.expect("the end"), 0);
        a.write_all(b"x").await.expect("half open");
        drop(read);
    });
}

#[test]
fn datagrams_keep_their_bounds_and_order() {
    in_both_worlds("datagrams", |folder| async move {
        let (to, own) = (folder.join("server"), folder.join("client"));
        let server = UnixDatagram::bind(&to).expect("a free name");
        assert_eq!(kind(UnixDatagram::bind(&to)), ErrorKind::AddrInUse);
        let client = UnixDatagram::bind(&own).expect("a free name");
        assert_eq!(kind(client.send(b"x").await), ErrorKind::NotConnected);
        assert_eq!(kind(client.send_to(b"x", folder.join("nobody")).await), ErrorKind::NotFound);
        for message in [&b"one"[..], b"", b"three"] {
            assert_eq!(client.send_to(message, &to).await.expect("room"), message.len());
        }
        let mut buffer = [0; 4];
        let (n, from) = server.recv_from(&mut buffer).await.expect("there");
        assert_eq!((&buffer[..n], from.as_pathname()), (&b"one"[..], Some(&*own)));
        assert_eq!(server.recv(&mut buffer).await.expect("there"), 0);
        // What does not fit is lost.
        assert_eq!(server.recv(&mut buffer).await.expect("there"), 4);
        assert_eq!(kind(server.try_recv(&mut buffer)), ErrorKind::WouldBlock);
        drop(server);
        assert_eq!(kind(client.send_to(b"x", &to).await), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_connected_datagram_socket_hears_its_peer_only() {
    in_both_worlds("connected", |folder| async move {
        let (a_path, b_path) = (folder.join("a"), folder.join("b"));
        let a = UnixDatagram::bind(&a_path).expect("a free name");
        let b = UnixDatagram::bind(&b_path).expect("a free name");
        assert_eq!(kind(a.peer_addr()), ErrorKind::NotConnected);
        a.connect(&b_path).expect("a socket");
        assert_eq!(a.peer_addr().expect("connected").as_pathname(), Some(&*b_path));
        let stranger = UnixDatagram::unbound().expect("a socket");
        assert_eq!(kind(stranger.send_to(b"x", &a_path).await), ErrorKind::PermissionDenied);
        assert_eq!(kind(stranger.connect(&a_path)), ErrorKind::PermissionDenied);
        b.connect(&a_path).expect("its peer");
        b.send(b"hello").await.expect("room");
        let mut buffer = [0; 8];
        assert_eq!(a.recv(&mut buffer).await.expect("there"), 5);
        drop(b);
        assert_eq!(kind(a.send(b"x").await), ErrorKind::ConnectionRefused);
        assert_eq!(kind(a.send(b"x").await), ErrorKind::NotConnected);
    });
}

#[test]
fn a_full_mailbox_makes_senders_wait() {
    in_both_worlds("mailbox", |_| async {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        let mut sent = 0_u16;
        a.writable().await.expect("open");
        while a.try_send(&sent.to_be_bytes()).is_ok() {
            sent += 1;
        }
        assert!((10..600).contains(&sent), "{sent}");
        let mut buffer = [0; 2];
        let last = sent.to_be_bytes();
        let (more, ()) = real_tokio::join!(a.send(&last), async {
            for i in 0..=sent {
                assert_eq!(b.recv(&mut buffer).await.expect("there"), 2);
                assert_eq!(u16::from_be_bytes(buffer), i);
            }
        });
        assert_eq!(more.expect("room"), 2);
    });
}

#[test]
fn a_datagram_socket_can_be_shut_down() {
    in_both_worlds("shutdown", |_| async {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        a.shutdown(Shutdown::Write).expect("open");
        assert_eq!(kind(a.send(b"x").await), ErrorKind::BrokenPipe);
        b.shutdown(Shutdown::Read).expect("open");
        // Datagrams know no end of a stream.
        assert_eq!(kind(b.try_recv(&mut [0; 1])), ErrorKind::WouldBlock);
        let ready = b.ready(Interest::WRITABLE).await.expect("open");
        assert!(ready.is_writable());
    });
}

#[test]
fn a_mailbox_of_strangers_is_short() {
    in_both_worlds("short", |folder| async move {
        let path = folder.join("box");
        let server = UnixDatagram::bind(&path).expect("a free name");
        let client = UnixDatagram::unbound().expect("a socket");
        client.connect(&path).expect("a socket");
        client.writable().await.expect("open");
        let mut sent = 0;
        while client.try_send(b"x").is_ok() {
            sent += 1;
        }
        assert!((10..600).contains(&sent), "{sent}");
        server.recv(&mut [0; 1]).await.expect("there");
        client.send(b"more").await.expect("room again");
    });
}
