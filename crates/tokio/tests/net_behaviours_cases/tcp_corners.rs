//! TCP in the corners: ends that cross, queues that are full, buffers of nothing, and ports that are taken.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{any, behaviours, closed, pair, pause, text};

/// Reads until the end or an error: how many bytes there were, and how it ended.
async fn drain(stream: &mut TcpStream) -> String {
    let (mut count, mut buffer) = (0, vec![0; 65_536]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return format!("{count} end"),
            Ok(n) => count += n,
            Err(error) => return format!("{count} {:?}", error.kind()),
        }
    }
}

/// Writes without waiting until there is no room.
async fn fill(stream: &TcpStream) -> usize {
    let (mut total, mut full, chunk) = (0, 0, vec![7; 65_536]);
    // What the peer's window takes leaves in its own time, and buffers may grow.
    while full < 5 {
        match stream.try_write(&chunk) {
            Ok(n) => {
                total += n;
                full = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                full += 1;
                pause().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    total
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(any()).await.expect("free");
    let at = listener.local_addr().expect("bound");
    (listener, at)
}

/// A listener on whose queue `backlog` more than one find room.
fn narrow(backlog: u32) -> (TcpListener, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(any()).expect("free");
    let listener = socket.listen(backlog).expect("bound");
    let at = listener.local_addr().expect("bound");
    (listener, at)
}

const SHORT: Duration = Duration::from_millis(300);

behaviours! {
    tcp_reset_after_bytes: |_f| {
        let (mut c, mut s) = pair().await;
        c.write_all(b"abc").await.expect("open");
        s.readable().await.expect("open");
        c.set_zero_linger().expect("open");
        drop(c);
        pause().await;
        drain(&mut s).await
    }
    tcp_end_after_bytes: |_f| {
        let (mut c, mut s) = pair().await;
        c.write_all(b"abc").await.expect("open");
        drop(c);
        pause().await;
        drain(&mut s).await
    }
    tcp_half_close_in_turn: |_f| {
        let (mut c, mut s) = pair().await;
        c.write_all(b"a").await.expect("open");
        c.shutdown().await.expect("open");
        let got = drain(&mut s).await;
        s.write_all(b"bc").await.expect("half open");
        s.shutdown().await.expect("half open");
        got + &drain(&mut c).await + &text(c.write(b"x").await) + &text(s.write(b"x").await)
    }
    tcp_half_close_at_once: |_f| {
        let (mut c, mut s) = pair().await;
        c.shutdown().await.expect("open");
        s.shutdown().await.expect("open");
        let ends = drain(&mut c).await + &drain(&mut s).await;
        ends + &text(c.shutdown().await) + &text(s.shutdown().await)
    }
    tcp_addresses_after_both_ends: |_f| {
        let (mut c, mut s) = pair().await;
        c.shutdown().await.expect("open");
        s.shutdown().await.expect("open");
        let _ = (drain(&mut c).await, drain(&mut s).await);
        pause().await;
        let ips = |stream: &TcpStream| text(stream.local_addr().map(|a| a.ip())) + &text(stream.peer_addr().map(|a| a.ip()));
        ips(&c) + &ips(&s)
    }
    tcp_addresses_after_half_close: |_f| {
        let (mut c, s) = pair().await;
        c.shutdown().await.expect("open");
        closed(&s).await;
        text(c.peer_addr().map(|a| a.ip())) + &text(s.peer_addr().map(|a| a.ip()))
    }
    tcp_options_after_both_ends: |_f| {
        let (mut c, mut s) = pair().await;
        c.shutdown().await.expect("open");
        s.shutdown().await.expect("open");
        let _ = (drain(&mut c).await, drain(&mut s).await);
        pause().await;
        text(c.set_nodelay(true)) + &text(c.nodelay()) + &text(c.ttl()) + &text(c.take_error().map(|e| e.is_some()))
    }
    tcp_zero_linger_forgets_what_was_written: |_f| {
        let (c, mut s) = pair().await;
        fill(&c).await;
        c.set_zero_linger().expect("open");
        drop(c);
        pause().await;
        drain(&mut s).await.split_once(' ').map_or(String::new(), |(_, end)| end.to_owned())
    }
    tcp_linger_delivers_what_was_written: |_f| {
        let (l, at) = listener().await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_linger(Some(Duration::from_secs(1))).expect("a socket");
        let mut c = socket.connect(at).await.expect("a listener");
        let (mut s, _) = l.accept().await.expect("a connection");
        c.write_all(&[1; 10_000]).await.expect("open");
        drop(c);
        drain(&mut s).await
    }
    tcp_close_delivers_what_was_written: |_f| {
        let (c, mut s) = pair().await;
        let written = fill(&c).await;
        drop(c);
        let seen = drain(&mut s).await;
        format!("{}", seen == format!("{written} end"))
    }
    tcp_write_into_a_close: |_f| {
        let (c, mut s) = pair().await;
        s.write_all(b"unread").await.expect("open");
        c.readable().await.expect("open");
        drop(c);
        pause().await;
        let first = text(s.write_all(&[0; 100]).await);
        first + &text(s.write_all(&[0; 100]).await)
    }
    tcp_a_long_write_meets_a_reset: |_f| {
        let (mut c, s) = pair().await;
        let writer = tokio::spawn(async move { c.write_all(&vec![0; 20_000_000]).await });
        pause().await;
        drop(s);
        text(writer.await.expect("no panic"))
    }
    tcp_a_waiting_read_meets_a_reset: |_f| {
        let (c, mut s) = pair().await;
        let reader = tokio::spawn(async move { s.read(&mut [0; 4]).await });
        pause().await;
        c.set_zero_linger().expect("open");
        drop(c);
        text(reader.await.expect("no panic"))
    }
    tcp_connect_tries_every_address: |_f| {
        let ((l, open), (gone, shut)) = (listener().await, listener().await);
        drop(gone);
        let c = TcpStream::connect(&[shut, open][..]).await;
        let seen = text(c.map(|c| c.peer_addr().is_ok_and(|at| at == open)));
        drop(l);
        seen
    }
    tcp_connect_tells_the_last_error: |_f| {
        let ((one, a), (two, b)) = (listener().await, listener().await);
        drop((one, two));
        text(TcpStream::connect(&[a, b][..]).await.map(drop))
    }
    tcp_a_full_backlog_keeps_connections_waiting: |_f| {
        let (_l, at) = narrow(1);
        let mut open = Vec::new();
        let mut seen = String::new();
        for _ in 0..4 {
            let connected = timeout(SHORT, TcpStream::connect(at)).await;
            seen += match &connected {
                Ok(Ok(_)) => "open ",
                Ok(Err(_)) => "error ",
                Err(_) => "waits ",
            };
            open.extend(connected.ok().and_then(Result::ok));
        }
        seen
    }
    tcp_a_full_backlog_takes_up_who_waits: |_f| {
        let (l, at) = narrow(1);
        let _open = (TcpStream::connect(at).await, TcpStream::connect(at).await);
        let late = tokio::spawn(TcpStream::connect(at));
        pause().await;
        let waits = !late.is_finished();
        let accepted = l.accept().await.map(drop);
        format!("{waits} {} {}", text(accepted), text(late.await.expect("no panic").map(drop)))
    }
    tcp_accept_after_the_client_reset: |_f| {
        let (l, at) = listener().await;
        let c = TcpStream::connect(at).await.expect("a listener");
        c.set_zero_linger().expect("open");
        drop(c);
        pause().await;
        match timeout(SHORT, l.accept()).await {
            Ok(Ok((mut s, _))) => "accepted ".to_owned() + &text(s.peer_addr().map(|a| a.ip())) + &text(s.read(&mut [0; 4]).await),
            Ok(Err(error)) => format!("{:?}", error.kind()),
            Err(_) => "waits".to_owned(),
        }
    }
    tcp_accept_after_the_client_closed: |_f| {
        let (l, at) = listener().await;
        let mut c = TcpStream::connect(at).await.expect("a listener");
        c.write_all(b"bye").await.expect("open");
        drop(c);
        pause().await;
        let (mut s, _) = l.accept().await.expect("a connection");
        drain(&mut s).await
    }
    tcp_accepts_in_order: |_f| {
        let (l, at) = listener().await;
        let mut same = Vec::new();
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(TcpStream::connect(at).await.expect("a listener"));
        }
        for c in &open {
            let (_, from) = l.accept().await.expect("a connection");
            same.push(c.local_addr().expect("open") == from);
        }
        format!("{same:?}")
    }
    tcp_nothing_is_read_at_the_end: |_f| { let (c, mut s) = pair().await; drop(c); closed(&s).await; text(s.read(&mut []).await) }
    tcp_nothing_is_written_after_shutdown: |_f| {
        let (mut c, _s) = pair().await;
        c.shutdown().await.expect("open");
        text(c.write(&[]).await) + &text(c.try_write(&[]))
    }
    tcp_nothing_is_written_after_a_reset: |_f| {
        let (c, mut s) = pair().await;
        c.set_zero_linger().expect("open");
        drop(c);
        closed(&s).await;
        text(s.write(&[]).await) + &text(s.write(&[]).await)
    }
    tcp_nothing_is_tried: |_f| {
        let (c, s) = pair().await;
        c.writable().await.expect("open");
        text(c.try_write(&[])) + &text(s.try_read(&mut []))
    }
    tcp_vectors_with_gaps: |_f| {
        let (mut c, mut s) = pair().await;
        let bufs = [IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        let wrote = text(c.write_vectored(&bufs).await);
        let mut got = [0; 5];
        s.read_exact(&mut got).await.expect("there");
        format!("{wrote} {got:?} {}", c.is_write_vectored())
    }
    tcp_vectors_of_nothing: |_f| {
        let (mut c, s) = pair().await;
        let none: [IoSlice<'_>; 0] = [];
        let empty = [IoSlice::new(b""), IoSlice::new(b"")];
        text(c.write_vectored(&none).await) + &text(c.write_vectored(&empty).await) + &text(s.try_read(&mut [0; 1]))
    }
    tcp_vectors_are_read: |_f| {
        let (mut c, s) = pair().await;
        c.write_all(b"abcde").await.expect("open");
        s.readable().await.expect("open");
        pause().await;
        let (mut a, mut b, mut rest) = ([0; 2], [0; 2], [0; 8]);
        let first = text(s.try_read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut []), IoSliceMut::new(&mut b)]));
        let second = text(s.try_read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut rest)]));
        let third = text(s.try_read_vectored(&mut [IoSliceMut::new(&mut rest)]));
        format!("{first} {second} {third} {a:?} {b:?}")
    }
    tcp_split_halves_dropped_reader_first: |_f| {
        let (c, mut s) = pair().await;
        let (r, w) = c.into_split();
        drop(r);
        drop(w);
        text(s.read(&mut [0; 1]).await)
    }
    tcp_split_halves_dropped_writer_first: |_f| {
        let (c, mut s) = pair().await;
        let (r, w) = c.into_split();
        drop(w);
        let end = text(s.read(&mut [0; 1]).await);
        let wrote = text(s.write(b"x").await);
        drop(r);
        pause().await;
        end + &wrote + &text(s.write(b"x").await)
    }
    tcp_split_writer_forgotten: |_f| {
        let (c, s) = pair().await;
        let (r, w) = c.into_split();
        w.forget();
        pause().await;
        let open = text(s.try_read(&mut [0; 1]));
        drop(r);
        closed(&s).await;
        open + &text(s.try_read(&mut [0; 1]))
    }
    tcp_split_halves_of_two_streams: |_f| {
        let ((a, _x), (b, _y)) = (pair().await, pair().await);
        let ((ar, aw), (br, bw)) = (a.into_split(), b.into_split());
        let wrong = ar.reunite(bw).map(drop).map_err(|error| error.to_string());
        format!("{wrong:?} {:?}", br.reunite(aw).is_err())
    }
    tcp_split_halves_made_one: |_f| {
        let (c, mut s) = pair().await;
        let (r, w) = c.into_split();
        let mut c = r.reunite(w).expect("of one stream");
        c.write_all(b"x").await.expect("open");
        text(s.read(&mut [0; 4]).await)
    }
    tcp_borrowed_halves_end_nothing: |_f| {
        let (mut c, s) = pair().await;
        {
            let (_r, _w) = c.split();
        }
        pause().await;
        text(s.try_read(&mut [0; 1]))
    }
    tcp_half_shut_down_by_hand: |_f| {
        let (c, mut s) = pair().await;
        let (_r, mut w) = c.into_split();
        w.shutdown().await.expect("open");
        text(w.write(b"x").await) + &text(s.read(&mut [0; 1]).await)
    }
    tcp_readable_waits_for_more: |_f| {
        let (mut c, s) = pair().await;
        c.write_all(b"abc").await.expect("open");
        s.readable().await.expect("open");
        let some = text(s.try_read(&mut [0; 2]));
        let still = timeout(SHORT, s.readable()).await.is_ok();
        let rest = text(s.try_read(&mut [0; 8]));
        let none = text(s.try_read(&mut [0; 8]));
        let waits = timeout(SHORT, s.readable()).await.is_err();
        c.write_all(b"d").await.expect("open");
        format!("{some} {still} {rest} {none} {waits} {}", timeout(SHORT, s.readable()).await.is_ok())
    }
    tcp_writable_waits_for_room: |_f| {
        let (c, mut s) = pair().await;
        let written = fill(&c).await;
        let waits = timeout(SHORT, c.writable()).await.is_err();
        let mut seen = vec![0; written];
        s.read_exact(&mut seen).await.expect("there");
        let room = timeout(SHORT, c.writable()).await.is_ok();
        format!("{waits} {room} {}", text(c.try_write(b"x")))
    }
    tcp_a_full_write_waits_for_a_reader: |_f| {
        let (mut c, mut s) = pair().await;
        let written = fill(&c).await;
        let writer = tokio::spawn(async move { c.write_all(b"more").await.map(|()| c) });
        pause().await;
        let waits = !writer.is_finished();
        let mut seen = vec![0; written + 4];
        s.read_exact(&mut seen).await.expect("there");
        format!("{waits} {} {:?}", text(writer.await.expect("no panic").map(drop)), &seen[written..])
    }
    tcp_ready_after_a_reset: |_f| {
        let (c, s) = pair().await;
        c.set_zero_linger().expect("open");
        drop(c);
        closed(&s).await;
        let ready = s.ready(Interest::READABLE | Interest::WRITABLE).await.expect("a socket");
        format!("{} {} {} {}", ready.is_readable(), ready.is_writable(), ready.is_read_closed(), ready.is_write_closed())
    }
    tcp_try_io_that_would_block: |_f| {
        let (mut c, s) = pair().await;
        c.write_all(b"x").await.expect("open");
        s.readable().await.expect("open");
        let refused = s.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        let again = s.try_io(Interest::READABLE, || Ok(1));
        text(refused) + &text(again)
    }
    tcp_connects_to_itself: |_f| {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(any()).expect("free");
        let at = socket.local_addr().expect("bound");
        match socket.connect(at).await {
            Ok(mut c) => {
                let same = c.peer_addr().is_ok_and(|peer| peer == at);
                c.write_all(b"me").await.expect("open");
                let mut got = [0; 2];
                c.read_exact(&mut got).await.expect("there");
                c.shutdown().await.expect("open");
                format!("{same} {got:?} {}", drain(&mut c).await)
            }
            Err(error) => format!("{:?}", error.kind()),
        }
    }
    tcp_the_same_four_twice: |_f| {
        let (_l, at) = listener().await;
        let bound = |from: SocketAddr| {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("a socket");
            socket.bind(from).map(|()| socket)
        };
        let first = bound(any()).expect("free");
        let from = first.local_addr().expect("bound");
        let _c = first.connect(at).await.expect("a listener");
        match bound(from) {
            Ok(second) => "bound ".to_owned() + &text(second.connect(at).await.map(drop)),
            Err(error) => text::<()>(Err(error)),
        }
    }
    tcp_bind_where_a_connection_is: |_f| {
        let (c, _s) = pair().await;
        let at = c.local_addr().expect("open");
        let (plain, reusing) = (TcpSocket::new_v4().expect("a socket"), TcpSocket::new_v4().expect("a socket"));
        reusing.set_reuseaddr(true).expect("a socket");
        text(plain.bind(at)) + &text(reusing.bind(at))
    }
    tcp_bind_where_accepted_connections_are: |_f| {
        let (l, at) = listener().await;
        let _c = TcpStream::connect(at).await.expect("a listener");
        let _s = l.accept().await.expect("a connection");
        drop(l);
        // tokio's listener reuses addresses; a plain socket does not.
        let plain = TcpSocket::new_v4().expect("a socket");
        text(plain.bind(at)) + &text(TcpListener::bind(at).await.map(drop))
    }
    tcp_connect_from_a_bound_port: |_f| {
        let (l, at) = listener().await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(any()).expect("free");
        let from = socket.local_addr().expect("bound");
        let _c = socket.connect(at).await.expect("a listener");
        text(l.accept().await.map(|(_, peer)| peer == from))
    }
    tcp_listen_of_a_bound_socket_twice: |_f| {
        let make = || {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("a socket");
            socket
        };
        let (a, b) = (make(), make());
        a.bind(any()).expect("free");
        let at = a.local_addr().expect("bound");
        let bound = b.bind(at).map(|()| b);
        let _l = a.listen(4).expect("bound");
        match bound {
            Ok(b) => "bound ".to_owned() + &text(b.listen(4).map(drop)),
            Err(error) => text::<()>(Err(error)),
        }
    }
    tcp_listen_of_nothing: |_f| {
        let (l, at) = narrow(0);
        let c = timeout(SHORT, TcpStream::connect(at)).await;
        let seen = format!("{}", matches!(c, Ok(Ok(_))));
        drop(l);
        seen
    }
    tcp_connections_outlive_their_listener: |_f| {
        let (l, at) = listener().await;
        let mut c = TcpStream::connect(at).await.expect("a listener");
        let (mut s, _) = l.accept().await.expect("a connection");
        drop(l);
        s.write_all(b"still").await.expect("open");
        let refused = text(TcpStream::connect(at).await.map(drop));
        let mut got = [0; 5];
        c.read_exact(&mut got).await.expect("there");
        refused
    }
    tcp_a_cancelled_connect_is_gone: |_f| {
        let (l, at) = listener().await;
        drop(timeout(Duration::ZERO, TcpStream::connect(at)).await);
        pause().await;
        // Whether it came to be or not, what is accepted next is whole.
        let c = TcpStream::connect(at).await.expect("a listener");
        let own = c.local_addr().expect("open");
        let found = async {
            loop {
                let (_, from) = l.accept().await.expect("a connection");
                if from == own {
                    return true;
                }
            }
        };
        format!("{:?}", timeout(SHORT, found).await)
    }
}
