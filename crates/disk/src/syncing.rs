//! A sync as a future of its own: the operation that services do most, with nothing to carry but its number.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use stormglass_kernel::try_with;

use crate::at_once::Issued;
use crate::device::OperationKey;
use crate::operation::{Misuse, Owner};
use crate::request::HandleKey;

/// A sync on its way, from [`Handle::sync`](crate::Handle::sync). Dropping it does not stop it once it has begun.
#[derive(Debug)]
#[must_use = "a sync begins when it is first polled"]
pub struct Syncing {
    owner: Owner,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Begins(HandleKey, bool),
    Running(OperationKey),
    Taken,
}

impl Syncing {
    pub(crate) fn new(owner: Owner, handle: HandleKey, data_only: bool) -> Self {
        Self { owner, stage: Stage::Begins(handle, data_only) }
    }
}

impl Future for Syncing {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { owner, stage } = &mut *self;
        let owner = *owner;
        let polled = match *stage {
            Stage::Begins(handle, data_only) => try_with(|u| {
                if !u.kernel.is_effective() {
                    return Err(Misuse::GoingDown);
                }
                if u.generation() == owner.universe && u.kernel.current_node() != owner.node {
                    return Err(Misuse::OtherNode);
                }
                let (disk, kernel) = owner.world(u)?;
                match disk.issue_sync(kernel, handle, data_only) {
                    Issued::Running(key) => {
                        disk.wait(kernel, owner.node, key, cx.waker());
                        *stage = Stage::Running(key);
                        Ok(None)
                    }
                    Issued::Done(result) => Ok(Some(result)),
                }
            }),
            Stage::Running(key) => try_with(|u| {
                let (disk, kernel) = owner.world(u)?;
                disk.poll(kernel, owner.node, key, cx.waker()).ok_or(Misuse::EarlierIncarnation)
            }),
            Stage::Taken => Some(Err(Misuse::EarlierIncarnation)),
        };
        let result = match polled.unwrap_or(Err(Misuse::NoSimulation)) {
            Ok(None) => return Poll::Pending,
            Ok(Some(Ok(_))) => Ok(()),
            Ok(Some(Err(errno))) => Err(errno.into()),
            Err(misuse) => Err(misuse.into()),
        };
        *stage = Stage::Taken;
        Poll::Ready(result)
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        if let Stage::Running(key) = self.stage {
            self.owner.detach(key);
        }
    }
}
