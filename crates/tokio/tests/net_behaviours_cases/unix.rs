//! Unix sockets. Those that need several steps are in `net_unix.rs`.

use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream};

use super::{behaviours, text};

behaviours! {
    unix_connect_nowhere: |f| { text(UnixStream::connect(f.join("s")).await.map(drop)) }
    unix_connect_plain_file: |f| {
        tokio::fs::write(f.join("s"), b"").await.expect("a file");
        text(UnixStream::connect(f.join("s")).await.map(drop))
    }
    unix_bind_over_file: |f| {
        tokio::fs::write(f.join("s"), b"").await.expect("a file");
        text(UnixListener::bind(f.join("s")).map(drop))
    }
    unix_bind_no_folder: |f| { text(UnixListener::bind(f.join("no/s")).map(drop)) }
    unix_bind_path_too_long: |f| { text(UnixListener::bind(f.join("x".repeat(200))).map(drop)) }
    unix_connect_stale: |f| {
        drop(UnixListener::bind(f.join("s")).expect("free"));
        text(UnixStream::connect(f.join("s")).await.map(drop))
    }
    unix_stream_to_datagram_socket: |f| {
        let _d = UnixDatagram::bind(f.join("s")).expect("free");
        text(UnixStream::connect(f.join("s")).await.map(drop))
    }
    unix_datagram_to_listener: |f| {
        let _l = UnixListener::bind(f.join("s")).expect("free");
        text(UnixDatagram::unbound().expect("a socket").send_to(b"x", f.join("s")).await)
    }
    unix_pair_names: |_f| {
        let (a, _b) = UnixStream::pair().expect("a pair");
        format!("{} {}", a.local_addr().expect("open").is_unnamed(), a.peer_addr().expect("open").is_unnamed())
    }
    unix_read_end: |_f| { let (mut a, b) = UnixStream::pair().expect("a pair"); drop(b); text(a.read(&mut [0; 1]).await) }
    unix_write_to_closed: |_f| { let (mut a, b) = UnixStream::pair().expect("a pair"); drop(b); text(a.write(b"x").await) }
    unix_write_after_shutdown: |_f| {
        let (mut a, _b) = UnixStream::pair().expect("a pair");
        a.shutdown().await.expect("open");
        text(a.write(b"x").await)
    }
    unix_shutdown_after_close: |_f| { let (mut a, b) = UnixStream::pair().expect("a pair"); drop(b); text(a.shutdown().await) }
    unix_peer_addr_after_close: |_f| {
        let (a, b) = UnixStream::pair().expect("a pair");
        drop(b);
        text(a.peer_addr().map(|a| a.is_unnamed()))
    }
    unix_try_read_empty: |_f| { let (a, _b) = UnixStream::pair().expect("a pair"); text(a.try_read(&mut [0; 1])) }
    unix_write_nothing: |_f| { let (mut a, _b) = UnixStream::pair().expect("a pair"); text(a.write(b"").await) }
    unix_ready_fresh: |_f| {
        let (a, _b) = UnixStream::pair().expect("a pair");
        format!("{:?}", a.ready(Interest::READABLE | Interest::WRITABLE).await.expect("open"))
    }
    unix_ready_peer_gone: |_f| {
        let (a, b) = UnixStream::pair().expect("a pair");
        drop(b);
        a.readable().await.expect("open");
        format!("{:?}", a.ready(Interest::READABLE | Interest::WRITABLE).await.expect("open"))
    }
    unix_datagram_unconnected: |_f| { text(UnixDatagram::unbound().expect("a socket").send(b"x").await) }
    unix_datagram_too_long: |_f| { let (a, _b) = UnixDatagram::pair().expect("a pair"); text(a.send(&vec![0; 300_000]).await) }
    unix_datagram_peer_closed: |_f| { let (a, b) = UnixDatagram::pair().expect("a pair"); drop(b); text(a.send(b"x").await) }
    unix_socket_listen_unbound: |_f| { text(UnixSocket::new_stream().expect("a socket").listen(1).map(drop)) }
    unix_socket_wrong_kind: |_f| { text(UnixSocket::new_stream().expect("a socket").datagram().map(drop)) }
}
