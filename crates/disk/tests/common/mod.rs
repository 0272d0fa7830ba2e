//! What the tests share: a sleep, short forms of operations, and a source of choices that owes nothing to the kernel's.
#![allow(dead_code, reason = "each test binary compiles this module and uses a part of it")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use stormglass_disk::{Handle, HandleKey, OpenFlags, Reply, Request, Synced, submit};
use stormglass_kernel::{TimerId, try_with, with};

/// A small generator (xorshift64*), for test inputs only.
pub(crate) struct Choices(u64);

impl Choices {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

pub(crate) struct Sleep(u64, Option<TimerId>);

pub(crate) fn sleep(delay: Duration) -> Sleep {
    Sleep(with(|u| u.kernel.deadline_after(delay)), None)
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.0;
        let fired = with(|u| {
            let timer = *self.1.get_or_insert_with(|| u.kernel.create_timer(deadline));
            u.kernel.poll_timer(timer, cx.waker())
        });
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.1 {
            try_with(|u| u.kernel.cancel_timer(timer));
        }
    }
}

pub(crate) async fn ask(request: Request) -> io::Result<Reply> {
    submit(request)?.await
}

pub(crate) async fn open(path: &str, flags: OpenFlags) -> io::Result<Handle> {
    match ask(Request::Open(path.into(), flags)).await? {
        Reply::Opened(key) => Handle::adopt(key),
        other => panic!("an open gave {other:?}"),
    }
}

pub(crate) const READ: OpenFlags = OpenFlags {
    read: true,
    write: false,
    append: false,
    truncate: false,
    create: false,
    create_new: false,
    mode: None,
    synced: Synced::No,
    direct: false,
    no_follow: false,
    directory: false,
    raw: false,
};

pub(crate) const CREATE: OpenFlags = OpenFlags { write: true, create: true, ..READ };

pub(crate) async fn sync(handle: &Handle) -> io::Result<()> {
    ask(Request::Sync(handle.key()?, false)).await.map(drop)
}

pub(crate) async fn sync_path(path: &str) -> io::Result<()> {
    sync(&open(path, READ).await?).await
}

pub(crate) async fn write_at(key: HandleKey, offset: u64, data: Vec<u8>) -> io::Result<()> {
    ask(Request::Seek(key, 0, stormglass_disk::Whence::Start(offset))).await?;
    ask(Request::Write(key, 0, data)).await.map(drop)
}

pub(crate) async fn read(path: &str) -> io::Result<Vec<u8>> {
    match ask(Request::ReadFile(path.into())).await? {
        Reply::Bytes(bytes) => Ok(bytes),
        other => panic!("a read gave {other:?}"),
    }
}
