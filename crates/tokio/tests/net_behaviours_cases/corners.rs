//! Datagrams and Unix sockets in the corners.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UdpSocket, UnixDatagram, UnixListener, UnixSocket, UnixStream};
use tokio::time::timeout;

use super::{any, behaviours, pause, text};

const SHORT: Duration = Duration::from_millis(300);

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(any()).await.expect("free");
    let at = socket.local_addr().expect("bound");
    (socket, at)
}

/// A port that nobody has.
async fn nobody() -> SocketAddr {
    bound().await.1
}

behaviours! {
    udp_a_buffer_of_nothing_takes_a_datagram: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"abc", at).await.expect("room");
        let none = text(a.recv(&mut []).await);
        none + &text(a.try_recv(&mut [0; 8]))
    }
    udp_an_exact_buffer: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"abc", at).await.expect("room");
        b.send_to(b"defg", at).await.expect("room");
        let mut buffer = [0; 3];
        // In either order, the longer one is cut.
        let (first, second) = (a.recv(&mut buffer).await, a.recv(&mut buffer).await);
        text(first) + &text(second)
    }
    udp_peek_cuts_and_leaves: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"abcdef", at).await.expect("room");
        let peeked = text(a.peek_from(&mut [0; 2]).await.map(|(n, _)| n));
        peeked + &text(a.recv_from(&mut [0; 8]).await.map(|(n, _)| n))
    }
    udp_a_vector_takes_what_it_has_room_for: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"abcdef", at).await.expect("room");
        let mut bytes = Vec::with_capacity(16);
        bytes.extend_from_slice(b"0");
        let got = text(a.recv_buf_from(&mut bytes).await.map(|(n, _)| n));
        format!("{got} {bytes:?}")
    }
    udp_connected_to_another: |_f| {
        let ((a, at), (b, bt), (c, ct)) = (bound().await, bound().await, bound().await);
        a.connect(bt).await.expect("a route");
        a.connect(ct).await.expect("a route");
        b.send_to(b"b", at).await.expect("room");
        c.send_to(b"cc", at).await.expect("room");
        let got = text(a.recv(&mut [0; 8]).await);
        pause().await;
        got + &text(a.try_recv(&mut [0; 8])) + &text(a.peer_addr().map(|peer| peer == ct))
    }
    udp_what_came_before_connecting_stays: |_f| {
        let ((a, at), (b, _), (_c, ct)) = (bound().await, bound().await, bound().await);
        b.send_to(b"early", at).await.expect("room");
        a.readable().await.expect("open");
        a.connect(ct).await.expect("a route");
        text(a.try_recv(&mut [0; 8]))
    }
    udp_connected_sends_elsewhere: |_f| {
        let ((a, _), (_b, bt), (c, ct)) = (bound().await, bound().await, bound().await);
        a.connect(bt).await.expect("a route");
        let sent = text(a.send_to(b"x", ct).await);
        sent + &text(c.recv(&mut [0; 8]).await)
    }
    udp_refusal_is_told_by_a_send: |_f| {
        let ((a, _), shut) = (bound().await, nobody().await);
        a.connect(shut).await.expect("a route");
        let first = text(a.send(b"x").await);
        pause().await;
        first + &text(a.send(b"x").await) + &text({ pause().await; a.try_recv(&mut [0; 1]) }) + &text(a.try_recv(&mut [0; 1]))
    }
    udp_refusal_wakes_who_waits: |_f| {
        let ((a, _), shut) = (bound().await, nobody().await);
        a.connect(shut).await.expect("a route");
        let waits = tokio::spawn(async move { a.recv(&mut [0; 1]).await.map(|n| (n, 0)).map_err(|e| (e, a)) });
        pause().await;
        let still = waits.is_finished();
        waits.abort();
        format!("{still}")
    }
    udp_refusal_makes_it_ready: |_f| {
        let ((a, _), shut) = (bound().await, nobody().await);
        a.connect(shut).await.expect("a route");
        a.send(b"x").await.expect("room");
        let ready = timeout(SHORT, a.ready(Interest::READABLE)).await.map(|r| r.expect("open").is_readable());
        format!("{ready:?} {:?}", a.take_error().map(|e| e.map(|e| e.kind())).ok())
    }
    udp_after_a_refusal_it_goes_on: |_f| {
        let (a, at) = bound().await;
        let (gone, shut) = bound().await;
        drop(gone);
        a.connect(shut).await.expect("a route");
        a.send(b"x").await.expect("room");
        pause().await;
        let _ = a.try_recv(&mut [0; 1]);
        let back = UdpSocket::bind(shut).await.expect("free again");
        back.send_to(b"yes", at).await.expect("room");
        text(a.recv(&mut [0; 8]).await)
    }
    udp_to_port_zero: |_f| {
        let (a, at) = bound().await;
        text(a.send_to(b"x", SocketAddr::new(at.ip(), 0)).await)
    }
    udp_broadcast_must_be_allowed: |_f| {
        let (a, _) = bound().await;
        text(a.send_to(b"x", "255.255.255.255:9").await)
    }
    udp_wildcard_conflicts_with_loopback: |_f| {
        let a = UdpSocket::bind("0.0.0.0:0").await.expect("free");
        let port = a.local_addr().expect("bound").port();
        text(UdpSocket::bind(("127.0.0.1", port)).await.map(drop))
    }
    udp_a_dropped_socket_frees_its_port: |_f| {
        let at = nobody().await;
        text(UdpSocket::bind(at).await.map(|socket| socket.local_addr().is_ok_and(|own| own == at)))
    }
    udp_readable_after_the_last: |_f| {
        let ((a, at), (b, _)) = (bound().await, bound().await);
        b.send_to(b"x", at).await.expect("room");
        a.readable().await.expect("open");
        let got = text(a.try_recv(&mut [0; 8]));
        let none = text(a.try_recv(&mut [0; 8]));
        format!("{got} {none} {}", timeout(SHORT, a.readable()).await.is_err())
    }
    udp_and_tcp_share_no_ports: |_f| {
        let (_a, at) = bound().await;
        text(tokio::net::TcpListener::bind(at).await.map(drop))
    }
    udp_multicast_defaults: |_f| {
        let (a, _) = bound().await;
        text(a.multicast_loop_v4()) + &text(a.multicast_ttl_v4()) + &text(a.set_multicast_ttl_v4(0)) + &text(a.multicast_ttl_v4())
    }
    udp_multicast_is_set: |_f| {
        let (a, _) = bound().await;
        let set = text(a.set_multicast_loop_v4(false)) + &text(a.set_multicast_ttl_v4(7)) + &text(a.set_multicast_ttl_v4(256));
        set + &text(a.multicast_loop_v4()) + &text(a.multicast_ttl_v4())
    }
    udp_multicast_groups: |_f| {
        let (a, _) = bound().await;
        let (group, here) = ([239, 1, 2, 3].into(), [127, 0, 0, 1].into());
        let first = text(a.join_multicast_v4(group, here)) + &text(a.join_multicast_v4(group, here));
        let second = text(a.leave_multicast_v4(group, here)) + &text(a.leave_multicast_v4(group, here));
        first + &second + &text(a.join_multicast_v4([10, 9, 9, 9].into(), here)) + &text(a.join_multicast_v4(group, [192, 0, 2, 1].into()))
    }
    udp_multicast_groups_v6: |_f| {
        let a = UdpSocket::bind("[::]:0").await.expect("free");
        let (group, other): (Ipv6Addr, Ipv6Addr) = ("ff02::7:7".parse().unwrap(), "ff02::7:8".parse().unwrap());
        let joined = [(group, 1), (group, 1), (group, 0), (other, 9_999), (Ipv6Addr::LOCALHOST, 1), (other, 1)];
        let joined: String = joined.map(|(group, on)| text(a.join_multicast_v6(&group, on))).concat();
        let left = [(other, 2), (other, 0), (other, 1), (group, 1), (group, 1), (Ipv6Addr::LOCALHOST, 1)];
        let left: String = left.map(|(group, on)| text(a.leave_multicast_v6(&group, on))).concat();
        joined + &left
    }
    udp_multicast_is_heard_here_v6: |_f| {
        let a = UdpSocket::bind("[::1]:0").await.expect("free");
        text(a.multicast_loop_v6()) + &text(a.set_multicast_loop_v6(false)) + &text(a.multicast_loop_v6())
    }
    udp_multicast_v6_of_a_socket_for_ipv4: |_f| {
        let (a, _) = bound().await;
        let group: Ipv6Addr = "ff02::7:7".parse().unwrap();
        let groups = text(a.join_multicast_v6(&group, 1)) + &text(a.leave_multicast_v6(&group, 1));
        groups + &text(a.multicast_loop_v6()) + &text(a.set_multicast_loop_v6(true))
    }
    udp_sends_to_a_group_of_the_loopback_v6: |_f| {
        let a = UdpSocket::bind("[::]:0").await.expect("free");
        let group: Ipv6Addr = "ff02::7:7".parse().unwrap();
        let at = SocketAddrV6::new(group, a.local_addr().unwrap().port(), 0, 1);
        text(a.join_multicast_v6(&group, 1)) + &text(a.send_to(b"x", at).await)
    }
    udp_bind_to_a_group: |_f| { text(UdpSocket::bind("239.1.2.3:0").await.map(|a| a.local_addr().map(|at| at.ip()).ok())) }
    udp_traffic: |_f| {
        let (a, _) = bound().await;
        let tos = text(a.tos_v4()) + &text(a.set_tos_v4(0x2b)) + &text(a.tos_v4()) + &text(a.set_tos_v4(0x1ff)) + &text(a.tos_v4());
        tos + &text(a.tclass_v6()) + &text(a.set_tclass_v6(1))
    }
    udp_traffic_v6: |_f| {
        let a = UdpSocket::bind("[::1]:0").await.expect("free");
        let class = text(a.tclass_v6()) + &text(a.set_tclass_v6(0x2b)) + &text(a.tclass_v6()) + &text(a.set_tclass_v6(256));
        class + &text(a.tos_v4()) + &text(a.set_tos_v4(4)) + &text(a.tos_v4())
    }
    tcp_traffic: |_f| {
        let a = tokio::net::TcpSocket::new_v4().expect("a socket");
        let tos = text(a.tos_v4()) + &text(a.set_tos_v4(0x2b)) + &text(a.tos_v4()) + &text(a.set_tos_v4(0x1ff)) + &text(a.tos_v4());
        tos + &text(a.tclass_v6()) + &text(a.set_tclass_v6(1))
    }
    tcp_traffic_v6: |_f| {
        let a = tokio::net::TcpSocket::new_v6().expect("a socket");
        text(a.tclass_v6()) + &text(a.set_tclass_v6(0x2b)) + &text(a.tclass_v6()) + &text(a.set_tclass_v6(256)) + &text(a.tos_v4())
    }
    devices: |_f| {
        let (a, b) = (bound().await.0, tokio::net::TcpSocket::new_v4().expect("a socket"));
        let udp = text(a.device()) + &text(a.bind_device(Some(b"nothing0"))) + &text(a.bind_device(None)) + &text(a.bind_device(Some(b"lo")));
        udp + &text(a.device()) + &text(b.device()) + &text(b.bind_device(Some(b"nothing0"))) + &text(b.bind_device(Some(b"lo"))) + &text(b.device())
    }
    tcp_quickack: |_f| {
        let (c, s) = super::pair().await;
        let set = text(c.quickack()) + &text(c.set_quickack(false)) + &text(c.quickack()) + &text(c.set_quickack(true));
        set + &text(c.quickack()) + &text(s.quickack())
    }
    unix_abstract_name_is_taken: |f| {
        let name = format!("\0{}", f.display());
        let first = UnixListener::bind(&name).expect("free");
        let second = text(UnixListener::bind(&name).map(drop));
        drop(first);
        second + &text(UnixListener::bind(&name).map(drop))
    }
    unix_abstract_name_that_nobody_has: |f| { text(UnixStream::connect(format!("\0{}", f.display())).await.map(drop)) }
    unix_abstract_names_are_shown: |f| {
        let name = format!("\0{}", f.display());
        let listener = UnixListener::bind(&name).expect("free");
        let at = listener.local_addr().expect("bound");
        let c = UnixStream::connect(&name).await.expect("a listener");
        let shown = |a: &tokio::net::unix::SocketAddr| format!("{} {:?}", a.is_unnamed(), a.as_abstract_name().is_some());
        shown(&at) + &shown(&c.peer_addr().expect("open")) + &shown(&c.local_addr().expect("open"))
    }
    unix_a_path_is_shown: |f| {
        let listener = UnixListener::bind(f.join("s")).expect("free");
        let c = UnixStream::connect(f.join("s")).await.expect("a listener");
        let (_s, from) = listener.accept().await.expect("a connection");
        let peer = c.peer_addr().expect("open");
        format!("{} {}", peer.as_pathname().is_some_and(|p| p.ends_with("s")), from.is_unnamed())
    }
    unix_unread_bytes_reset: |_f| {
        let (mut a, b) = UnixStream::pair().expect("a pair");
        a.write_all(b"unread").await.expect("open");
        drop(b);
        text(a.read(&mut [0; 4]).await) + &text(a.read(&mut [0; 4]).await)
    }
    unix_bytes_before_the_end: |_f| {
        let (mut a, mut b) = UnixStream::pair().expect("a pair");
        b.write_all(b"abc").await.expect("open");
        drop(b);
        text(a.read(&mut [0; 8]).await) + &text(a.read(&mut [0; 8]).await)
    }
    unix_half_close: |_f| {
        let (mut a, mut b) = UnixStream::pair().expect("a pair");
        a.shutdown().await.expect("open");
        let end = text(b.read(&mut [0; 4]).await);
        b.write_all(b"late").await.expect("half open");
        end + &text(a.read(&mut [0; 8]).await) + &text(a.write(b"x").await)
    }
    unix_split_writer_dropped: |_f| {
        let (a, mut b) = UnixStream::pair().expect("a pair");
        let (r, w) = a.into_split();
        drop(w);
        let end = text(b.read(&mut [0; 4]).await);
        drop(r);
        end + &text(b.write(b"x").await)
    }
    unix_a_full_stream_waits: |_f| {
        let (a, mut b) = UnixStream::pair().expect("a pair");
        let (mut written, chunk) = (0, vec![1; 4_096]);
        while let Ok(n) = a.try_write(&chunk) {
            written += n;
        }
        let waits = timeout(SHORT, a.writable()).await.is_err();
        let mut all = vec![0; written];
        b.read_exact(&mut all).await.expect("there");
        format!("{waits} {}", timeout(SHORT, a.writable()).await.is_ok())
    }
    unix_a_full_backlog: |f| {
        let socket = UnixSocket::new_stream().expect("a socket");
        socket.bind(f.join("s")).expect("free");
        let _l = socket.listen(1).expect("bound");
        let mut seen = String::new();
        let mut open = Vec::new();
        for _ in 0..4 {
            match timeout(SHORT, UnixStream::connect(f.join("s"))).await {
                Ok(Ok(stream)) => {
                    open.push(stream);
                    seen += "open ";
                }
                Ok(Err(error)) => seen += &format!("{:?} ", error.kind()),
                Err(_) => seen += "waits ",
            }
        }
        seen
    }
    unix_accept_after_the_client_went: |f| {
        let l = UnixListener::bind(f.join("s")).expect("free");
        let mut c = UnixStream::connect(f.join("s")).await.expect("a listener");
        c.write_all(b"bye").await.expect("open");
        drop(c);
        let (mut s, _) = l.accept().await.expect("a connection");
        text(s.read(&mut [0; 8]).await) + &text(s.read(&mut [0; 8]).await) + &text(s.write(b"x").await)
    }
    unix_a_listener_that_goes_ends_its_queue: |f| {
        let l = UnixListener::bind(f.join("s")).expect("free");
        let mut c = UnixStream::connect(f.join("s")).await.expect("a listener");
        drop(l);
        text(c.read(&mut [0; 8]).await) + &text(c.write(b"x").await)
    }
    unix_datagrams_keep_order_and_bounds: |_f| {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        for word in [&b"one"[..], b"", b"three"] {
            a.send(word).await.expect("room");
        }
        let mut buffer = [0; 4];
        let mut seen = String::new();
        for _ in 0..3 {
            seen += &text(b.recv(&mut buffer).await);
        }
        seen + &text(b.try_recv(&mut buffer))
    }
    unix_datagram_to_a_path_that_went: |f| {
        let (a, b) = (UnixDatagram::unbound().expect("a socket"), UnixDatagram::bind(f.join("s")).expect("free"));
        let first = text(a.send_to(b"x", f.join("s")).await);
        drop(b);
        let second = text(a.send_to(b"x", f.join("s")).await);
        tokio::fs::remove_file(f.join("s")).await.expect("there");
        first + &second + &text(a.send_to(b"x", f.join("s")).await)
    }
    unix_datagram_from_nobody: |f| {
        let (a, b) = (UnixDatagram::unbound().expect("a socket"), UnixDatagram::bind(f.join("s")).expect("free"));
        a.send_to(b"x", f.join("s")).await.expect("room");
        text(b.recv_from(&mut [0; 4]).await.map(|(n, from)| (n, from.is_unnamed())))
    }
    unix_datagrams_wait_for_room: |_f| {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        let mut sent = 0;
        while a.try_send(&[0; 64]).is_ok() {
            sent += 1;
        }
        let waits = timeout(SHORT, a.writable()).await.is_err();
        for _ in 0..sent {
            b.recv(&mut [0; 64]).await.expect("there");
        }
        format!("{waits} {}", timeout(SHORT, a.writable()).await.is_ok())
    }
    unix_datagram_connected: |f| {
        let (a, b) = (UnixDatagram::unbound().expect("a socket"), UnixDatagram::bind(f.join("s")).expect("free"));
        let before = text(a.peer_addr().map(drop));
        a.connect(f.join("s")).expect("there");
        a.send(b"hi").await.expect("room");
        before + &text(b.recv(&mut [0; 4]).await) + &text(a.peer_addr().map(|p| p.as_pathname().is_some()))
    }
    unix_take_error_of_nothing: |_f| {
        let (a, b) = UnixStream::pair().expect("a pair");
        drop(b);
        text(a.take_error().map(|e| e.is_some()))
    }
}
