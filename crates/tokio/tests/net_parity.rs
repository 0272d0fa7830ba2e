//! The façade's sockets have tokio's methods with tokio's signatures: one source, type-checked against both crates.

macro_rules! parity {
    ($world:ident, $tokio:ident) => {
        mod $world {
            use std::future::Future;
            use std::io::{self, IoSlice, IoSliceMut};
            use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
            use std::task::{Context, Poll};
            use std::time::Duration;

            use $tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
            use $tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
            use $tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, lookup_host};

            fn sends<T>(future: impl Future<Output = io::Result<T>> + Send) {
                drop(future);
            }

            fn shared<T: Send + Sync + Unpin + std::fmt::Debug>() {}
            fn reads<T: AsyncRead + Unpin>() {}
            fn writes<T: AsyncWrite + Unpin>() {}
            fn address<T: ToSocketAddrs + ?Sized>() {}

            pub(crate) fn types() {
                shared::<TcpStream>();
                shared::<TcpListener>();
                shared::<TcpSocket>();
                shared::<UdpSocket>();
                shared::<OwnedReadHalf>();
                shared::<OwnedWriteHalf>();
                shared::<ReadHalf<'static>>();
                shared::<WriteHalf<'static>>();
                reads::<TcpStream>();
                reads::<OwnedReadHalf>();
                reads::<ReadHalf<'static>>();
                writes::<TcpStream>();
                writes::<OwnedWriteHalf>();
                writes::<WriteHalf<'static>>();
                address::<str>();
                address::<&str>();
                address::<String>();
                address::<(&str, u16)>();
                address::<(String, u16)>();
                address::<SocketAddr>();
                address::<SocketAddrV4>();
                address::<SocketAddrV6>();
                address::<(IpAddr, u16)>();
                address::<(Ipv4Addr, u16)>();
                address::<&[SocketAddr]>();
                address::<&&str>();
            }

            pub(crate) fn futures(listener: &TcpListener, stream: &TcpStream, udp: &UdpSocket, socket: TcpSocket) {
                let to: SocketAddr = ([127, 0, 0, 1], 9).into();
                let mut buf = [0; 4];
                let mut bytes = Vec::new();
                sends::<TcpStream>(TcpStream::connect("localhost:9"));
                sends::<TcpListener>(TcpListener::bind(to));
                sends::<(TcpStream, SocketAddr)>(listener.accept());
                sends::<TcpStream>(socket.connect(to));
                sends::<usize>(stream.peek(&mut buf));
                sends::<Ready>(stream.ready(Interest::READABLE));
                sends::<()>(stream.readable());
                sends::<()>(stream.writable());
                sends::<u8>(stream.async_io(Interest::READABLE, || Ok(1)));
                sends::<UdpSocket>(UdpSocket::bind(("localhost", 9)));
                sends::<()>(udp.connect(to));
                sends::<usize>(udp.send(b""));
                sends::<usize>(udp.send_to(b"", to));
                sends::<usize>(udp.recv(&mut buf));
                sends::<usize>(udp.recv_buf(&mut bytes));
                sends::<(usize, SocketAddr)>(udp.recv_from(&mut buf));
                sends::<(usize, SocketAddr)>(udp.recv_buf_from(&mut bytes));
                sends::<usize>(udp.peek(&mut buf));
                sends::<(usize, SocketAddr)>(udp.peek_from(&mut buf));
                sends::<SocketAddr>(udp.peek_sender());
                sends::<Ready>(udp.ready(Interest::READABLE));
                sends::<()>(udp.readable());
                sends::<()>(udp.writable());
                sends::<u8>(udp.async_io(Interest::READABLE, || Ok(1)));
                drop(lookup_host("localhost:9"));
            }

            type Peek<T> = fn(&T, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<usize>>;
            type Readiness<T> = fn(&T, &mut Context<'_>) -> Poll<io::Result<()>>;

            pub(crate) fn functions() {
                let _: fn(std::net::TcpStream) -> io::Result<TcpStream> = TcpStream::from_std;
                let _: fn(TcpStream) -> io::Result<std::net::TcpStream> = TcpStream::into_std;
                let _: fn(&TcpStream) -> io::Result<SocketAddr> = TcpStream::local_addr;
                let _: fn(&TcpStream) -> io::Result<SocketAddr> = TcpStream::peer_addr;
                let _: fn(&TcpStream) -> io::Result<Option<io::Error>> = TcpStream::take_error;
                let _: Peek<TcpStream> = TcpStream::poll_peek;
                let _: Readiness<TcpStream> = TcpStream::poll_read_ready;
                let _: Readiness<TcpStream> = TcpStream::poll_write_ready;
                let _: fn(&TcpStream, &mut [u8]) -> io::Result<usize> = TcpStream::try_read;
                let _: fn(&TcpStream, &mut [IoSliceMut<'_>]) -> io::Result<usize> = TcpStream::try_read_vectored;
                let _: fn(&TcpStream, &mut Vec<u8>) -> io::Result<usize> = TcpStream::try_read_buf;
                let _: fn(&TcpStream, &[u8]) -> io::Result<usize> = TcpStream::try_write;
                let _: fn(&TcpStream, &[IoSlice<'_>]) -> io::Result<usize> = TcpStream::try_write_vectored;
                let _: fn(&TcpStream) -> io::Result<bool> = TcpStream::nodelay;
                let _: fn(&TcpStream, bool) -> io::Result<()> = TcpStream::set_nodelay;
                let _: fn(&TcpStream) -> io::Result<Option<Duration>> = TcpStream::linger;
                let _: fn(&TcpStream) -> io::Result<()> = TcpStream::set_zero_linger;
                let _: fn(&TcpStream) -> io::Result<u32> = TcpStream::ttl;
                let _: fn(&TcpStream, u32) -> io::Result<()> = TcpStream::set_ttl;
                let _: for<'a> fn(&'a mut TcpStream) -> (ReadHalf<'a>, WriteHalf<'a>) = TcpStream::split;
                let _: fn(TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) = TcpStream::into_split;
                let _: fn(OwnedReadHalf, OwnedWriteHalf) -> Result<TcpStream, ReuniteError> = OwnedReadHalf::reunite;
                let _: fn(OwnedWriteHalf, OwnedReadHalf) -> Result<TcpStream, ReuniteError> = OwnedWriteHalf::reunite;
                let _: fn(OwnedWriteHalf) = OwnedWriteHalf::forget;
                let _: for<'a> fn(&'a OwnedReadHalf) -> &'a TcpStream = OwnedReadHalf::as_ref;
                let _: fn(&OwnedReadHalf, &mut [u8]) -> io::Result<usize> = OwnedReadHalf::try_read;
                let _: fn(&OwnedWriteHalf, &[u8]) -> io::Result<usize> = OwnedWriteHalf::try_write;
                let _: fn(std::net::TcpListener) -> io::Result<TcpListener> = TcpListener::from_std;
                let _: fn(TcpListener) -> io::Result<std::net::TcpListener> = TcpListener::into_std;
                let _: fn(&TcpListener) -> io::Result<SocketAddr> = TcpListener::local_addr;
                let _: fn(&TcpListener, &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> =
                    TcpListener::poll_accept;
                let _: fn() -> io::Result<TcpSocket> = TcpSocket::new_v4;
                let _: fn() -> io::Result<TcpSocket> = TcpSocket::new_v6;
                let _: fn(&TcpSocket, SocketAddr) -> io::Result<()> = TcpSocket::bind;
                let _: fn(TcpSocket, u32) -> io::Result<TcpListener> = TcpSocket::listen;
                let _: fn(&TcpSocket, u32) -> io::Result<()> = TcpSocket::set_send_buffer_size;
                let _: fn(&TcpSocket) -> io::Result<u32> = TcpSocket::recv_buffer_size;
                let _: fn(std::net::TcpStream) -> TcpSocket = TcpSocket::from_std_stream;
                let _: fn(std::net::UdpSocket) -> io::Result<UdpSocket> = UdpSocket::from_std;
                let _: fn(&UdpSocket, &mut Context<'_>, &[u8]) -> Poll<io::Result<usize>> = UdpSocket::poll_send;
                let _: fn(&UdpSocket, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> =
                    UdpSocket::poll_recv_from;
                let _: fn(&UdpSocket, &[u8], SocketAddr) -> io::Result<usize> = UdpSocket::try_send_to;
                let _: fn(&UdpSocket, &mut [u8]) -> io::Result<(usize, SocketAddr)> = UdpSocket::try_recv_from;
                let _: Readiness<UdpSocket> = UdpSocket::poll_recv_ready;
                let _: Readiness<UdpSocket> = UdpSocket::poll_send_ready;
            }
        }
    };
}

parity!(facade, stormglass_tokio);
parity!(tokio, real_tokio);

#[test]
fn the_same_source_is_well_typed_with_either_crate() {
    // What is tested is that this file compiles; the calls keep it from being dead code.
    facade::types();
    facade::functions();
    tokio::types();
    tokio::functions();
    let runtime = real_tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        use stormglass_tokio::net as simulated;
        let listener = simulated::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream = simulated::TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a listener");
        let udp = simulated::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        facade::futures(&listener, &stream, &udp, simulated::TcpSocket::new_v4().expect("a socket"));
        use real_tokio::net as real;
        let listener = real::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream = real::TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a listener");
        let udp = real::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        tokio::futures(&listener, &stream, &udp, real::TcpSocket::new_v4().expect("a socket"));
    });
}
