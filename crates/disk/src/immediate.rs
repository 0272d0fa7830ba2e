//! Operations of code that does not wait: a call of libc in the midst of a poll, on the simulation's own thread.
//!
//! Such an operation is done at once, and its time is added to that of the poll, which keeps the node busy so much longer;
//! the next operation of the poll is stamped after it. A sync becomes durable at the instant at which it would have ended,
//! as an event of its own. So a power loss in the midst of the poll finds what the instant allows, and whatever was stamped
//! later is taken back.

use stormglass_kernel::Kernel;

use crate::device::{Next, Sync};
use crate::errno::Errno;
use crate::injection::Injection;
use crate::perform::{Class, Performed};
use crate::request::{Reply, Request};
use crate::world::{Disk, sort_entries};

impl Disk {
    /// Does what the current node's code asks, now.
    ///
    /// # Errors
    /// As the operation; `EDEADLK` for a lock that would have to be waited for, since nobody could give it back.
    pub(crate) fn perform_now(&mut self, kernel: &mut Kernel, request: Request) -> Result<Reply, Errno> {
        let node = kernel.current_node();
        self.device(kernel, node);
        let unlocks = matches!(request, Request::Unlock(..));
        let Some(mut performed) = self.perform(kernel, node, request) else { return Err(Errno::EIO) };
        self.note(kernel, node, &performed);
        if unlocks {
            self.retry_locks(kernel, node);
        }
        loop {
            let Performed { next, class, bytes, site, ordinal, .. } = &mut performed;
            sort_entries(kernel, next, *site);
            let delay_ns = self.delay_ns(kernel, node, *class, *bytes, *site, *ordinal);
            kernel.occupy_ns(delay_ns);
            let Some(mut performer) = self.performer(kernel, node) else { return Err(Errno::EIO) };
            let (len, result) = match performed.next {
                Next::Finish(result) => return result,
                Next::Lock { .. } => return Err(Errno::EDEADLK),
                Next::Sync(mut sync) => {
                    let further = sync.further.as_mut();
                    if further.as_ref().is_some_and(|f| matches!(f.fault, Some((_, Injection::FailingSync)))) {
                        return performer.finish_sync(sync);
                    }
                    let reply = further.map_or(Reply::Done, |f| std::mem::replace(&mut f.reply, Reply::Done));
                    self.end_later(kernel, sync);
                    return Ok(reply);
                }
                Next::WriteOut { inode, data } => {
                    let result = performer.write_out(inode, &data).map(|()| Reply::Done);
                    (data.len() as u64, result)
                }
                Next::CopyOut { from, to } => {
                    let data = performer.volume.inodes.get(from).file().map(|file| file.bytes()).unwrap_or_default();
                    let len = data.len() as u64;
                    let result = performer.write_out(to, &data).map(|()| Reply::Position(len));
                    performer.volume.let_go(from);
                    (len, result)
                }
            };
            performed.next = Next::Finish(result);
            (performed.class, performed.bytes) = (Class::Write, len);
        }
    }

    /// Lets a sync end at the instant that the poll has come to.
    fn end_later(&mut self, kernel: &mut Kernel, sync: Sync) {
        let node = kernel.current_node();
        let device = self.device(kernel, node);
        let key = device.issue(Next::Sync(sync));
        if let Some(slot) = device.slot(key) {
            slot.detached = true;
        }
        self.complete_after(kernel, node, key, 0);
    }
}
