//! Halves that borrow a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use real_tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::SocketAddr;
use super::stream::UnixStream;

/// The reading half of a [`UnixStream`], made by [`UnixStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(super) &'a UnixStream);

/// The writing half of a [`UnixStream`], made by [`UnixStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(super) &'a UnixStream);

/// Methods of a reading half, which hands them to the stream.
macro_rules! reading {
    ($($stream:tt)*) => {
        /// Waits for any of the states of `interest`. Cancel safe.
        ///
        /// # Errors
        /// Those of the socket.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$($stream)*.ready(interest).await
        }

        /// Waits until a read would not wait. Cancel safe.
        ///
        /// # Errors
        /// Those of the socket.
        pub async fn readable(&self) -> io::Result<()> {
            self.$($stream)*.readable().await
        }

        /// Reads what is there.
        ///
        /// # Errors
        /// `WouldBlock` when nothing is.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.$($stream)*.try_read(buf)
        }

        /// Reads what is there into several buffers, one after the other.
        ///
        /// # Errors
        /// `WouldBlock` when nothing is.
        pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
            self.$($stream)*.try_read_vectored(bufs)
        }

        /// Reads what is there into a buffer, whose cursor moves.
        ///
        /// # Errors
        /// `WouldBlock` when nothing is.
        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.$($stream)*.try_read_buf(buf)
        }

        addresses!($($stream)*);
    };
}

/// Methods of a writing half, which hands them to the stream.
macro_rules! writing {
    ($($stream:tt)*) => {
        /// Waits for any of the states of `interest`. Cancel safe.
        ///
        /// # Errors
        /// Those of the socket.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$($stream)*.ready(interest).await
        }

        /// Waits until a write would not wait. Cancel safe.
        ///
        /// # Errors
        /// Those of the socket.
        pub async fn writable(&self) -> io::Result<()> {
            self.$($stream)*.writable().await
        }

        /// Writes what there is room for.
        ///
        /// # Errors
        /// `WouldBlock` when there is none.
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.$($stream)*.try_write(buf)
        }

        /// Writes what there is room for from several buffers, one after the other.
        ///
        /// # Errors
        /// `WouldBlock` when there is none.
        pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
            self.$($stream)*.try_write_vectored(bufs)
        }

        addresses!($($stream)*);
    };
}

/// Addresses of the stream that a half belongs to.
macro_rules! addresses {
    ($($stream:tt)*) => {
        /// The other end's address.
        ///
        /// # Errors
        /// Those of the socket.
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.$($stream)*.peer_addr()
        }

        /// This end's address.
        ///
        /// # Errors
        /// Those of the socket.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.$($stream)*.local_addr()
        }
    };
}

pub(super) use {addresses, reading, writing};

impl ReadHalf<'_> {
    reading!(0);
}

impl WriteHalf<'_> {
    writing!(0);
}

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_shared(cx, buf)
    }
}

impl AsyncWrite for WriteHalf<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write_shared(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_vectored_shared(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown_write())
    }
}

impl AsRef<UnixStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &UnixStream {
        self.0
    }
}

impl AsRef<UnixStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &UnixStream {
        self.0
    }
}
