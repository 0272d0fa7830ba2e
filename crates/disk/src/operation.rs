//! The program's side: operations as futures, and open files as handles that hold numbers only.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use stormglass_kernel::{Incarnation, Kernel, NodeId, Universe, try_with};

use crate::at_once::{Issued, Way};
use crate::device::OperationKey;
use crate::errno::Errno;
use crate::request::{HandleKey, OpenFlags, Reply, Request};
use crate::syncing::Syncing;
use crate::world::Disk;

/// A use of the disk that makes no sense, named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// No simulation is current on this thread.
    #[error("a simulated file was used outside its simulation; use it from a task of the node that opened it")]
    NoSimulation,
    /// The simulation has no disks.
    #[error("this simulation has no disk; insert a stormglass_disk::Disk when it is set up")]
    NoDisk,
    /// The handle is of another simulation.
    #[error("a file of another simulation was used; files do not outlive their simulation")]
    OtherSimulation,
    /// The handle is of another node.
    #[error("a file opened on another node was used; open it on the node that uses it")]
    OtherNode,
    /// The handle's node has been down since.
    #[error("a file from before its node went down was used; open it again after the restart")]
    EarlierIncarnation,
    /// The node is going down.
    #[error("the node is going down: nothing that its tasks do while they are dropped has an effect")]
    GoingDown,
}

impl From<Misuse> for io::Error {
    fn from(misuse: Misuse) -> Self {
        Self::other(misuse)
    }
}

/// Who holds a number: which simulation, which node, which boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) universe: u32,
    pub(crate) node: NodeId,
    incarnation: Incarnation,
}

impl Owner {
    fn current(universe: &Universe) -> Self {
        let node = universe.kernel.current_node();
        Self { universe: universe.generation(), node, incarnation: universe.kernel.node(node).incarnation() }
    }

    /// The world that the number belongs to, if it is still there.
    pub(crate) fn world<'u>(&self, universe: &'u mut Universe) -> Result<(&'u mut Disk, &'u mut Kernel), Misuse> {
        if universe.generation() != self.universe {
            return Err(Misuse::OtherSimulation);
        }
        if universe.kernel.node(self.node).incarnation() != self.incarnation {
            return Err(Misuse::EarlierIncarnation);
        }
        universe.get::<Disk>().ok_or(Misuse::NoDisk)
    }

    /// Nobody waits any more.
    pub(crate) fn detach(self, key: OperationKey) {
        try_with(|u| {
            if u.kernel.is_effective()
                && let Ok((disk, kernel)) = self.world(u)
            {
                disk.detach(kernel, self.node, key);
            }
        });
    }

    fn close(self, handle: HandleKey) {
        try_with(|u| {
            if u.kernel.is_effective()
                && let Ok((disk, kernel)) = self.world(u)
            {
                disk.close(kernel, self.node, handle);
            }
        });
    }
}

/// An operation on its way. Dropping it does not stop it, as with tokio's blocking pool.
#[derive(Debug)]
#[must_use = "an operation is on its way whether or not it is awaited, but its result is lost"]
pub struct Operation {
    owner: Owner,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Running(OperationKey),
    Done(Result<Reply, Errno>),
    Taken,
}

/// Asks the current node's disk for something. It takes effect at this instant within the poll, unless the node crashes
/// before. What the page cache answers may be over at once, or end while others run: [`POOL`](crate::POOL).
///
/// # Errors
/// [`Misuse`].
pub fn submit(request: Request) -> io::Result<Operation> {
    submit_as(request, true)
}

/// As [`submit`]; `may_end`: it may be over at once.
pub(crate) fn submit_as(request: Request, may_end: bool) -> io::Result<Operation> {
    let submitted = try_with(|u| {
        if !u.kernel.is_effective() {
            return Err(Misuse::GoingDown);
        }
        let owner = Owner::current(u);
        let (disk, kernel) = u.get::<Disk>().ok_or(Misuse::NoDisk)?;
        Ok(Operation::new(owner, disk.issue(kernel, request, may_end)))
    });
    Ok(submitted.unwrap_or(Err(Misuse::NoSimulation))?)
}

impl Operation {
    fn new(owner: Owner, issued: Issued) -> Self {
        let stage = match issued {
            Issued::Running(key) => Stage::Running(key),
            Issued::Done(result) => Stage::Done(result),
        };
        Self { owner, stage }
    }
}

impl Future for Operation {
    type Output = io::Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let key = match &self.stage {
            Stage::Running(key) => *key,
            _ => {
                return Poll::Ready(match std::mem::replace(&mut self.stage, Stage::Taken) {
                    Stage::Done(result) => result.map_err(io::Error::from),
                    _ => Err(Misuse::EarlierIncarnation.into()),
                });
            }
        };
        let owner = self.owner;
        let polled = try_with(|u| {
            let (disk, kernel) = owner.world(u)?;
            disk.poll(kernel, owner.node, key, cx.waker()).ok_or(Misuse::EarlierIncarnation)
        });
        let result: io::Result<Reply> = match polled.unwrap_or(Err(Misuse::NoSimulation)) {
            Ok(None) => return Poll::Pending,
            Ok(Some(result)) => result.map_err(io::Error::from),
            Err(misuse) => Err(misuse.into()),
        };
        self.stage = Stage::Taken;
        Poll::Ready(result)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let owner = self.owner;
        let key = match &self.stage {
            Stage::Running(key) => *key,
            // Opened at once, and nobody took it.
            Stage::Done(Ok(Reply::Opened(handle))) => return owner.close(*handle),
            _ => return,
        };
        owner.detach(key);
    }
}

/// An open file of a node, closed when dropped. It holds numbers only.
#[derive(Debug)]
pub struct Handle {
    owner: Owner,
    key: HandleKey,
}

impl Handle {
    /// Takes over what [`Reply::Opened`] gave to the current node.
    ///
    /// # Errors
    /// [`Misuse`].
    pub fn adopt(key: HandleKey) -> io::Result<Self> {
        let owner = try_with(|u| Owner::current(u)).ok_or(Misuse::NoSimulation)?;
        Ok(Self { owner, key })
    }

    /// Opens a file for the current node, if the page cache does so within this poll; `None`: ask for it ([`submit`]).
    #[must_use]
    pub fn open_now(path: &Path, flags: OpenFlags) -> Option<io::Result<Self>> {
        let opened = try_with(|u| {
            let owner = u.kernel.is_effective().then(|| Owner::current(u))?;
            let (disk, kernel) = u.get::<Disk>()?;
            let opened = disk.open_now(kernel, path, flags, Way::Task)?;
            Some(opened.map(|key| Self { owner, key }).map_err(io::Error::from))
        });
        opened.flatten()
    }

    /// Another handle of the same open file: it closes with the last one.
    ///
    /// # Errors
    /// [`Misuse`]; `EBADF`.
    pub fn share(&self) -> io::Result<Self> {
        let key = self.key()?;
        let shared = try_with(|u| {
            let (disk, _) = self.owner.world(u)?;
            let file = disk.existing(self.owner.node).and_then(|device| device.volume.handles.get(key).ok());
            Ok::<_, Misuse>(file.map(|file| file.shares += 1))
        });
        shared.unwrap_or(Err(Misuse::NoSimulation))?.ok_or(Errno::EBADF)?;
        Ok(Self { owner: self.owner, key })
    }

    /// Makes everything durable that was done to the file before; `data_only`: as fdatasync ([`Request::Sync`]). It begins when
    /// it is first polled.
    pub fn sync(&self, data_only: bool) -> Syncing {
        Syncing::new(self.owner, self.key, data_only)
    }

    /// Reads at the file's position, if the page cache answers within this poll. `None`: ask for it ([`Request::Read`]).
    pub fn read_now(&self, buffer: &mut [u8]) -> Option<usize> {
        self.now(|disk, kernel| disk.read_now(kernel, self.key, None, buffer, Way::Task))
    }

    /// Moves by so many bytes and writes at the file's position, if the page cache takes it within this poll. `None`: ask for
    /// it ([`Request::Write`]).
    pub fn write_now(&self, by: i64, data: &[u8]) -> Option<usize> {
        self.now(|disk, kernel| disk.write_now(kernel, self.key, None, by, data, Way::Task))
    }

    fn now<T>(&self, f: impl FnOnce(&mut Disk, &mut Kernel) -> Option<T>) -> Option<T> {
        try_with(|u| {
            if !u.kernel.is_effective() || u.kernel.current_node() != self.owner.node {
                return None;
            }
            let (disk, kernel) = self.owner.world(u).ok()?;
            f(disk, kernel)
        })
        .flatten()
    }

    /// The file's number, for a request.
    ///
    /// # Errors
    /// [`Misuse`], when the current node's disk does not know it.
    pub fn key(&self) -> io::Result<HandleKey> {
        let known = try_with(|u| {
            if u.generation() == self.owner.universe && u.kernel.current_node() != self.owner.node {
                return Err(Misuse::OtherNode);
            }
            self.owner.world(u).map(drop)
        });
        known.unwrap_or(Err(Misuse::NoSimulation))?;
        Ok(self.key)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.owner.close(self.key);
    }
}
