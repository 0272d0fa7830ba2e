//! The program's side: operations as futures, and open files as handles that hold numbers only.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use stormglass_kernel::{Incarnation, Kernel, NodeId, Universe, try_with};

use crate::device::OperationKey;
use crate::request::{HandleKey, Reply, Request};
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
struct Owner {
    universe: u32,
    node: NodeId,
    incarnation: Incarnation,
}

impl Owner {
    fn current(universe: &Universe) -> Self {
        let node = universe.kernel.current_node();
        Self { universe: universe.generation(), node, incarnation: universe.kernel.node(node).incarnation() }
    }

    /// The world that the number belongs to, if it is still there.
    fn world<'u>(&self, universe: &'u mut Universe) -> Result<(&'u mut Disk, &'u mut Kernel), Misuse> {
        if universe.generation() != self.universe {
            return Err(Misuse::OtherSimulation);
        }
        if universe.kernel.node(self.node).incarnation() != self.incarnation {
            return Err(Misuse::EarlierIncarnation);
        }
        universe.get::<Disk>().ok_or(Misuse::NoDisk)
    }
}

/// An operation on its way. Dropping it does not stop it, as with tokio's blocking pool.
#[derive(Debug)]
#[must_use = "an operation is on its way whether or not it is awaited, but its result is lost"]
pub struct Operation {
    owner: Owner,
    key: Option<OperationKey>,
}

/// Asks the current node's disk for something. It takes effect when the poll ends, unless the node crashes before.
///
/// # Errors
/// [`Misuse`].
pub fn submit(request: Request) -> io::Result<Operation> {
    let submitted = try_with(|u| {
        if !u.kernel.is_effective() {
            return Err(Misuse::GoingDown);
        }
        let owner = Owner::current(u);
        let (disk, kernel) = u.get::<Disk>().ok_or(Misuse::NoDisk)?;
        let key = disk.issue(kernel, request);
        Ok(Operation { owner, key: Some(key) })
    });
    Ok(submitted.unwrap_or(Err(Misuse::NoSimulation))?)
}

impl Future for Operation {
    type Output = io::Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(key) = self.key else { return Poll::Ready(Err(Misuse::EarlierIncarnation.into())) };
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
        self.key = None;
        Poll::Ready(result)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let owner = self.owner;
        try_with(|u| {
            if u.kernel.is_effective()
                && let Ok((disk, kernel)) = owner.world(u)
            {
                disk.detach(kernel, owner.node, key);
            }
        });
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
        let (owner, key) = (self.owner, self.key);
        try_with(|u| {
            if u.kernel.is_effective()
                && let Ok((disk, kernel)) = owner.world(u)
            {
                disk.close(kernel, owner.node, key);
            }
        });
    }
}
