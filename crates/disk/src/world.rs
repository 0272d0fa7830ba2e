//! The disks of all nodes as a world beside the kernel: operations begin, take their time, and complete.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::task::Waker;
use std::time::Duration;

use stormglass_kernel::{
    Decisions, Domain, Down, Kernel, Kind, NodeId, Point, Site, Subsystem, Typed, Wait, WorldEvent, WorldId,
    saturating_nanos,
};

use crate::change::Changes;
use crate::crash::Crash;
use crate::device::{Device, Next, OperationKey, State, Sync};
use crate::errno::Errno;
use crate::injection::{Asker, Asking, Injection, Injections};
use crate::losses::LossReport;
use crate::options::DiskOptions;
use crate::perform::{Class, Performed, Performer};
use crate::request::{HandleKey, Reply, Request};
use crate::special;
use crate::volume::{Resolved, Volume};
use crate::watch::{SyncEnd, SyncWatch};

/// How long an operation takes: site = the file, ordinal = the operation's number there; nanoseconds.
pub const LATENCY: Point = Point::new(Domain::Disk, "latency");
/// In which order a directory shows its names: site = the directory, ordinal = the name's hash.
pub const ORDER: Point = Point::new(Domain::Disk, "order");

const COMPLETE: u8 = 1;
const CLOSE: u8 = 2;

/// The disks of a simulation, one per node. They survive their nodes.
#[derive(Debug)]
pub struct Disk {
    pub(crate) options: DiskOptions,
    /// Devices that are not like the others.
    pub(crate) special: BTreeMap<NodeId, DiskOptions>,
    pub(crate) devices: Vec<Option<Box<Device>>>,
    pub(crate) injections: Injections,
    pub(crate) operations: u64,
    pub(crate) syncs: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) watch: SyncWatch,
    pub(crate) changes: Changes,
}

/// What a node's device is like.
#[inline]
pub(crate) fn options_of<'a>(
    common: &'a DiskOptions,
    special: &'a BTreeMap<NodeId, DiskOptions>,
    node: NodeId,
) -> &'a DiskOptions {
    if special.is_empty() { common } else { special.get(&node).unwrap_or(common) }
}

impl Disk {
    /// Empty disks.
    #[must_use]
    pub fn new(options: DiskOptions) -> Self {
        Self {
            options,
            special: BTreeMap::new(),
            devices: Vec::new(),
            injections: Injections::default(),
            operations: 0,
            syncs: 0,
            bytes_read: 0,
            bytes_written: 0,
            watch: SyncWatch::default(),
            changes: Changes::default(),
        }
    }

    pub(crate) fn device(&mut self, kernel: &Kernel, node: NodeId) -> &mut Device {
        if self.devices.len() <= node.index() {
            self.devices.resize_with(node.index() + 1, || None);
        }
        let options = options_of(&self.options, &self.special, node);
        let device = self.devices[node.index()].get_or_insert_with(|| {
            let mut volume = Volume::new(kernel.node(node).name(), options, wall_ns(kernel, node));
            volume.device = device_number(kernel, node);
            Box::new(Device::new(volume))
        });
        device.settle(kernel.begun_at());
        device
    }

    #[inline]
    pub(crate) fn existing(&mut self, node: NodeId) -> Option<&mut Device> {
        self.devices.get_mut(node.index())?.as_deref_mut()
    }

    // ---- operations ---------------------------------------------------------------------------------------------

    /// Takes a finished operation's result, or remembers who waits. `None` when there is no such operation.
    pub(crate) fn poll(
        &mut self,
        kernel: &mut Kernel,
        node: NodeId,
        key: OperationKey,
        waker: &Waker,
    ) -> Option<Option<Result<Reply, Errno>>> {
        let device = self.existing(node)?;
        let slot = device.slot(key)?;
        if !matches!(slot.state, State::Finished(_)) {
            self.wait(kernel, node, key, waker);
            return Some(None);
        }
        let (state, sleeper) = device.free(key)?;
        kernel.forget(sleeper);
        match state {
            State::Finished(result) => Some(Some(result)),
            _ => None,
        }
    }

    /// Remembers who waits for an operation that is on its way.
    #[inline]
    pub(crate) fn wait(&mut self, kernel: &mut Kernel, node: NodeId, key: OperationKey, waker: &Waker) {
        let Some(slot) = self.existing(node).and_then(|device| device.slot(key)) else { return };
        let is_sync = matches!(slot.state, State::Running(Next::Sync(_)));
        kernel.put_to_sleep(&mut slot.waiting, waker);
        kernel
            .note_wait(Wait::Resource { what: if is_sync { "disk sync" } else { "disk operation" }, id: slot.number });
    }

    /// Nobody waits for an operation any more. It goes on.
    pub(crate) fn detach(&mut self, kernel: &mut Kernel, node: NodeId, key: OperationKey) {
        let Some(device) = self.existing(node) else { return };
        let Some(slot) = device.slot(key) else { return };
        slot.detached = true;
        kernel.forget(slot.waiting.take());
        if matches!(slot.state, State::Finished(_)) {
            Self::throw_away(device, key);
        }
    }

    fn throw_away(device: &mut Device, key: OperationKey) {
        if let Some((State::Finished(Ok(Reply::Opened(handle))), _)) = device.free(key) {
            Self::close_now(device, handle);
        }
    }

    /// Closes a handle. If that may let somebody's waiting for a lock end, then when the poll of the current node ends.
    pub(crate) fn close(&mut self, kernel: &mut Kernel, node: NodeId, handle: HandleKey) {
        let waits = self.existing(node).is_some_and(|device| !device.waiting.is_empty());
        if waits && kernel.current_node() == node {
            kernel.effect(WorldId::DISK, CLOSE, u64::from(handle.generation) << 32 | u64::from(handle.slot), 0);
        } else if let Some(device) = self.existing(node) {
            Self::close_now(device, handle);
        }
    }

    fn close_now(device: &mut Device, handle: HandleKey) {
        if let Ok(file) = device.volume.handles.get(handle)
            && file.shares > 0
        {
            file.shares -= 1;
            return;
        }
        if let Some(file) = device.volume.handles.remove(handle) {
            device.volume.locks.close(handle);
            device.volume.let_go(file.inode);
        }
    }

    /// Closes a handle now, and lets go on whoever waited for its locks.
    pub(crate) fn close_and_wake(&mut self, kernel: &mut Kernel, node: NodeId, handle: HandleKey) {
        if let Some(device) = self.existing(node) {
            Self::close_now(device, handle);
        }
        self.retry_locks(kernel, node);
    }

    pub(crate) fn performer<'a>(&'a mut self, kernel: &'a Kernel, node: NodeId) -> Option<Performer<'a>> {
        let device = self.devices.get_mut(node.index())?.as_deref_mut()?;
        device.settle(kernel.begun_at());
        Some(Performer {
            volume: &mut device.volume,
            injections: &mut self.injections,
            options: options_of(&self.options, &self.special, node),
            node,
            now_ns: wall_ns(kernel, node),
            at: kernel.now(),
            decisions: kernel.decisions(),
            injuries: &mut device.injuries,
            may_open: true,
        })
    }

    /// Does what can be done of an operation before it takes its time. Opening a file takes a descriptor of the process.
    pub(crate) fn perform(&mut self, kernel: &mut Kernel, node: NodeId, request: Request) -> Option<Performed> {
        let opens = matches!(request, Request::Open(..));
        let may_open = !opens || kernel.has_descriptor(node);
        let mut performer = self.performer(kernel, node)?;
        performer.may_open = may_open;
        let performed = performer.perform(request);
        if opens && matches!(performed.next, Next::Finish(Ok(_))) {
            kernel.take_descriptor(node);
        }
        Some(performed)
    }

    /// Counts and traces what was begun.
    pub(crate) fn note(&mut self, kernel: &mut Kernel, node: NodeId, performed: &Performed) {
        self.operations += u64::from(performed.class != Class::Special);
        match performed.class {
            Class::Read => self.bytes_read += performed.bytes,
            Class::Write | Class::Direct => self.bytes_written += performed.bytes,
            Class::Sync => self.syncs += 1,
            Class::Name | Class::Special => {}
        }
        kernel.trace_on(node, Kind::DISK, performed.site.as_u64(), performed.bytes << 8 | performed.code);
    }

    /// Lets operations that wait for a lock try again, the first one first.
    pub(crate) fn retry_locks(&mut self, kernel: &mut Kernel, node: NodeId) {
        let Some(device) = self.existing(node) else { return };
        for key in std::mem::take(&mut device.waiting) {
            self.complete(kernel, node, key);
        }
    }

    pub(crate) fn delay_ns(
        &mut self,
        kernel: &Kernel,
        node: NodeId,
        class: Class,
        bytes: u64,
        site: Site,
        ordinal: u64,
    ) -> u64 {
        if class == Class::Special {
            return special::CALL_NS;
        }
        let options = options_of(&self.options, &self.special, node);
        let delay = usual_ns(options, kernel.decisions(), class, bytes, site, ordinal);
        let per_second = options.device_operations_per_s;
        let asker = Asker { decisions: kernel.decisions(), node, site, ordinal };
        let mut busy_ns = per_second.map_or(0, |n| 1_000_000_000 / u64::from(n.max(1)));
        let delay = match self.injections.ask(asker, Asking::Time) {
            None => delay,
            Some((fault, injection)) => {
                self.injections.hit(fault, 1);
                match injection {
                    Injection::Slow { thousandths } => delay.saturating_mul(thousandths) / 1_000,
                    Injection::Stall { extra_ns } => delay.saturating_add(extra_ns),
                    Injection::Throttle { bytes_per_ms } => {
                        busy_ns = busy_ns.max(bytes.saturating_mul(1_000_000) / bytes_per_ms.max(1));
                        delay
                    }
                    _ => delay,
                }
            }
        };
        if busy_ns == 0 || !matches!(class, Class::Sync | Class::Direct) {
            return delay;
        }
        // What the device itself has to do waits for what it was given before.
        let now = kernel.now();
        let device = self.device(kernel, node);
        let begins = device.free_at.max(now);
        device.free_at = begins.after_nanos(busy_ns);
        (begins.as_nanos() - now.as_nanos()).saturating_add(busy_ns).saturating_add(delay)
    }

    /// An operation's time has passed.
    fn complete(&mut self, kernel: &mut Kernel, node: NodeId, key: OperationKey) {
        let watched = self.watch.is_asked();
        let Some(device) = self.existing(node) else { return };
        let Some(slot) = device.slot(key) else { return };
        let State::Running(next) = std::mem::replace(&mut slot.state, State::Free) else { return };
        match next {
            Next::Finish(result) => return self.finish(kernel, node, key, result),
            // The usual sync, without a detour.
            Next::Sync(sync @ Sync { further: None, .. }) => {
                slot.state = State::Finished(Ok(Reply::Done));
                let (sleeper, detached) = (slot.waiting.take(), slot.detached);
                device.volume.finish_plain(&sync);
                let path = watched.then(|| device.volume.name_of(sync.inode)).flatten();
                if detached {
                    device.free(key);
                }
                self.watch.note(kernel, SyncEnd { node, path });
                return kernel.wake_up(sleeper);
            }
            _ => {}
        }
        let Some(mut performer) = self.performer(kernel, node) else { return };
        let result = match next {
            Next::Finish(result) => result,
            Next::Sync(sync) => {
                let path = watched.then(|| performer.volume.name_of(sync.inode)).flatten();
                let result = performer.finish_sync(sync);
                if result.is_ok() {
                    self.watch.note(kernel, SyncEnd { node, path });
                }
                result
            }
            Next::Lock { handle, range } => match performer.lock(handle, range, true) {
                Ok(true) => Ok(Reply::Done),
                Ok(false) => {
                    if let Some(device) = self.existing(node) {
                        if let Some(slot) = device.slot(key) {
                            slot.state = State::Running(Next::Lock { handle, range });
                        }
                        device.waiting.push(key);
                    }
                    return;
                }
                Err(errno) => Err(errno),
            },
            Next::WriteOut { inode, data } => {
                let result = performer.write_out(inode, &data).map(|()| Reply::Done);
                return self.run_write(kernel, node, key, data.len() as u64, result);
            }
            Next::CopyOut { from, to } => {
                let data = performer.volume.inodes.get(from).file().map(|file| file.bytes()).unwrap_or_default();
                let len = data.len() as u64;
                let result = performer.write_out(to, &data).map(|()| Reply::Position(len));
                performer.volume.let_go(from);
                return self.run_write(kernel, node, key, len, result);
            }
        };
        self.finish(kernel, node, key, result);
    }

    fn run_write(
        &mut self,
        kernel: &mut Kernel,
        node: NodeId,
        key: OperationKey,
        bytes: u64,
        result: Result<Reply, Errno>,
    ) {
        self.bytes_written += bytes;
        let root = self.device(kernel, node).volume.inodes.get_mut(crate::inode::InodeId::ROOT);
        let (site, ordinal) = (root.site, root.operations);
        root.operations += 1;
        let delay_ns = self.delay_ns(kernel, node, Class::Write, bytes, site, ordinal);
        if let Some(slot) = self.existing(node).and_then(|d| d.slot(key)) {
            slot.state = State::Running(Next::Finish(result));
            self.complete_after(kernel, node, key, delay_ns);
        }
    }

    pub(crate) fn complete_after(&mut self, kernel: &mut Kernel, node: NodeId, key: OperationKey, delay_ns: u64) {
        let event = WorldEvent { world: WorldId::DISK, kind: COMPLETE, a: key.to_u64(), b: 0 };
        kernel.schedule(kernel.now().after_nanos(delay_ns), node, event);
    }

    fn finish(&mut self, kernel: &mut Kernel, node: NodeId, key: OperationKey, result: Result<Reply, Errno>) {
        let Some(device) = self.existing(node) else { return };
        let Some(slot) = device.slot(key) else { return };
        slot.state = State::Finished(result);
        if slot.detached {
            Self::throw_away(device, key);
        } else {
            kernel.wake_up(slot.waiting.take());
        }
    }

    // ---- the life of a node -------------------------------------------------------------------------------------

    fn lose_power(&mut self, kernel: &mut Kernel, node: NodeId) {
        let Some(device) = self.existing(node) else { return };
        let site = Site::named(kernel.node(node).name());
        let crash = Crash::new(kernel.decisions(), site, device.losses.power_losses, device.volume.model);
        device.losses.power_losses += 1;
        let Device { volume, losses, injuries, .. } = device;
        let resolved = volume.lose_power(&crash, losses, injuries, kernel.now());
        for resolved in resolved {
            let (site, b) = match resolved {
                Resolved::Data(site, number, outcome) => (site, number << 8 | outcome as u64),
                Resolved::Name(o) => (o.site, o.ordinal << 8 | 16 | o.what << 1 | u64::from(o.kept)),
            };
            kernel.trace_on(node, Kind::DISK_RESOLVED, site.as_u64(), b);
        }
    }

    /// What power losses did to a node so far.
    #[must_use]
    pub fn losses(&self, node: NodeId) -> LossReport {
        self.devices.get(node.index()).and_then(Option::as_deref).map_or(LossReport::default(), |d| d.losses)
    }
}

/// How long an operation takes on a device that nothing is wrong with and that has nothing else to do.
#[inline]
pub(crate) fn usual_ns(
    options: &DiskOptions,
    decisions: &Decisions,
    class: Class,
    bytes: u64,
    site: Site,
    ordinal: u64,
) -> u64 {
    let (range, speed): (&RangeInclusive<Duration>, _) = match class {
        Class::Special => return special::CALL_NS,
        Class::Read => (&options.read_latency, options.cache_bytes_per_us),
        Class::Write => (&options.write_latency, options.cache_bytes_per_us),
        Class::Name => (&options.name_latency, 0),
        Class::Sync | Class::Direct => (&options.sync_latency, options.device_bytes_per_us),
    };
    let (low, high) = (saturating_nanos(*range.start()), saturating_nanos(*range.end()));
    let fixed = decisions.range(LATENCY, site, ordinal, low, high);
    fixed.saturating_add(bytes.saturating_mul(1_000).checked_div(speed).unwrap_or(0))
}

/// Puts a directory's names in an order of their own, which a seed decides and the directory keeps.
pub(crate) fn sort_entries(kernel: &Kernel, next: &mut Next, site: Site) {
    if let Next::Finish(Ok(Reply::Entries(entries))) = next {
        let hash = |name: &std::ffi::OsString| stormglass_kernel::hash_bytes(name.as_encoded_bytes());
        entries.sort_by_cached_key(|(name, ..)| kernel.decisions().bits(ORDER, site, hash(name)));
    }
}

/// The number of a node's device, new at each boot: what a library keeps by device and inode in a static of the whole
/// simulation is then never mistaken for another node's, or for what the node had before it went down.
fn device_number(kernel: &Kernel, node: NodeId) -> u64 {
    let boot = kernel.node(node).incarnation().number();
    (u64::from(boot) << 16) + node.index() as u64 + 1
}

/// What the node's wall clock shows, at no cost to it.
pub(crate) fn wall_ns(kernel: &Kernel, node: NodeId) -> u64 {
    kernel.node(node).wall().read_ns(kernel.now())
}

impl Subsystem for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn on_event(&mut self, kernel: &mut Kernel, node: NodeId, event: WorldEvent) {
        let key = OperationKey::from_u64(event.a);
        match event.kind {
            COMPLETE => self.complete(kernel, node, key),
            CLOSE => {
                self.close_and_wake(kernel, node, HandleKey { slot: key.slot, generation: key.generation });
            }
            _ => {}
        }
    }

    fn on_down(&mut self, kernel: &mut Kernel, node: NodeId, how: Down) {
        let Some(device) = self.existing(node) else { return };
        device.settle(kernel.now());
        device.clear().into_iter().for_each(|sleeper| kernel.forget(sleeper));
        device.waiting.clear();
        device.descriptors.clear();
        device.volume.close_all();
        if how != Down::Exit {
            device.volume.undo_after(kernel.now());
        }
        if how == Down::PowerLoss {
            self.lose_power(kernel, node);
        }
    }

    fn on_boot(&mut self, kernel: &mut Kernel, node: NodeId) {
        self.change_disks(kernel, node);
        let number = device_number(kernel, node);
        if let Some(device) = self.existing(node) {
            device.volume.device = number;
            device.free_at = kernel.now();
        }
    }

    fn describe(&self, what: &'static str, id: u64) -> String {
        if what.starts_with("disk ") { format!("{what} {id} of its node") } else { String::new() }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut counters = vec![
            ("operations", self.operations),
            ("syncs", self.syncs),
            ("bytes_read", self.bytes_read),
            ("bytes_written", self.bytes_written),
        ];
        let mut total = LossReport::default().figures();
        for device in self.devices.iter().flatten() {
            for (sum, (_, figure)) in total.iter_mut().zip(device.losses.figures()) {
                sum.1 += figure;
            }
        }
        counters.extend(total);
        counters
    }
}

impl Typed for Disk {
    const ID: WorldId = WorldId::DISK;
}
