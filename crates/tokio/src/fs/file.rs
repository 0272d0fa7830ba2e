//! An open file: tokio's own, or one of the simulated disk.

use std::fs::Permissions;
use std::io::{self, IoSlice, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use real_tokio::fs as real;
use real_tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use stormglass_disk::Handle;

use super::file_sim::SimulatedFile;
use super::{FileTimes, Metadata, OpenOptions};

/// An open file, with the methods of tokio's own. A write counts as done when it is handed over; its error surfaces at the
/// next write or flush, and `flush` waits for it.
#[derive(Debug)]
pub struct File(Kind);

#[derive(Debug)]
enum Kind {
    Real(Box<real::File>),
    Simulated(Box<SimulatedFile>),
}

impl File {
    pub(super) fn real(file: real::File) -> Self {
        Self(Kind::Real(Box::new(file)))
    }

    pub(super) fn simulated(handle: Handle) -> Self {
        Self(Kind::Simulated(Box::new(SimulatedFile::new(handle))))
    }

    /// Opens a file for reading. A directory can be opened too, and synced.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().read(true).open(path).await
    }

    /// Opens a file for writing, cut to nothing or created.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().write(true).create(true).truncate(true).open(path).await
    }

    /// Creates a file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, and as [`OpenOptions::open`].
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::options().read(true).write(true).create_new(true).open(path).await
    }

    /// Options without any allowance yet.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of std, which is a real one.
    #[must_use]
    pub fn from_std(std: std::fs::File) -> Self {
        Self::real(real::File::from_std(std))
    }

    /// Makes everything durable that was written before: bytes, length, metadata. Of a directory: its names.
    ///
    /// # Errors
    /// `EIO`. As with tokio, a failed write of before is reported by the next write or flush, not here.
    pub async fn sync_all(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Real(real) => real.sync_all().await,
            Kind::Simulated(file) => file.sync(false).await,
        }
    }

    /// As [`File::sync_all`], but for metadata that reading back does not need.
    ///
    /// # Errors
    /// As [`File::sync_all`].
    pub async fn sync_data(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Real(real) => real.sync_data().await,
            Kind::Simulated(file) => file.sync(true).await,
        }
    }

    /// Sets the file's length: cuts it, or lets it grow by zeros.
    ///
    /// # Errors
    /// `InvalidInput` when it is not open for writing.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        match &self.0 {
            Kind::Real(real) => real.set_len(size).await,
            Kind::Simulated(file) => file.set_len(size).await,
        }
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// As the operating system has them.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        match &self.0 {
            Kind::Real(real) => real.metadata().await.map(Metadata::from),
            Kind::Simulated(file) => file.metadata().await,
        }
    }

    /// Another handle of the same open file, with the same position.
    ///
    /// # Errors
    /// As the operating system has them.
    pub async fn try_clone(&self) -> io::Result<Self> {
        match &self.0 {
            Kind::Real(real) => real.try_clone().await.map(Self::real),
            Kind::Simulated(file) => Ok(Self(Kind::Simulated(Box::new(file.try_clone().await?)))),
        }
    }

    /// Gives the file to std.
    ///
    /// # Panics
    /// For a simulated file: it has no descriptor. [`File::try_into_std`] gives it back instead.
    pub async fn into_std(self) -> std::fs::File {
        match self.0 {
            Kind::Real(real) => real.into_std().await,
            Kind::Simulated(_) => panic!("a simulated file cannot become a std::fs::File; keep it as tokio::fs::File"),
        }
    }

    /// Gives the file to std, if nothing is on its way and it is a real one.
    ///
    /// # Errors
    /// The file itself.
    pub fn try_into_std(self) -> Result<std::fs::File, Self> {
        match self.0 {
            Kind::Real(real) => real.try_into_std().map_err(Self::real),
            simulated @ Kind::Simulated(_) => Err(Self(simulated)),
        }
    }

    /// Sets the permission bits. A simulated disk keeps them and never enforces them.
    ///
    /// # Errors
    /// As the operating system has them.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        match &self.0 {
            Kind::Real(real) => real.set_permissions(permissions).await,
            Kind::Simulated(file) => file.set_permissions(&permissions).await,
        }
    }

    /// Sets the file's times.
    ///
    /// # Errors
    /// As the operating system has them; `InvalidInput` on a simulated disk for times before 1970.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        match &self.0 {
            Kind::Real(real) => real.set_times(times.to_real()).await,
            Kind::Simulated(file) => match times.modified() {
                Some(modified) => file.set_modified(modified).await,
                None => Ok(()),
            },
        }
    }

    /// Sets the time of the last change.
    ///
    /// # Errors
    /// As [`File::set_times`].
    pub async fn set_modified(&self, time: std::time::SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// How many bytes one read or write moves at most.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        match &mut self.0 {
            Kind::Real(real) => real.set_max_buf_size(max_buf_size),
            Kind::Simulated(file) => file.set_max_buf_size(max_buf_size),
        }
    }

    /// How many bytes one read or write moves at most; 2 MiB unless set.
    #[must_use]
    pub fn max_buf_size(&self) -> usize {
        match &self.0 {
            Kind::Real(real) => real.max_buf_size(),
            Kind::Simulated(file) => file.max_buf_size(),
        }
    }
}

impl From<std::fs::File> for File {
    fn from(std: std::fs::File) -> Self {
        Self::from_std(std)
    }
}

#[cfg(unix)]
impl From<std::os::fd::OwnedFd> for File {
    fn from(fd: std::os::fd::OwnedFd) -> Self {
        Self::from_std(fd.into())
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for File {
    /// The descriptor; -1 for a simulated file, which has none.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        match &self.0 {
            Kind::Real(real) => real.as_raw_fd(),
            Kind::Simulated(_) => -1,
        }
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for File {
    /// # Panics
    /// For a simulated file: it has no open descriptor to lend.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.0 {
            Kind::Real(real) => real.as_fd(),
            Kind::Simulated(_) => panic!("tokio::fs::File::as_fd: a simulated file has no descriptor"),
        }
    }
}

impl AsyncRead for File {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(&mut **real).poll_read(cx, dst),
            Kind::Simulated(file) => file.poll_read(cx, dst),
        }
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(&mut **real).start_seek(to),
            Kind::Simulated(file) => file.start_seek(to),
        }
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(&mut **real).poll_complete(cx),
            Kind::Simulated(file) => file.poll_complete(cx),
        }
    }
}

impl AsyncWrite for File {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, src: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(&mut **real).poll_write(cx, src),
            Kind::Simulated(file) => file.poll_write(cx, &[IoSlice::new(src)]),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(&mut **real).poll_write_vectored(cx, bufs),
            Kind::Simulated(file) => file.poll_write(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Real(real) => Pin::new(&mut **real).poll_flush(cx),
            Kind::Simulated(file) => file.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
