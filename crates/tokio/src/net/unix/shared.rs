//! I/O through a shared reference to a `UnixStream`: calls that do not wait, and what its halves poll.

use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use real_tokio::io::{Interest, ReadBuf};
use real_tokio::net as real;

use super::stream::{Inner, UnixStream};
use crate::net::tcp::shared::gather;
use crate::net::tcp::stream::ready_of;
use crate::net::within_budget;

impl UnixStream {
    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_read(buf),
            Inner::Sim(stream) => {
                let mut buf = ReadBuf::new(buf);
                stream.try_read(buf.remaining(), |bytes| buf.put_slice(bytes))
            }
        }
    }

    /// Reads what is there into several buffers, one after the other.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is.
    pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        if let Inner::Real(stream) = &self.0 {
            return stream.try_read_vectored(bufs);
        }
        let mut total = 0;
        for buf in bufs.iter_mut().filter(|b| !b.is_empty()) {
            match self.try_read(buf) {
                Ok(n) => total += n,
                Err(e) if total == 0 => return Err(e),
                Err(_) => break,
            }
            if total == 0 {
                break;
            }
        }
        Ok(total)
    }

    /// Reads what is there into a buffer, whose cursor moves.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is.
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_read_buf(buf),
            Inner::Sim(stream) => {
                // The buffer is the program's own code and must not run while the simulation is borrowed.
                let mut bytes = Vec::new();
                let n = stream.try_read(buf.remaining_mut(), |more| bytes.extend_from_slice(more))?;
                buf.put_slice(&bytes);
                Ok(n)
            }
        }
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_write(buf),
            Inner::Sim(stream) => stream.try_write(buf),
        }
    }

    /// Writes what there is room for from several buffers, one after the other.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Inner::Real(stream) => stream.try_write_vectored(bufs),
            Inner::Sim(stream) => gather(bufs, |bytes| stream.try_write(bytes)),
        }
    }

    /// Does I/O of the caller's own, if the socket is ready for `interest`.
    ///
    /// # Errors
    /// `WouldBlock` when it is not ready, or when `f` says so.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Inner::Real(stream) => stream.try_io(interest, f),
            Inner::Sim(stream) => {
                if ready_of(stream.readiness()?, interest).is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                f().inspect_err(|error| {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        // A socket that is gone says so at the next call.
                        let _ = stream.clear_readiness(interest.is_readable(), interest.is_writable());
                    }
                })
            }
        }
    }

    /// Does I/O of the caller's own each time the socket is ready for `interest`, until it does not block.
    ///
    /// # Errors
    /// Those of `f` but `WouldBlock`.
    pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        if let Inner::Real(stream) = &self.0 {
            return stream.async_io(interest, f).await;
        }
        loop {
            self.ready(interest).await?;
            match self.try_io(interest, &mut f) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Reads through a shared reference, for the halves.
    #[inline]
    pub(super) fn poll_read_shared(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Inner::Real(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read_buf(buf) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done.map(drop)),
                }
            },
            Inner::Sim(stream) => {
                let max = buf.remaining();
                within_budget(cx, |cx| stream.poll_read(cx, max, |bytes| buf.put_slice(bytes))).map_ok(drop)
            }
        }
    }

    /// Writes through a shared reference, for the halves.
    #[inline]
    pub(super) fn poll_write_shared(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write(buf) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            Inner::Sim(stream) => within_budget(cx, |cx| stream.poll_write(cx, buf)),
        }
    }

    /// As [`UnixStream::poll_write_shared`], from several buffers.
    pub(super) fn poll_write_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.0 {
            Inner::Real(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write_vectored(bufs) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            Inner::Sim(stream) => within_budget(cx, |cx| {
                let first = bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| b);
                let written = ready!(stream.poll_write(cx, first))?;
                if written < first.len() {
                    return Poll::Ready(Ok(written));
                }
                let rest = bufs.iter().skip_while(|b| b.is_empty()).skip(1);
                let rest: Vec<_> = rest.map(|b| io::IoSlice::new(b)).collect();
                let more = gather(&rest, |bytes| stream.try_write(bytes)).unwrap_or(0);
                Poll::Ready(Ok(written + more))
            }),
        }
    }

    /// Ends the write direction.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match &self.0 {
            Inner::Real(stream) => shutdown_real(stream),
            Inner::Sim(stream) => stream.shutdown_write(),
        }
    }
}

/// tokio keeps `shutdown(2)` to itself; a duplicate of the descriptor shuts down the same socket.
fn shutdown_real(stream: &real::UnixStream) -> io::Result<()> {
    let owned = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
    match std::os::unix::net::UnixStream::from(owned).shutdown(Shutdown::Write) {
        Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(()),
        done => done,
    }
}
