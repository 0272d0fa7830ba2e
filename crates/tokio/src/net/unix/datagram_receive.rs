//! Receiving Unix datagrams. What does not fit the caller's buffer is lost.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use real_tokio::io::ReadBuf;

use super::SocketAddr;
use super::addr::shown;
use super::datagram::{Inner, UnixDatagram};
use crate::net::udp::receive::{copy, put, put_buf};
use crate::net::within_budget;

fn poll(socket: &stormglass_net::unix::Datagram, cx: &mut Context<'_>) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
    within_budget(cx, |cx| socket.poll_recv(cx)).map_ok(|(payload, from)| (payload, shown(from)))
}

fn at_once(socket: &stormglass_net::unix::Datagram) -> io::Result<(Vec<u8>, SocketAddr)> {
    socket.try_recv().map(|(payload, from)| (payload, shown(from)))
}

impl UnixDatagram {
    /// Receives a datagram. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.recv(buf).await,
            Inner::Sim(socket) => Ok(copy(&poll_fn(|cx| poll(socket, cx)).await?.0, buf)),
        }
    }

    /// Polls for it: as [`UnixDatagram::recv`].
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_recv(cx, buf),
            Inner::Sim(socket) => {
                put(&ready!(poll(socket, cx))?.0, buf);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// As [`UnixDatagram::recv`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv(buf),
            Inner::Sim(socket) => Ok(copy(&at_once(socket)?.0, buf)),
        }
    }

    /// As [`UnixDatagram::recv`], into a buffer whose cursor moves.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.recv_buf(buf).await,
            Inner::Sim(socket) => Ok(put_buf(&poll_fn(|cx| poll(socket, cx)).await?.0, buf)),
        }
    }

    /// As [`UnixDatagram::recv_buf`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv_buf(buf),
            Inner::Sim(socket) => Ok(put_buf(&at_once(socket)?.0, buf)),
        }
    }

    /// Receives a datagram, and who sent it. Cancel safe.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.recv_from(buf).await,
            Inner::Sim(socket) => {
                let (payload, from) = poll_fn(|cx| poll(socket, cx)).await?;
                Ok((copy(&payload, buf), from))
            }
        }
    }

    /// Polls for it: as [`UnixDatagram::recv_from`].
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Inner::Real(socket) => socket.poll_recv_from(cx, buf),
            Inner::Sim(socket) => {
                let (payload, from) = ready!(poll(socket, cx))?;
                put(&payload, buf);
                Poll::Ready(Ok(from))
            }
        }
    }

    /// As [`UnixDatagram::recv_from`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv_from(buf),
            Inner::Sim(socket) => {
                let (payload, from) = at_once(socket)?;
                Ok((copy(&payload, buf), from))
            }
        }
    }

    /// As [`UnixDatagram::recv_from`], into a buffer whose cursor moves.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.recv_buf_from(buf).await,
            Inner::Sim(socket) => {
                let (payload, from) = poll_fn(|cx| poll(socket, cx)).await?;
                Ok((put_buf(&payload, buf), from))
            }
        }
    }

    /// As [`UnixDatagram::recv_buf_from`], without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Real(socket) => socket.try_recv_buf_from(buf),
            Inner::Sim(socket) => {
                let (payload, from) = at_once(socket)?;
                Ok((put_buf(&payload, buf), from))
            }
        }
    }
}
