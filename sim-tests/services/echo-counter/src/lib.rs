//! An echo and a counter: front ends answer echoes themselves and pass additions on to one store. An ordinary tokio program,
//! so small that what differs between two runtimes beneath it is theirs.
//!
//! A request is one byte, `e` or `a`, and eight bytes; an answer is eight bytes: what was sent, or the sum after it. Every
//! message is flushed, as TCP behind a buffer asks for.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Where the store and the front ends listen.
pub const PORT: u16 = 7070;

/// How long a front end waits for the store.
const PATIENCE: Duration = Duration::from_millis(800);

const ECHO: u8 = b'e';
const ADD: u8 = b'a';

/// Keeps the sum, until the process ends.
///
/// # Errors
/// When the port cannot be had.
pub async fn serve_store() -> io::Result<()> {
    let sum = Arc::new(Mutex::new(0_u64));
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let sum = Arc::clone(&sum);
        tokio::spawn(async move {
            while let Ok((ADD, amount)) = receive(&mut stream).await {
                let after = {
                    let mut sum = sum.lock().await;
                    *sum = sum.wrapping_add(amount);
                    *sum
                };
                if answer(&mut stream, after).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// Serves clients, and asks `store` for sums.
///
/// # Errors
/// When the port cannot be had.
pub async fn serve_front(store: &'static str) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            while let Ok((what, number)) = receive(&mut stream).await {
                let told = match what {
                    ADD => match timeout(PATIENCE, add(store, number)).await {
                        Ok(Ok(sum)) => sum,
                        // The client learns nothing, as of a store that is silent.
                        Ok(Err(_)) | Err(_) => break,
                    },
                    _ => number,
                };
                if answer(&mut stream, told).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn receive(stream: &mut TcpStream) -> io::Result<(u8, u64)> {
    let what = stream.read_u8().await?;
    Ok((what, stream.read_u64().await?))
}

async fn answer(stream: &mut TcpStream, number: u64) -> io::Result<()> {
    stream.write_all(&number.to_be_bytes()).await?;
    stream.flush().await
}

async fn ask(server: &str, what: u8, number: u64) -> io::Result<u64> {
    let mut stream = TcpStream::connect((server, PORT)).await?;
    let mut message = vec![what];
    message.extend(number.to_be_bytes());
    stream.write_all(&message).await?;
    stream.flush().await?;
    stream.read_u64().await
}

/// A client's call: what comes back of `number`.
///
/// # Errors
/// Whatever befalls the connection.
pub async fn echo(server: &str, number: u64) -> io::Result<u64> {
    ask(server, ECHO, number).await
}

/// A client's call: adds `amount` and gives the sum. After an error it may have been added or not.
///
/// # Errors
/// Whatever befalls the connection.
pub async fn add(server: &str, amount: u64) -> io::Result<u64> {
    ask(server, ADD, amount).await
}
