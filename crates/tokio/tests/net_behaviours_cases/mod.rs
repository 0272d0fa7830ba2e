//! The behaviours, by kind of socket.

mod corners;
mod tcp;
mod tcp_corners;
mod udp;
mod unix;

use std::net::SocketAddr;
use std::time::Duration;

use stormglass_tokio as tokio;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use super::Behaviour;

/// A list of behaviours: `name: |folder| { statements; text }`.
macro_rules! behaviours {
    ($($name:ident: |$folder:ident| $body:block)*) => {
        pub(super) fn all() -> Vec<super::Behaviour> {
            vec![$((stringify!($name), |$folder: std::path::PathBuf| Box::pin(async move { let _ = &$folder; $body }))),*]
        }
    };
}
use behaviours;

pub(super) fn all() -> Vec<Behaviour> {
    [tcp::all(), udp::all(), unix::all(), tcp_corners::all(), corners::all()].concat()
}

/// A result as text: the value, or the error's kind and number.
fn text<T: std::fmt::Debug>(result: std::io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?} {:?}", error.kind(), error.raw_os_error()),
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a listener");
    let (server, _) = listener.accept().await.expect("a connection");
    (client, server)
}

/// Waits until the peer's FIN or RST has been seen.
async fn closed(stream: &TcpStream) {
    while !stream.ready(Interest::READABLE).await.expect("a socket").is_read_closed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}
