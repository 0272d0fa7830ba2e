//! Streams and listeners.

use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use stormglass_kernel::{JoinHandle, spawn_local};
use stormglass_tokio as tokio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{numbers, over_seeds, pair, read_when_ready, write_slowly, write_when_ready};

/// A stream that takes little at a time, and what reads the other end.
async fn narrow() -> (TcpStream, JoinHandle<Vec<u8>>) {
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
    (client, reader)
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
        let (client, reader) = narrow().await;
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
fn a_write_that_is_given_up_wrote_nothing() {
    over_seeds(|impatience| async move {
        let (client, reader) = narrow().await;
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
fn unix_sockets_lose_no_connection_and_no_byte() {
    over_seeds(|impatience| async move {
        let again = impatience.clone();
        let listener = UnixListener::bind("\0cancel").expect("a free name");
        spawn_local(async move {
            for _ in 0..5 {
                let stream = UnixStream::connect("\0cancel").await.expect("a listener");
                let again = again.clone();
                spawn_local(async move { write_when_ready!(again, stream, 20) });
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        for _ in 0..5 {
            let (stream, _) = impatience.until_done(|| listener.accept()).await.expect("a connection");
            assert_eq!(read_when_ready!(impatience, stream), numbers(20));
        }
    });
}
