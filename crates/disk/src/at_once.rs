//! Operations of tasks: how each goes on, and those that end within the poll that asks.
//!
//! tokio hands every operation to its blocking pool. What the page cache answers, in microseconds, may be done before the task
//! has even looked for it, or other tasks may run meanwhile; which of the two is decided here, for each operation by its
//! key. Where another task of the node is ready, or the poll has used the node for long, the others always run. An operation that is
//! done at once takes its time of the node, as a call of libc within a poll does, and its stamp; one that is not ends as an
//! event of its own. Whatever meets the device (a sync, a direct access), a device that something is wrong with, and a thread of
//! a node always wait for such an event.

use std::path::Path;

use stormglass_kernel::{Decisions, Domain, Kernel, Kind, NodeId, Point, Site};

use crate::device::{Next, OperationKey, Sync};
use crate::errno::Errno;
use crate::inode::InodeId;
use crate::perform::{Class, OFFSET_MAX, Performed};
use crate::request::{HandleKey, OpenFlags, Reply, Request, Synced};
use crate::world::{Disk, options_of, sort_entries, usual_ns, wall_ns};

/// Whether others run while the page cache does an operation of a task: site = the file, ordinal = the operation's number
/// there; 0 for yes, of 64 numbers.
pub const POOL: Point = Point::new(Domain::Disk, "pool");

/// One operation of so many lets others run though nobody is ready yet.
const POOLED_OF: u64 = 64;
/// A poll that has used its node for so long lets others run.
const SLICE_NS: u64 = 500_000;
/// What takes longer is never done within a poll.
const AT_ONCE_NS_MAX: u64 = 20_000;

/// How an operation goes on that has been asked for.
#[derive(Debug)]
pub(crate) enum Issued {
    /// It is over.
    Done(Result<Reply, Errno>),
    /// It ends later.
    Running(OperationKey),
}

/// Who asks for an operation of the page cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// A task, through tokio: others may run meanwhile.
    Task,
    /// A call of libc in the midst of a poll: it is done at once, however long that takes.
    Call,
}

impl Way {
    /// Whether an operation that takes so long is done at once.
    #[inline]
    fn is_at_once(self, decisions: &Decisions, site: Site, ordinal: u64, delay_ns: u64) -> bool {
        self == Self::Call
            || (delay_ns <= AT_ONCE_NS_MAX && decisions.range(POOL, site, ordinal, 0, POOLED_OF - 1) != 0)
    }
}

impl Disk {
    /// Begins an operation of the current node. `may_end`: it may be over at once.
    pub(crate) fn issue(&mut self, kernel: &mut Kernel, request: Request, may_end: bool) -> Issued {
        let node = kernel.current_node();
        self.device(kernel, node);
        let may_end = may_end && self.is_free(kernel, node, Way::Task);
        let unlocks = matches!(request, Request::Unlock(..));
        let Some(performed) = self.perform(kernel, node, request) else { return Issued::Done(Err(Errno::EIO)) };
        self.note(kernel, node, &performed);
        let Performed { mut next, class, bytes, site, ordinal, .. } = performed;
        sort_entries(kernel, &mut next, site);
        let delay_ns = self.delay_ns(kernel, node, class, bytes, site, ordinal);
        let is_cached = !matches!(class, Class::Sync | Class::Direct) && matches!(next, Next::Finish(_));
        if may_end
            && is_cached
            && Way::Task.is_at_once(kernel.decisions(), site, ordinal, delay_ns)
            && let Next::Finish(result) = next
        {
            kernel.occupy_ns(delay_ns);
            if unlocks {
                self.retry_locks(kernel, node);
            }
            return Issued::Done(result);
        }
        let key = self.device(kernel, node).issue(next);
        self.complete_after(kernel, node, key, delay_ns);
        if unlocks {
            self.retry_locks(kernel, node);
        }
        Issued::Running(key)
    }

    /// Whether nothing keeps the page cache from answering within the poll.
    #[inline]
    fn is_free(&self, kernel: &Kernel, node: NodeId, way: Way) -> bool {
        self.injections.spare(node) && (way == Way::Call || kernel.has_node_to_itself(SLICE_NS))
    }

    /// Reads into `buffer`, at the handle's position if not elsewhere, if that can be done now without any error. `None`, and
    /// nothing has happened, if not.
    pub(crate) fn read_now(
        &mut self,
        kernel: &mut Kernel,
        handle: HandleKey,
        at: Option<u64>,
        buffer: &mut [u8],
        way: Way,
    ) -> Option<usize> {
        let node = kernel.current_node();
        if !self.is_free(kernel, node, way) {
            return None;
        }
        let options = options_of(&self.options, &self.special, node);
        let volume = &mut self.devices.get_mut(node.index())?.as_deref_mut()?.volume;
        let file = volume.handles.get(handle).ok().filter(|file| file.read && !file.direct)?;
        let position = at.unwrap_or(file.position);
        if file.inode.is_special() || position > OFFSET_MAX {
            return None;
        }
        let inode = volume.inodes.get_mut(file.inode);
        let (site, ordinal) = (inode.site, inode.operations);
        let data = inode.file()?;
        let len = data.size().saturating_sub(position).min(buffer.len() as u64);
        let delay_ns = usual_ns(options, kernel.decisions(), Class::Read, len, site, ordinal);
        if !way.is_at_once(kernel.decisions(), site, ordinal, delay_ns) {
            return None;
        }
        let read = data.read_to(position, buffer);
        inode.operations += 1;
        if at.is_none() {
            file.position += len;
        }
        self.operations += 1;
        self.bytes_read += len;
        let code = if at.is_none() { 2 } else { 21 };
        kernel.trace_on(node, Kind::DISK, site.as_u64(), len << 8 | code);
        kernel.occupy_ns(delay_ns);
        Some(read)
    }

    /// Moves by so many bytes and writes all of `data`, at the handle's position if not elsewhere, if that can be done now
    /// without any error. `None`, and nothing has happened, if not.
    pub(crate) fn write_now(
        &mut self,
        kernel: &mut Kernel,
        handle: HandleKey,
        at: Option<u64>,
        by: i64,
        data: &[u8],
        way: Way,
    ) -> Option<usize> {
        let node = kernel.current_node();
        let options = options_of(&self.options, &self.special, node);
        if data.is_empty() || options.capacity_bytes.is_some() || !self.is_free(kernel, node, way) {
            return None;
        }
        let now_ns = wall_ns(kernel, node);
        let device = self.devices.get_mut(node.index())?.as_deref_mut()?;
        device.settle(kernel.begun_at());
        let volume = &mut device.volume;
        let file = volume.handles.get(handle).ok()?;
        if !file.write || file.direct || file.synced != Synced::No || file.inode.is_special() {
            return None;
        }
        let position = file.position.checked_add_signed(by)?;
        let inode = volume.inodes.get_mut(file.inode);
        let (site, ordinal) = (inode.site, inode.operations);
        let content = inode.file_mut()?;
        let offset = if file.append { content.size() } else { at.unwrap_or(position) };
        let len = data.len() as u64;
        let end = offset.checked_add(len)?;
        if end > options.file_bytes_max.min(OFFSET_MAX) {
            return None;
        }
        let delay_ns = usual_ns(options, kernel.decisions(), Class::Write, len, site, ordinal);
        if !way.is_at_once(kernel.decisions(), site, ordinal, delay_ns) {
            return None;
        }
        content.write(offset, data, kernel.now().as_nanos());
        content.write_back(options.pending_writes_max);
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
        inode.operations += 1;
        if at.is_none() {
            file.position = end;
        }
        self.operations += 1;
        self.bytes_written += len;
        let code = if way == Way::Task { 3 } else { 22 };
        kernel.trace_on(node, Kind::DISK, site.as_u64(), len << 8 | code);
        kernel.occupy_ns(delay_ns);
        Some(data.len())
    }

    /// Begins a sync of the current node's file; where something is wrong, as any request.
    pub(crate) fn issue_sync(&mut self, kernel: &mut Kernel, handle: HandleKey, data_only: bool) -> Issued {
        match self.begin_sync(kernel, handle, data_only) {
            Some((sync, delay_ns)) => {
                let node = kernel.current_node();
                let Some(device) = self.existing(node) else { return Issued::Done(Err(Errno::EIO)) };
                let key = device.issue(Next::Sync(sync));
                self.complete_after(kernel, node, key, delay_ns);
                Issued::Running(key)
            }
            None => self.issue(kernel, Request::Sync(handle, data_only), false),
        }
    }

    /// A sync in the midst of a poll: it takes its time of the node. Nobody waits for its end, so it is no event, but looked
    /// at when the disk is next. `None`, and nothing has happened, where something is wrong or somebody watches.
    pub(crate) fn sync_now(&mut self, kernel: &mut Kernel, handle: HandleKey, data_only: bool) -> Option<()> {
        if self.watch.is_asked() {
            return None;
        }
        let (sync, delay_ns) = self.begin_sync(kernel, handle, data_only)?;
        kernel.occupy_ns(delay_ns);
        let node = kernel.current_node();
        let end = kernel.now();
        self.existing(node)?.ending.push_back((end, sync));
        Some(())
    }

    /// A sync that nothing is wrong with, and how long it takes.
    fn begin_sync(&mut self, kernel: &mut Kernel, handle: HandleKey, data_only: bool) -> Option<(Sync, u64)> {
        let node = kernel.current_node();
        if !self.injections.spare(node) {
            return None;
        }
        let device = self.existing(node)?;
        device.settle(kernel.begun_at());
        let inode = device.volume.handles.get(handle).ok()?.inode;
        if inode.is_special() {
            return None;
        }
        let sync = device.volume.begin_sync(inode, data_only);
        let synced = device.volume.inodes.get_mut(inode);
        let (site, ordinal) = (synced.site, synced.operations);
        synced.operations += 1;
        let bytes = synced.file().map_or(0, |file| file.pending_bytes());
        self.operations += 1;
        self.syncs += 1;
        kernel.trace_on(node, Kind::DISK, site.as_u64(), bytes << 8 | 5);
        Some((sync, self.delay_ns(kernel, node, Class::Sync, bytes, site, ordinal)))
    }

    /// Opens a file if that can be done now. `None`, and nothing has happened, if not.
    pub(crate) fn open_now(
        &mut self,
        kernel: &mut Kernel,
        path: &Path,
        flags: OpenFlags,
        way: Way,
    ) -> Option<Result<HandleKey, Errno>> {
        let node = kernel.current_node();
        if !self.is_free(kernel, node, way) {
            return None;
        }
        let options = options_of(&self.options, &self.special, node);
        let device = self.devices.get_mut(node.index())?.as_deref_mut()?;
        let root = device.volume.inodes.get_mut(InodeId::ROOT);
        let (site, ordinal) = (root.site, root.operations);
        let delay_ns = usual_ns(options, kernel.decisions(), Class::Name, 0, site, ordinal);
        if !way.is_at_once(kernel.decisions(), site, ordinal, delay_ns) {
            return None;
        }
        let may_open = kernel.has_descriptor(node);
        if may_open && let Some(opened) = device.volume.open_plainly(path, &flags) {
            device.volume.inodes.get_mut(InodeId::ROOT).operations += 1;
            kernel.take_descriptor(node);
            self.operations += 1;
            kernel.trace_on(node, Kind::DISK, site.as_u64(), 1);
            kernel.occupy_ns(delay_ns);
            return Some(Ok(opened));
        }
        let mut performer = self.performer(kernel, node)?;
        performer.may_open = may_open;
        let (opened, class, site) = performer.open_at(path, flags);
        if opened.is_ok() {
            kernel.take_descriptor(node);
        }
        self.operations += u64::from(class != Class::Special);
        kernel.trace_on(node, Kind::DISK, site.as_u64(), 1);
        kernel.occupy_ns(if class == Class::Special { crate::special::CALL_NS } else { delay_ns });
        Some(opened)
    }
}
