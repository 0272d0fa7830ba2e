//! Receiving datagrams.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use real_tokio::io::ReadBuf;

use super::{Inner, UdpSocket, sim, within_budget};

/// Copies what fits; the rest of a datagram is lost, as always.
pub(in crate::net) fn copy(payload: &[u8], buf: &mut [u8]) -> usize {
    let n = payload.len().min(buf.len());
    buf[..n].copy_from_slice(&payload[..n]);
    n
}

/// As [`copy`], into what is left of a read buffer.
pub(in crate::net) fn put(payload: &[u8], buf: &mut ReadBuf<'_>) {
    buf.put_slice(&payload[..payload.len().min(buf.remaining())]);
}

pub(in crate::net) fn put_buf(payload: &[u8], buf: &mut impl BufMut) -> usize {
    let n = payload.len().min(buf.remaining_mut());
    buf.put_slice(&payload[..n]);
    n
}

fn poll_recv(socket: &sim::UdpSocket, cx: &mut Context<'_>, peek: bool) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
    within_budget(cx, |cx| socket.poll_recv(cx, peek))
}

impl UdpSocket {
    /// Receives a datagram. What does not fit `buf` is lost. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.recv(buf).await,
            Inner::Sim(socket) => {
                let (payload, _) = poll_fn(|cx| poll_recv(socket, cx, false)).await?;
                Ok(copy(&payload, buf))
            }
        }
    }

    /// Polls for it: as [`UdpSocket::recv`].
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_recv(cx, buf),
            Inner::Sim(socket) => {
                let (payload, _) = ready!(poll_recv(socket, cx, false))?;
                put(&payload, buf);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// As [`UdpSocket::recv`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv(buf),
            Inner::Sim(socket) => {
                let (payload, _) = socket.try_recv(false)?;
                Ok(copy(&payload, buf))
            }
        }
    }

    /// As [`UdpSocket::recv`], into a buffer whose cursor moves.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.recv_buf(buf).await,
            Inner::Sim(socket) => {
                let (payload, _) = poll_fn(|cx| poll_recv(socket, cx, false)).await?;
                Ok(put_buf(&payload, buf))
            }
        }
    }

    /// As [`UdpSocket::recv_buf`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv_buf(buf),
            Inner::Sim(socket) => {
                let (payload, _) = socket.try_recv(false)?;
                Ok(put_buf(&payload, buf))
            }
        }
    }

    /// Copies the next datagram, which stays. What does not fit `buf` is lost. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.peek(buf).await,
            Inner::Sim(socket) => {
                let (payload, _) = poll_fn(|cx| poll_recv(socket, cx, true)).await?;
                Ok(copy(&payload, buf))
            }
        }
    }

    /// Polls for it: as [`UdpSocket::peek`].
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_peek(cx, buf),
            Inner::Sim(socket) => {
                let (payload, _) = ready!(poll_recv(socket, cx, true))?;
                put(&payload, buf);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// As [`UdpSocket::peek`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_peek(buf),
            Inner::Sim(socket) => {
                let (payload, _) = socket.try_recv(true)?;
                Ok(copy(&payload, buf))
            }
        }
    }

    /// Receives a datagram, and who sent it. What does not fit `buf` is lost. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.recv_from(buf).await,
            Inner::Sim(socket) => {
                let (payload, from) = poll_fn(|cx| poll_recv(socket, cx, false)).await?;
                Ok((copy(&payload, buf), from))
            }
        }
    }

    /// Polls for it: as [`UdpSocket::recv_from`].
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_recv_from(cx, buf),
            Inner::Sim(socket) => {
                let (payload, from) = ready!(poll_recv(socket, cx, false))?;
                put(&payload, buf);
                Poll::Ready(Ok(from))
            }
        }
    }

    /// As [`UdpSocket::recv_from`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv_from(buf),
            Inner::Sim(socket) => {
                let (payload, from) = socket.try_recv(false)?;
                Ok((copy(&payload, buf), from))
            }
        }
    }

    /// As [`UdpSocket::recv_from`], into a buffer whose cursor moves.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.recv_buf_from(buf).await,
            Inner::Sim(socket) => {
                let (payload, from) = poll_fn(|cx| poll_recv(socket, cx, false)).await?;
                Ok((put_buf(&payload, buf), from))
            }
        }
    }

    /// As [`UdpSocket::recv_buf_from`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv_buf_from(buf),
            Inner::Sim(socket) => {
                let (payload, from) = socket.try_recv(false)?;
                Ok((put_buf(&payload, buf), from))
            }
        }
    }

    /// Copies the next datagram, which stays, and who sent it. What does not fit `buf` is lost. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.peek_from(buf).await,
            Inner::Sim(socket) => {
                let (payload, from) = poll_fn(|cx| poll_recv(socket, cx, true)).await?;
                Ok((copy(&payload, buf), from))
            }
        }
    }

    /// Polls for it: as [`UdpSocket::peek_from`].
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_peek_from(cx, buf),
            Inner::Sim(socket) => {
                let (payload, from) = ready!(poll_recv(socket, cx, true))?;
                put(&payload, buf);
                Poll::Ready(Ok(from))
            }
        }
    }

    /// As [`UdpSocket::peek_from`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.try_peek_from(buf),
            Inner::Sim(socket) => {
                let (payload, from) = socket.try_recv(true)?;
                Ok((copy(&payload, buf), from))
            }
        }
    }

    /// Who sent the next datagram, which stays. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        poll_fn(|cx| self.poll_peek_sender(cx)).await
    }

    /// Polls for who sent the next datagram, which stays.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_peek_sender(cx),
            Inner::Sim(socket) => poll_recv(socket, cx, true).map_ok(|(_, from)| from),
        }
    }

    /// As [`UdpSocket::peek_sender`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Real(socket) => socket.try_peek_sender(),
            Inner::Sim(socket) => socket.try_recv(true).map(|(_, from)| from),
        }
    }
}
