//! A simulated open file, with the buffer and the order of operations of tokio's `fs::File`.
//!
//! One operation is on its way at a time; the next one waits for it. A write is handed over and counts as done; what a
//! read brought and nobody took is given back by moving the position before the next write or seek.

use std::fs::Permissions;
use std::future::poll_fn;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use real_tokio::io::ReadBuf;
use real_tokio::sync::Mutex;
use stormglass_disk::{Handle, Operation, Reply, Request, Target, Whence, submit};

use super::functions::mode_of;
use super::{Metadata, ask, misfit};

/// tokio's own bound on what one operation moves.
const MAX_BUF_SIZE: usize = 2 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct SimulatedFile {
    handle: Handle,
    inner: Mutex<Inner>,
    max_buf_size: usize,
}

#[derive(Debug)]
struct Inner {
    /// In a box, since most files never have one: what the page cache answers is over at once.
    busy: Option<Box<(What, Operation)>>,
    /// Bytes read and not yet taken, from `taken` on; its memory goes along with reads and writes.
    buffer: Vec<u8>,
    taken: usize,
    last_write_error: Option<io::ErrorKind>,
    position: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Read,
    Write,
    Seek,
}

impl SimulatedFile {
    pub(super) fn new(handle: Handle) -> Self {
        Self::of(handle, MAX_BUF_SIZE)
    }

    fn of(handle: Handle, max_buf_size: usize) -> Self {
        let inner = Inner { busy: None, buffer: Vec::new(), taken: 0, last_write_error: None, position: 0 };
        Self { handle, inner: Mutex::new(inner), max_buf_size }
    }

    pub(super) fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }

    #[track_caller]
    pub(super) fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    pub(super) async fn sync(&self, data_only: bool) -> io::Result<()> {
        let mut inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(_) => self.inner.lock().await,
        };
        if inner.busy.is_some() {
            inner.complete().await;
        }
        self.handle.sync(data_only).await
    }

    pub(super) async fn set_len(&self, size: u64) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.complete().await;
        let by = inner.discard_read();
        inner.start(What::Seek, Request::SetLen(self.handle.key()?, by, size))?;
        let (_, result) = poll_fn(|cx| inner.poll_busy(cx)).await;
        result.map(|_| inner.position = 0)
    }

    pub(super) async fn metadata(&self) -> io::Result<Metadata> {
        match ask(Request::Metadata(Target::Handle(self.handle.key()?))).await? {
            Reply::Metadata(stat) => Ok((*stat).into()),
            other => Err(misfit(&other)),
        }
    }

    pub(super) async fn set_permissions(&self, permissions: &Permissions) -> io::Result<()> {
        ask(Request::SetMode(Target::Handle(self.handle.key()?), mode_of(permissions))).await.map(drop)
    }

    pub(super) async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.inner.lock().await.complete().await;
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let since = since.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a time before 1970"))?;
        let ns = stormglass_kernel::saturating_nanos(since);
        ask(Request::SetModified(Target::Handle(self.handle.key()?), ns)).await.map(drop)
    }

    pub(super) async fn try_clone(&self) -> io::Result<Self> {
        self.inner.lock().await.complete().await;
        Ok(Self::of(self.handle.share()?, self.max_buf_size))
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = self.inner.get_mut();
        loop {
            if inner.busy.is_none() {
                if inner.taken < inner.buffer.len() || dst.remaining() == 0 {
                    inner.take(dst);
                    return Poll::Ready(Ok(()));
                }
                let max = dst.remaining().min(self.max_buf_size);
                if let Some(read) = self.handle.read_now(dst.initialize_unfilled_to(max)) {
                    inner.forget_read();
                    dst.advance(read);
                    return Poll::Ready(Ok(()));
                }
                let buffer = inner.take_buffer();
                inner.start(What::Read, Request::Read(self.handle.key()?, max, buffer))?;
            }
            match ready!(inner.poll_busy(cx)) {
                (What::Read, Ok(_)) => {
                    inner.take(dst);
                    return Poll::Ready(Ok(()));
                }
                (What::Read, Err(error)) => return Poll::Ready(Err(error)),
                (What::Write, Err(error)) => inner.last_write_error = Some(error.kind()),
                _ => {}
            }
        }
    }

    pub(super) fn start_seek(&mut self, to: SeekFrom) -> io::Result<()> {
        let inner = self.inner.get_mut();
        if inner.busy.is_some() {
            return Err(io::Error::other("other file operation is pending, call poll_complete before start_seek"));
        }
        let by = inner.discard_read();
        let whence = match to {
            SeekFrom::Start(to) => Whence::Start(to),
            SeekFrom::Current(by) => Whence::Current(by),
            SeekFrom::End(by) => Whence::End(by),
        };
        inner.start(What::Seek, Request::Seek(self.handle.key()?, by, whence))
    }

    pub(super) fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let inner = self.inner.get_mut();
        while inner.busy.is_some() {
            match ready!(inner.poll_busy(cx)) {
                (What::Seek, Ok(_)) => return Poll::Ready(Ok(inner.position)),
                (What::Seek, Err(error)) => return Poll::Ready(Err(error)),
                (What::Write, Err(error)) => inner.last_write_error = Some(error.kind()),
                _ => {}
            }
        }
        Poll::Ready(Ok(inner.position))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, src: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let inner = self.inner.get_mut();
        if let Some(kind) = inner.last_write_error.take() {
            return Poll::Ready(Err(kind.into()));
        }
        while inner.busy.is_some() {
            if let (What::Write, Err(error)) = ready!(inner.poll_busy(cx)) {
                return Poll::Ready(Err(error));
            }
        }
        let by = inner.discard_read();
        if let [data] = src
            && let Some(written) = self.handle.write_now(by, &data[..data.len().min(self.max_buf_size)])
        {
            return Poll::Ready(Ok(written));
        }
        let mut data = inner.take_buffer();
        for slice in src {
            let room = self.max_buf_size - data.len();
            data.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let written = data.len();
        inner.start(What::Write, Request::Write(self.handle.key()?, by, data))?;
        Poll::Ready(Ok(written))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = self.inner.get_mut();
        if let Some(kind) = inner.last_write_error.take() {
            return Poll::Ready(Err(kind.into()));
        }
        if inner.busy.is_none() {
            return Poll::Ready(Ok(()));
        }
        match ready!(inner.poll_busy(cx)) {
            (What::Write, Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Inner {
    fn start(&mut self, what: What, request: Request) -> io::Result<()> {
        self.busy = Some(Box::new((what, submit(request)?)));
        Ok(())
    }

    /// Waits for what is on its way, and takes in what it brought.
    fn poll_busy(&mut self, cx: &mut Context<'_>) -> Poll<(What, io::Result<()>)> {
        let Some(busy) = &mut self.busy else { return Poll::Ready((What::Seek, Ok(()))) };
        let (what, operation) = &mut **busy;
        let (what, result) = (*what, ready!(Pin::new(operation).poll(cx)));
        self.busy = None;
        let result = result.map(|reply| match reply {
            Reply::Bytes(bytes) => (self.buffer, self.taken) = (bytes, 0),
            Reply::Position(position) => self.position = position,
            _ => {}
        });
        Poll::Ready((what, result))
    }

    async fn complete(&mut self) {
        while self.busy.is_some() {
            if let (What::Write, Err(error)) = poll_fn(|cx| self.poll_busy(cx)).await {
                self.last_write_error = Some(error.kind());
            }
        }
    }

    fn take(&mut self, dst: &mut ReadBuf<'_>) {
        let count = (self.buffer.len() - self.taken).min(dst.remaining());
        dst.put_slice(&self.buffer[self.taken..self.taken + count]);
        self.taken += count;
    }

    /// Forgets bytes that were read and taken.
    fn forget_read(&mut self) {
        self.taken = 0;
        self.buffer.clear();
    }

    fn take_buffer(&mut self) -> Vec<u8> {
        self.taken = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }

    /// Forgets bytes that were read ahead, and gives the move that makes up for them.
    fn discard_read(&mut self) -> i64 {
        let unread = self.buffer.len() - self.taken;
        self.taken = 0;
        self.buffer.clear();
        -(unread as i64)
    }
}
