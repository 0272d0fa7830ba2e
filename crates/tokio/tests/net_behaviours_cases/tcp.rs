//! TCP.

use std::net::SocketAddr;

use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{any, behaviours, closed, pair, pause, text};

/// A pair whose server end was reset by its peer.
async fn reset() -> TcpStream {
    let (client, server) = pair().await;
    client.set_zero_linger().expect("open");
    drop(client);
    closed(&server).await;
    server
}

async fn unused() -> SocketAddr {
    TcpListener::bind(any()).await.expect("a free port").local_addr().expect("bound")
}

behaviours! {
    tcp_connect_refused: |_f| { text(TcpStream::connect(unused().await).await.map(drop)) }
    tcp_connect_no_address: |_f| { let none: &[SocketAddr] = &[]; text(TcpStream::connect(none).await.map(drop)) }
    tcp_connect_bad_text: |_f| { text(TcpStream::connect("127.0.0.1").await.map(drop)) }
    tcp_bind_taken: |_f| {
        let listener = TcpListener::bind(any()).await.expect("free");
        text(TcpListener::bind(listener.local_addr().expect("bound")).await.map(drop))
    }
    tcp_bind_foreign_address: |_f| { text(TcpListener::bind("192.0.2.1:0").await.map(drop)) }
    tcp_bind_again_after_drop: |_f| { text(TcpListener::bind(unused().await).await.map(drop)) }
    tcp_wildcard_conflicts_with_loopback: |_f| {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("free");
        let port = listener.local_addr().expect("bound").port();
        text(TcpListener::bind(("127.0.0.1", port)).await.map(drop))
    }
    tcp_wildcard_shows_itself: |_f| {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("free");
        format!("{:?}", listener.local_addr().expect("bound").ip())
    }
    tcp_connect_to_wildcard_listener: |_f| {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("free");
        let port = listener.local_addr().expect("bound").port();
        let client = TcpStream::connect(("127.0.0.1", port)).await.expect("a listener");
        let (server, _) = listener.accept().await.expect("a connection");
        format!("{} {}", server.local_addr().expect("open").ip(), client.local_addr().expect("open").ip())
    }
    tcp_connect_to_unspecified: |_f| {
        let listener = TcpListener::bind(any()).await.expect("free");
        let port = listener.local_addr().expect("bound").port();
        let client = TcpStream::connect(("0.0.0.0", port)).await.expect("a listener");
        format!("{}", client.peer_addr().expect("open").ip())
    }
    tcp_read_end: |_f| { let (c, mut s) = pair().await; drop(c); text(s.read(&mut [0; 4]).await) }
    tcp_read_end_again: |_f| {
        let (c, mut s) = pair().await;
        drop(c);
        let first = s.read(&mut [0; 4]).await;
        text(first) + &text(s.read(&mut [0; 4]).await)
    }
    tcp_read_nothing_into_empty: |_f| { let (_c, mut s) = pair().await; text(s.read(&mut []).await) }
    tcp_write_nothing: |_f| { let (mut c, _s) = pair().await; text(c.write(&[]).await) }
    tcp_try_read_empty: |_f| { let (c, _s) = pair().await; text(c.try_read(&mut [0; 4])) }
    tcp_try_read_after_end: |_f| { let (c, s) = pair().await; drop(c); closed(&s).await; text(s.try_read(&mut [0; 4])) }
    tcp_half_close_still_reads: |_f| {
        let (mut c, mut s) = pair().await;
        c.shutdown().await.expect("open");
        s.write_all(b"late").await.expect("half open");
        let mut got = [0; 4];
        c.read_exact(&mut got).await.expect("there");
        format!("{got:?}")
    }
    tcp_write_after_shutdown: |_f| { let (mut c, _s) = pair().await; c.shutdown().await.expect("open"); text(c.write(b"x").await) }
    tcp_shutdown_twice: |_f| { let (mut c, _s) = pair().await; c.shutdown().await.expect("open"); text(c.shutdown().await) }
    tcp_shutdown_after_peer_closed: |_f| { let (c, mut s) = pair().await; drop(c); closed(&s).await; text(s.shutdown().await) }
    tcp_first_write_after_peer_closed: |_f| { let (c, mut s) = pair().await; drop(c); closed(&s).await; text(s.write(b"x").await) }
    tcp_second_write_after_peer_closed: |_f| {
        let (c, mut s) = pair().await;
        drop(c);
        closed(&s).await;
        let _ = s.write(b"x").await;
        pause().await;
        text(s.write(b"x").await)
    }
    tcp_read_after_write_to_closed: |_f| {
        let (c, mut s) = pair().await;
        drop(c);
        closed(&s).await;
        let _ = s.write(b"x").await;
        pause().await;
        text(s.read(&mut [0; 4]).await)
    }
    tcp_unread_bytes_reset: |_f| {
        let (mut c, s) = pair().await;
        c.write_all(b"unread").await.expect("open");
        s.readable().await.expect("open");
        drop(s);
        closed(&c).await;
        text(c.read(&mut [0; 4]).await)
    }
    tcp_reset_read: |_f| { let mut s = reset().await; text(s.read(&mut [0; 4]).await) }
    tcp_reset_read_twice: |_f| { let mut s = reset().await; let _ = s.read(&mut [0; 4]).await; text(s.read(&mut [0; 4]).await) }
    tcp_reset_write: |_f| { let mut s = reset().await; text(s.write(b"x").await) }
    tcp_reset_write_twice: |_f| { let mut s = reset().await; let _ = s.write(b"x").await; text(s.write(b"x").await) }
    tcp_reset_shutdown: |_f| { let mut s = reset().await; text(s.shutdown().await) }
    tcp_reset_peer_addr: |_f| { let s = reset().await; text(s.peer_addr().map(|a| a.ip())) }
    tcp_reset_local_addr: |_f| { let s = reset().await; text(s.local_addr().map(|a| a.ip())) }
    tcp_reset_take_error: |_f| { let s = reset().await; text(s.take_error().map(|e| e.map(|e| e.kind()))) }
    tcp_reset_take_error_then_read: |_f| { let mut s = reset().await; let _ = s.take_error(); text(s.read(&mut [0; 4]).await) }
    tcp_reset_peek: |_f| { let s = reset().await; text(s.peek(&mut [0; 4]).await) }
    tcp_peek_stays: |_f| {
        let (mut c, mut s) = pair().await;
        c.write_all(b"abc").await.expect("open");
        let mut buffer = [0; 8];
        let first = s.peek(&mut buffer).await.expect("there");
        let second = s.peek(&mut buffer).await.expect("there");
        let third = s.read(&mut buffer).await.expect("there");
        format!("{first} {second} {third}")
    }
    tcp_peek_end: |_f| { let (c, s) = pair().await; drop(c); text(s.peek(&mut [0; 4]).await) }
    tcp_peek_empty_buffer: |_f| {
        let (mut c, s) = pair().await;
        c.write_all(b"abc").await.expect("open");
        s.readable().await.expect("open");
        text(s.peek(&mut []).await)
    }
    tcp_ready_fresh: |_f| {
        let (c, _s) = pair().await;
        format!("{:?}", c.ready(Interest::READABLE | Interest::WRITABLE).await.expect("open"))
    }
    tcp_ready_with_bytes: |_f| {
        let (mut c, s) = pair().await;
        c.write_all(b"abc").await.expect("open");
        s.readable().await.expect("open");
        format!("{:?}", s.ready(Interest::READABLE | Interest::WRITABLE).await.expect("open"))
    }
    tcp_ready_after_end: |_f| {
        let (c, s) = pair().await;
        drop(c);
        closed(&s).await;
        format!("{:?}", s.ready(Interest::READABLE).await.expect("open"))
    }
    tcp_ready_after_own_shutdown: |_f| {
        let (mut c, _s) = pair().await;
        c.shutdown().await.expect("open");
        pause().await;
        format!("{:?}", c.ready(Interest::WRITABLE).await.expect("open"))
    }
    tcp_ready_after_both_shutdowns: |_f| {
        let (mut c, mut s) = pair().await;
        c.shutdown().await.expect("open");
        s.shutdown().await.expect("open");
        closed(&c).await;
        pause().await;
        format!("{:?}", c.ready(Interest::READABLE | Interest::WRITABLE).await.expect("open"))
    }
    tcp_try_io_not_ready: |_f| { let (c, _s) = pair().await; text(c.try_io(Interest::READABLE, || Ok(1))) }
    tcp_try_write: |_f| { let (c, _s) = pair().await; c.writable().await.expect("open"); text(c.try_write(b"abc")) }
    tcp_nodelay_default: |_f| { let (c, _s) = pair().await; text(c.nodelay()) }
    tcp_nodelay_set: |_f| { let (c, _s) = pair().await; c.set_nodelay(true).expect("open"); text(c.nodelay()) }
    tcp_ttl_default: |_f| { let (c, _s) = pair().await; text(c.ttl()) }
    tcp_ttl_set: |_f| { let (c, _s) = pair().await; c.set_ttl(9).expect("open"); text(c.ttl()) }
    tcp_ttl_zero: |_f| { let (c, _s) = pair().await; text(c.set_ttl(0)) }
    tcp_ttl_too_large: |_f| { let (c, _s) = pair().await; text(c.set_ttl(256)) }
    tcp_listener_ttl_zero: |_f| { let l = TcpListener::bind(any()).await.expect("free"); text(l.set_ttl(0)) }
    tcp_linger_default: |_f| { let (c, _s) = pair().await; text(c.linger()) }
    tcp_linger_zero: |_f| { let (c, _s) = pair().await; c.set_zero_linger().expect("open"); text(c.linger()) }
    tcp_take_error_none: |_f| { let (c, _s) = pair().await; text(c.take_error().map(|e| e.is_some())) }
    tcp_accepted_address: |_f| {
        let l = TcpListener::bind(any()).await.expect("free");
        let c = TcpStream::connect(l.local_addr().expect("bound")).await.expect("a listener");
        let (s, from) = l.accept().await.expect("a connection");
        format!("{}", from == c.local_addr().expect("open") && s.local_addr().expect("open") == l.local_addr().expect("bound"))
    }
    tcp_listener_drop_resets: |_f| {
        let l = TcpListener::bind(any()).await.expect("free");
        let mut c = TcpStream::connect(l.local_addr().expect("bound")).await.expect("a listener");
        pause().await;
        drop(l);
        text(c.read(&mut [0; 4]).await)
    }
    tcp_socket_unbound_address: |_f| { text(TcpSocket::new_v4().expect("a socket").local_addr()) }
    tcp_socket_defaults: |_f| {
        let s = TcpSocket::new_v4().expect("a socket");
        format!("{:?} {:?} {:?} {:?}", s.keepalive().ok(), s.reuseaddr().ok(), s.reuseport().ok(), s.nodelay().ok())
    }
    tcp_socket_bind_twice: |_f| {
        let s = TcpSocket::new_v4().expect("a socket");
        s.bind(any()).expect("free");
        text(s.bind(any()))
    }
    tcp_socket_without_reuse_in_time_wait: |_f| {
        let l = TcpListener::bind(any()).await.expect("free");
        let at = l.local_addr().expect("bound");
        let mut c = TcpStream::connect(at).await.expect("a listener");
        let (s, _) = l.accept().await.expect("a connection");
        drop((s, l));
        let _ = c.read(&mut [0; 1]).await;
        drop(c);
        pause().await;
        let (plain, reusing) = (TcpSocket::new_v4().expect("a socket"), TcpSocket::new_v4().expect("a socket"));
        reusing.set_reuseaddr(true).expect("a socket");
        text(plain.bind(at)) + &text(reusing.bind(at))
    }
    tcp_reuseport_shares: |_f| {
        let make = |at| {
            let s = TcpSocket::new_v4().expect("a socket");
            s.set_reuseport(true).expect("a socket");
            s.bind(at).map(|()| s)
        };
        let first = make(any()).expect("free").listen(8).expect("bound");
        let at = first.local_addr().expect("bound");
        let second = make(at).and_then(|s| s.listen(8));
        let third = TcpListener::bind(at).await;
        text(second.map(drop)) + &text(third.map(drop))
    }
    tcp_options_are_inherited: |_f| {
        let s = TcpSocket::new_v4().expect("a socket");
        s.set_nodelay(true).expect("a socket");
        s.bind(any()).expect("free");
        let l = s.listen(8).expect("bound");
        let _c = TcpStream::connect(l.local_addr().expect("bound")).await.expect("a listener");
        let (s, _) = l.accept().await.expect("a connection");
        text(s.nodelay())
    }
    tcp_v6_loopback: |_f| {
        let l = TcpListener::bind("[::1]:0").await.expect("free");
        text(l.local_addr().map(|a| a.ip()))
    }
    tcp_v6_connection_addresses: |_f| {
        let l = TcpListener::bind("[::1]:0").await.expect("free");
        let c = TcpStream::connect(l.local_addr().expect("bound")).await.expect("a listener");
        let (s, from) = l.accept().await.expect("a connection");
        format!("{} {} {}", c.local_addr().expect("open").ip(), s.peer_addr().expect("open").ip(), from.ip())
    }
    tcp_v4_socket_to_v6: |_f| {
        let l = TcpListener::bind("[::1]:0").await.expect("free");
        let at = l.local_addr().expect("bound");
        text(TcpSocket::new_v4().expect("a socket").connect(at).await.map(drop))
    }
    tcp_split_write_drop_ends: |_f| {
        let (c, mut s) = pair().await;
        let (_r, w) = c.into_split();
        drop(w);
        text(s.read(&mut [0; 4]).await)
    }
    tcp_split_read_drop_does_not: |_f| {
        let (c, s) = pair().await;
        let (r, _w) = c.into_split();
        drop(r);
        pause().await;
        text(s.try_read(&mut [0; 4]))
    }
}
