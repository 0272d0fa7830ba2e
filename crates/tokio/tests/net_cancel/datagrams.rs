//! Datagrams, of UDP and of Unix sockets.

use std::io::ErrorKind;
use std::time::Duration;

use stormglass_kernel::spawn_local;
use stormglass_tokio as tokio;
use tokio::io::Interest;
use tokio::net::{UdpSocket, UnixDatagram};

use crate::{numbers, over_seeds};

/// Receives a datagram of at most so many bytes in one of four ways.
macro_rules! receive {
    ($impatience:expr, $socket:expr, $way:expr, $most:expr) => {
        match $way % 4 {
            0 => {
                let receive = || async {
                    let mut buffer = vec![0; $most];
                    let n = $socket.recv(&mut buffer).await.expect("open");
                    buffer.truncate(n);
                    buffer
                };
                $impatience.until_done(receive).await
            }
            1 => {
                let receive = || async {
                    let mut buffer = vec![0; $most];
                    let (n, _) = $socket.recv_from(&mut buffer).await.expect("open");
                    buffer.truncate(n);
                    buffer
                };
                $impatience.until_done(receive).await
            }
            way => loop {
                if way == 2 {
                    $impatience.until_done(|| $socket.readable()).await.expect("open");
                } else {
                    $impatience.until_done(|| $socket.ready(Interest::READABLE)).await.expect("open");
                }
                let mut buffer = vec![0; $most];
                match $socket.try_recv(&mut buffer) {
                    Ok(n) => {
                        buffer.truncate(n);
                        break buffer;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            },
        }
    };
}

/// Sends a datagram in one of four ways.
macro_rules! send {
    ($impatience:expr, $socket:expr, $way:expr, $datagram:expr, $to:expr) => {
        match $way % 4 {
            0 => $impatience.until_done(|| $socket.send($datagram)).await.expect("room"),
            1 => $impatience.until_done(|| $socket.send_to($datagram, $to)).await.expect("room"),
            way => loop {
                if way == 2 {
                    $impatience.until_done(|| $socket.writable()).await.expect("open");
                } else {
                    $impatience.until_done(|| $socket.ready(Interest::WRITABLE)).await.expect("open");
                }
                match $socket.try_send($datagram) {
                    Ok(n) => break n,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            },
        }
    };
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
            if i % 5 == 4 {
                impatience.until_done(|| a.peek_sender()).await.expect("a datagram");
                let mut byte = [0; 1];
                a.try_recv(&mut byte).expect("there");
                seen.extend(byte);
            } else {
                seen.extend(receive!(impatience, a, i % 5, 1));
            }
        }
        // They may overtake each other.
        seen.sort_unstable();
        assert_eq!(seen, numbers(30));
        drop(sender.await.expect("no task is cancelled"));
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
            assert_eq!(send!(impatience, b, i, &word, at), 9_000);
            assert_eq!(receive!(impatience, a, i / 4, 10_000), word);
            assert_eq!(a.try_recv(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
        }
    });
}

#[test]
fn unix_datagrams_come_once_and_in_order_over_a_full_queue() {
    over_seeds(|impatience| async move {
        let (a, b) = (UnixDatagram::unbound().expect("room"), UnixDatagram::bind("/cancel").expect("a free name"));
        a.connect("/cancel").expect("it is there");
        let again = impatience.clone();
        let receiver = spawn_local(async move {
            let mut seen = Vec::new();
            for i in 0..40 {
                let datagram = receive!(again, b, i, 20_001);
                assert_eq!(datagram.len(), 20_000);
                seen.push(datagram[0]);
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            assert_eq!(b.try_recv(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
            seen
        });
        for i in 0..40 {
            let datagram = vec![i; 20_000];
            assert_eq!(send!(impatience, a, i, &datagram, "/cancel"), 20_000);
        }
        assert_eq!(receiver.await.expect("no task is cancelled"), numbers(40));
    });
}
