//! Standard input, output and error: of the process, or of a simulated node.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use real_tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::console::{self, Stream};

/// Standard input, as `tokio::io::Stdin`. A simulated node's ends at once, unless its simulation gives it something.
#[derive(Debug)]
pub struct Stdin(Kind<real_tokio::io::Stdin>);

/// Standard output, as `tokio::io::Stdout`. A simulated node's is kept for its simulation.
#[derive(Debug)]
pub struct Stdout(Kind<real_tokio::io::Stdout>);

/// Standard error, as `tokio::io::Stderr`. A simulated node's is kept for its simulation.
#[derive(Debug)]
pub struct Stderr(Kind<real_tokio::io::Stderr>);

#[derive(Debug)]
enum Kind<R> {
    Real(R),
    Simulated,
}

fn kind<R>(real: impl FnOnce() -> R) -> Kind<R> {
    if stormglass_kernel::is_current() { Kind::Simulated } else { Kind::Real(real()) }
}

/// Standard input.
#[must_use]
pub fn stdin() -> Stdin {
    Stdin(kind(real_tokio::io::stdin))
}

/// Standard output.
#[must_use]
pub fn stdout() -> Stdout {
    Stdout(kind(real_tokio::io::stdout))
}

/// Standard error.
#[must_use]
pub fn stderr() -> Stderr {
    Stderr(kind(real_tokio::io::stderr))
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(real).poll_read(cx, buf),
            Kind::Simulated => match console::read(buf.initialize_unfilled(), cx.waker()) {
                Some(count) => {
                    buf.advance(count);
                    Poll::Ready(Ok(()))
                }
                None => Poll::Pending,
            },
        }
    }
}

macro_rules! written {
    ($type:ident, $stream:expr) => {
        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().0 {
                    Kind::Real(real) => Pin::new(real).poll_write(cx, buf),
                    Kind::Simulated => {
                        console::write($stream, buf);
                        Poll::Ready(Ok(buf.len()))
                    }
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().0 {
                    Kind::Real(real) => Pin::new(real).poll_flush(cx),
                    Kind::Simulated => Poll::Ready(Ok(())),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().0 {
                    Kind::Real(real) => Pin::new(real).poll_shutdown(cx),
                    Kind::Simulated => Poll::Ready(Ok(())),
                }
            }
        }
    };
}

written!(Stdout, Stream::Out);
written!(Stderr, Stream::Err);
