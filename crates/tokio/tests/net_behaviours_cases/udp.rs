//! UDP.

use std::net::SocketAddr;
use std::time::Duration;

use stormglass_tokio as tokio;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::{behaviours, text};

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let at = socket.local_addr().expect("bound");
    (socket, at)
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

behaviours! {
    udp_bind_taken: |_f| { let (_s, at) = bound().await; text(UdpSocket::bind(at).await.map(drop)) }
    udp_bind_foreign: |_f| { text(UdpSocket::bind("192.0.2.1:0").await.map(drop)) }
    udp_send_unconnected: |_f| { let (s, _) = bound().await; text(s.send(b"x").await) }
    udp_peer_unconnected: |_f| { let (s, _) = bound().await; text(s.peer_addr()) }
    udp_send_too_long: |_f| { let (s, at) = bound().await; text(s.send_to(&[0; 65_508], at).await) }
    udp_send_longest: |_f| { let (s, at) = bound().await; text(s.send_to(&[0; 65_507], at).await) }
    udp_to_nobody_unconnected: |_f| {
        let (s, _) = bound().await;
        let (gone, at) = bound().await;
        drop(gone);
        let first = s.send_to(b"x", at).await;
        pause().await;
        text(first) + &text(s.send_to(b"x", at).await)
    }
    udp_to_nobody_connected: |_f| {
        let (s, _) = bound().await;
        let (gone, at) = bound().await;
        drop(gone);
        s.connect(at).await.expect("a route");
        let first = s.send(b"x").await;
        pause().await;
        text(first) + &text(s.send(b"x").await) + &text(s.send(b"x").await)
    }
    udp_to_nobody_receive: |_f| {
        let (s, _) = bound().await;
        let (gone, at) = bound().await;
        drop(gone);
        s.connect(at).await.expect("a route");
        s.send(b"x").await.expect("room");
        text(s.recv(&mut [0; 4]).await)
    }
    udp_to_nobody_take_error: |_f| {
        let (s, _) = bound().await;
        let (gone, at) = bound().await;
        drop(gone);
        s.connect(at).await.expect("a route");
        s.send(b"x").await.expect("room");
        pause().await;
        text(s.take_error().map(|e| e.map(|e| e.kind())))
    }
    udp_connected_filters: |_f| {
        let ((a, at), (b, bt), (c, _)) = (bound().await, bound().await, bound().await);
        a.connect(bt).await.expect("a route");
        c.send_to(b"stranger", at).await.expect("room");
        pause().await;
        b.send_to(b"friend", at).await.expect("room");
        let mut buffer = [0; 16];
        let n = a.recv(&mut buffer).await.expect("there");
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    }
    udp_truncates: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"longer", at).await.expect("room");
        let mut buffer = [0; 3];
        text(a.recv_from(&mut buffer).await.map(|(n, _)| n)) + &text(a.try_recv(&mut buffer))
    }
    udp_empty_datagram: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"", at).await.expect("room");
        text(a.recv(&mut [0; 3]).await)
    }
    udp_peek: |_f| {
        let ((a, at), (b, bt)) = (bound().await, bound().await);
        b.send_to(b"abc", at).await.expect("room");
        let mut buffer = [0; 8];
        let peeked = a.peek_from(&mut buffer).await.map(|(n, from)| (n, from == bt));
        let sender = a.peek_sender().await.map(|from| from == bt);
        text(peeked) + &text(sender) + &text(a.try_recv(&mut buffer))
    }
    udp_to_itself: |_f| {
        let (a, at) = bound().await;
        a.send_to(b"me", at).await.expect("room");
        text(a.recv_from(&mut [0; 4]).await.map(|(n, from)| (n, from == at)))
    }
    udp_try_recv_empty: |_f| { let (a, _) = bound().await; text(a.try_recv(&mut [0; 1])) }
    udp_broadcast_default: |_f| { let (a, _) = bound().await; text(a.broadcast()) }
    udp_broadcast_set: |_f| { let (a, _) = bound().await; a.set_broadcast(true).expect("open"); text(a.broadcast()) }
    udp_ttl: |_f| { let (a, _) = bound().await; text(a.ttl()) + &text(a.set_ttl(0)) + &text(a.set_ttl(300)) }
    udp_connect_shows_address: |_f| {
        let a = UdpSocket::bind("0.0.0.0:0").await.expect("free");
        let before = a.local_addr().expect("bound").ip();
        let (_b, bt) = bound().await;
        a.connect(bt).await.expect("a route");
        format!("{before} {} {}", a.local_addr().expect("bound").ip(), a.peer_addr().expect("connected") == bt)
    }
    udp_send_to_none: |_f| { let (a, _) = bound().await; let none: &[SocketAddr] = &[]; text(a.send_to(b"x", none).await) }
    udp_ready: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        let before = a.ready(Interest::WRITABLE | Interest::READABLE).await.expect("open");
        b.send_to(b"x", at).await.expect("room");
        a.readable().await.expect("open");
        let after = a.ready(Interest::WRITABLE | Interest::READABLE).await.expect("open");
        format!("{before:?} {after:?}")
    }
}
