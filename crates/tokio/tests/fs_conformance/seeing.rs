//! What a behaviour saw, in words that are the same on a real disk and a simulated one.

use std::fmt::Debug;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;

use real_tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};
use stormglass_tokio::fs::{self, File};

/// A result in a word: what it holds, or the name of its error.
pub(crate) fn word<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.raw_os_error() {
            Some(1) => "EPERM".into(),
            Some(2) => "ENOENT".into(),
            Some(9) => "EBADF".into(),
            Some(17) => "EEXIST".into(),
            Some(20) => "ENOTDIR".into(),
            Some(21) => "EISDIR".into(),
            Some(22) => "EINVAL".into(),
            Some(36) => "ENAMETOOLONG".into(),
            Some(39) => "ENOTEMPTY".into(),
            _ => format!("{:?}", error.kind()),
        },
    }
}

pub(crate) async fn text(path: impl AsRef<Path>) -> String {
    match fs::read(path).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => word::<()>(Err(error)),
    }
}

pub(crate) async fn names(path: impl AsRef<Path>) -> String {
    let mut names = Vec::new();
    match fs::read_dir(path).await {
        Ok(mut dir) => {
            while let Ok(Some(entry)) = dir.next_entry().await {
                let kind = entry.file_type().await.map_or('?', |t| if t.is_dir() { '/' } else { ' ' });
                names.push(format!("{}{kind}", entry.file_name().to_string_lossy()).trim().to_owned());
            }
        }
        Err(error) => return word::<()>(Err(error)),
    }
    names.sort();
    names.join(",")
}

/// Begins to read `len` bytes at the start of a file and does not wait for them. A real read that was there at once is begun
/// again.
pub(crate) async fn begin_to_read(file: &mut File, len: usize) {
    let mut buffer = vec![0; len];
    loop {
        let at_once = poll_fn(|cx| {
            let polled = Pin::new(&mut *file).poll_read(cx, &mut ReadBuf::new(&mut buffer));
            Poll::Ready(polled.is_ready())
        });
        if !at_once.await {
            return;
        }
        let _ = file.rewind().await;
    }
}
