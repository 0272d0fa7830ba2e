//! The kernel, its network and its disks, as fault plans see them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use stormglass_disk::{Disk, LossReport};
use stormglass_faults::{
    Capabilities, Direction, Effect, EffectKind, FaultId, Hits, LinkFault, NameFault, NodeName, Protocol, World,
    WorldError, counter,
};
use stormglass_kernel::{self as kernel, Clocks, Down, Kernel, Kind, MemoryLimit, NodeId, Universe, VirtualTime};
use stormglass_net::{DnsFault, DnsRule, Impairment, Net, Rules, ip_of};
use stormglass_sys::seal;

use crate::held::{Held, PowerLoss, WorldState};
use crate::machine;
use crate::sim::{Shared, Sim};

/// Acts on the simulation that the current thread holds.
pub struct KernelWorld {
    shared: Arc<Shared>,
}

impl KernelWorld {
    pub(crate) fn new(sim: &Sim) -> Self {
        Self { shared: Arc::clone(&sim.shared) }
    }

    /// Runs `f` on the simulation and the books. Wakers that it leaves run after both are released.
    fn act<T>(&self, f: impl FnOnce(&mut Universe, &mut WorldState) -> T) -> T {
        kernel::with(|u| f(u, &mut self.shared.state.lock().world))
    }
}

fn rules(universe: &mut Universe) -> Option<&mut Rules> {
    universe.get::<Net>().map(|(net, _)| net.rules())
}

/// The network's own word for it; `None` for what it does not have.
fn impairment(fault: LinkFault) -> Option<Impairment> {
    Some(match fault {
        LinkFault::Duplication(probability) => Impairment::Duplicate { ppm: probability.ppm() },
        LinkFault::Corruption(probability) => Impairment::Corrupt { ppm: probability.ppm() },
        LinkFault::Reordering { probability, by } => Impairment::Reorder { ppm: probability.ppm(), by },
        LinkFault::Bandwidth { rate, queue } => Impairment::Narrow { rate, queue },
        _ => return None,
    })
}

fn losses(universe: &mut Universe, node: NodeId) -> LossReport {
    universe.get::<Disk>().map(|(disk, _)| disk.losses(node)).unwrap_or_default()
}

/// Changes a node's clocks; the monotonic one of a suspended machine stands still all the same.
fn adjust(kernel: &mut Kernel, state: &WorldState, node: NodeId, change: impl FnOnce(VirtualTime, &mut Clocks<'_>)) {
    let suspended = state.held_suspended(node);
    kernel.adjust_clocks(node, |now, clocks| {
        change(now, clocks);
        if suspended {
            clocks.monotonic.freeze(now);
        }
    });
}

fn wake_up(kernel: &mut Kernel, state: &WorldState, node: NodeId) {
    if !state.held_down(node) && !kernel.node(node).is_up() {
        kernel.boot(node);
    }
}

impl World for KernelWorld {
    fn now(&self) -> Duration {
        kernel::with(|u| u.kernel.now().since_start())
    }

    fn capabilities(&self) -> Capabilities {
        let all = Capabilities::all();
        if seal::can_meter_memory() { all } else { all.without(EffectKind::Memory) }
    }

    fn nodes(&self) -> Vec<NodeName> {
        self.shared.state.lock().world.names().cloned().collect()
    }

    fn begin(&mut self, id: FaultId, effect: &Effect) -> Result<(), WorldError> {
        let available = self.capabilities();
        self.act(|u, state| {
            let held = match effect {
                Effect::Cut { links } => {
                    let pairs = state.pairs(links)?;
                    if let Some(rules) = rules(u) {
                        rules.cut(id.0, &pairs);
                    }
                    Held::Network
                }
                Effect::Latency { links, extra, jitter } => {
                    let pairs = state.pairs(links)?;
                    if let Some(rules) = rules(u) {
                        rules.add_latency(id.0, &pairs, *extra, *jitter);
                    }
                    Held::Network
                }
                Effect::Loss { links, probability } => {
                    let pairs = state.pairs(links)?;
                    if let Some(rules) = rules(u) {
                        rules.add_loss(id.0, &pairs, probability.ppm());
                    }
                    Held::Network
                }
                Effect::BlockPort { node, port, protocol, direction } => {
                    let node = state.find(node)?;
                    let protocol = match protocol {
                        Protocol::Tcp => stormglass_net::Protocol::Tcp,
                        Protocol::Udp => stormglass_net::Protocol::Udp,
                    };
                    let direction = match direction {
                        Direction::In => stormglass_net::Direction::In,
                        Direction::Out => stormglass_net::Direction::Out,
                    };
                    if let Some(rules) = rules(u) {
                        rules.block_port(id.0, node, *port, protocol, direction);
                    }
                    Held::Network
                }
                Effect::Kill { node } => {
                    let node = state.find(node)?;
                    let stopped = u.kernel.take_down(node, Down::Kill).unwrap_or(0);
                    state.hit(id, counter::TASKS_STOPPED, stopped as u64);
                    Held::Down(node)
                }
                Effect::PowerLoss { node } => {
                    let node = state.find(node)?;
                    let before = losses(u, node);
                    let stopped = u.kernel.take_down(node, Down::PowerLoss).unwrap_or(0);
                    state.hit(id, counter::TASKS_STOPPED, stopped as u64);
                    state.power_losses.push(PowerLoss { fault: id, node, before, after: None });
                    Held::Down(node)
                }
                Effect::Stop { node } => {
                    let node = state.find(node)?;
                    let held = Held::Stopping(node);
                    state.hit(id, counter::SIGNALS_SENT, u64::from(u.kernel.terminate(node)));
                    held
                }
                Effect::Pause { node } | Effect::Starve { node } => {
                    let node = state.find(node)?;
                    u.kernel.pause(node);
                    Held::Paused(node)
                }
                Effect::Suspend { node } => {
                    let node = state.find(node)?;
                    u.kernel.pause(node);
                    u.kernel.adjust_clocks(node, |now, clocks| clocks.monotonic.freeze(now));
                    let others = state.all().map(|(_, other)| other).filter(|other| *other != node);
                    let pairs: Vec<_> = others.chain([NodeId::DRIVER]).flat_map(|o| [(node, o), (o, node)]).collect();
                    if let Some(rules) = rules(u) {
                        rules.cut(id.0, &pairs);
                    }
                    Held::Suspended(node)
                }
                Effect::Slow { node, factor } => {
                    let node = state.find(node)?;
                    let polls_before = u.kernel.node(node).polls();
                    Held::Slow { node, factor: u64::from(*factor), polls_before }
                }
                Effect::Disk { node, fault } => {
                    let node = state.find(node)?;
                    if let Some((disk, _)) = u.get::<Disk>() {
                        let (injection, per_million) = machine::injection(*fault);
                        disk.inject_at_times(id.0, node, injection, per_million);
                    }
                    Held::Disk
                }
                Effect::Clock { node, fault } => {
                    let node = state.find(node)?;
                    adjust(&mut u.kernel, state, node, |now, clocks| machine::mislead(clocks, now, *fault));
                    Held::Clock { node, polls_before: u.kernel.node(node).polls() }
                }
                Effect::Impair { links, fault } => {
                    let pairs = state.pairs(links)?;
                    let what =
                        impairment(*fault).ok_or(WorldError::Unsupported { effect: effect.kind(), available })?;
                    if let Some(rules) = rules(u) {
                        rules.impair(id.0, &pairs, what);
                    }
                    Held::Network
                }
                Effect::Names { node, fault } => {
                    let asker = Some(state.find(node)?);
                    let (name, fault) = match fault {
                        NameFault::Silent => (None, DnsFault::Silent),
                        NameFault::Unknown => (None, DnsFault::Unknown),
                        NameFault::Stale { name, answer } => {
                            let address = IpAddr::V4(ip_of(state.find(answer)?));
                            (Some(name.as_str().to_owned()), DnsFault::Stale(vec![address]))
                        }
                        _ => return Err(WorldError::Unsupported { effect: effect.kind(), available }),
                    };
                    if let Some((net, _)) = u.get::<Net>() {
                        net.dns().add(id.0, DnsRule { asker, name, fault });
                    }
                    Held::Network
                }
                Effect::Descriptors { node, left } => {
                    let node = state.find(node)?;
                    u.kernel.limit_descriptors(node, id.0, *left);
                    Held::Descriptors(node)
                }
                Effect::Memory { node, left, refuses } => {
                    let node = state.find(node)?;
                    if state.meter.is_none() {
                        state.meter = Some(
                            seal::meter_memory().ok_or(WorldError::Unsupported { effect: effect.kind(), available })?,
                        );
                    }
                    u.kernel.limit_memory(node, id.0, MemoryLimit { left: *left, refuses: *refuses });
                    Held::Memory(node)
                }
                Effect::Upgrade { node, to } => {
                    let node = state.find(node)?;
                    let changed = state.version(node) != *to;
                    state.versions.insert(node, *to);
                    state.hit(id, counter::VERSIONS_CHANGED, u64::from(changed));
                    Held::Nothing
                }
                Effect::NewDisk { node } => {
                    let node = state.find(node)?;
                    let changed = u.get::<Disk>().is_some_and(|(disk, _)| disk.replace_at_boot(node));
                    state.hit(id, counter::DISKS_CHANGED, u64::from(changed));
                    Held::Nothing
                }
                Effect::SwapDisks { node, with } => {
                    let (one, other) = (state.find(node)?, state.find(with)?);
                    let changed = u.get::<Disk>().is_some_and(|(disk, _)| disk.swap_at_boot(one, other));
                    state.hit(id, counter::DISKS_CHANGED, u64::from(changed));
                    Held::Nothing
                }
                _ => return Err(WorldError::Unsupported { effect: effect.kind(), available }),
            };
            state.holds.entry(id).or_default().push(held);
            state.hits.entry(id).or_default();
            if let Held::Slow { node, .. } = held {
                u.kernel.set_slowness(node, state.slowness(node));
            }
            u.kernel.trace(Kind::FAULT, u64::from(id.0), 1);
            Ok(())
        })
    }

    fn end(&mut self, id: FaultId) -> Result<(), WorldError> {
        self.act(|u, state| {
            let Some(held) = state.holds.remove(&id) else { return Err(WorldError::NotBegun { id }) };
            if let Some(rules) = rules(u) {
                rules.remove(id.0);
            }
            if let Some((net, _)) = u.get::<Net>() {
                net.dns().remove(id.0);
            }
            if let Some((disk, _)) = u.get::<Disk>() {
                disk.heal(id.0);
            }
            u.kernel.trace(Kind::FAULT, u64::from(id.0), 0);
            for loss in state.power_losses.iter_mut().filter(|l| l.fault == id && l.after.is_none()) {
                loss.after = Some(losses(u, loss.node));
            }
            for held in held {
                match held {
                    Held::Network | Held::Disk | Held::Nothing => {}
                    Held::Descriptors(node) => {
                        state.hit(id, counter::OPENS_REFUSED, u.kernel.lift_descriptors(node, id.0));
                    }
                    Held::Memory(node) => {
                        let hits = u.kernel.lift_memory(node, id.0);
                        state.hit(id, counter::OUT_OF_MEMORY, hits.killed);
                        state.hit(id, counter::ALLOCATIONS_REFUSED, hits.refused);
                        if !state.limits_memory() {
                            state.meter = None;
                        }
                        if hits.killed > 0 {
                            wake_up(&mut u.kernel, state, node);
                        }
                    }
                    Held::Clock { node, polls_before } => {
                        state.hit(id, counter::POLLS_MISLED, u.kernel.node(node).polls() - polls_before);
                        // Another fault of the same clocks goes on as it was when this one began.
                        if !state.misleads(node) {
                            adjust(&mut u.kernel, state, node, |now, clocks| machine::set_right(clocks, now));
                        }
                    }
                    Held::Down(node) => wake_up(&mut u.kernel, state, node),
                    Held::Stopping(node) => {
                        // A supervisor's patience ends: what did not stop by itself is killed, then restarted.
                        u.kernel.take_down(node, Down::Kill);
                        wake_up(&mut u.kernel, state, node);
                    }
                    Held::Suspended(node) | Held::Paused(node) => {
                        if matches!(held, Held::Suspended(_)) && !state.held_suspended(node) {
                            u.kernel.adjust_clocks(node, |now, clocks| clocks.monotonic.run_evenly(now));
                        }
                        if !state.held_paused(node) {
                            let waiting = u.kernel.node(node).ready();
                            if u.kernel.resume(node) {
                                state.hit(id, counter::TASKS_PAUSED, waiting as u64);
                            }
                        }
                    }
                    Held::Slow { node, polls_before, .. } => {
                        let polls = u.kernel.node(node).polls() - polls_before;
                        state.hit(id, counter::POLLS_SLOWED, polls);
                        u.kernel.set_slowness(node, state.slowness(node));
                    }
                }
            }
            Ok(())
        })
    }

    fn hits(&self, id: FaultId) -> Hits {
        self.act(|u, state| {
            let mut hits = state.hits.get(&id).cloned().unwrap_or_default();
            for held in state.holds.get(&id).into_iter().flatten() {
                match held {
                    Held::Slow { node, polls_before, .. } => {
                        hits.add(counter::POLLS_SLOWED, u.kernel.node(*node).polls() - polls_before);
                    }
                    Held::Paused(node) | Held::Suspended(node) => {
                        hits.add(counter::TASKS_PAUSED, u.kernel.node(*node).ready() as u64)
                    }
                    Held::Descriptors(node) => {
                        hits.add(counter::OPENS_REFUSED, u.kernel.refused_descriptors(*node, id.0));
                    }
                    Held::Memory(node) => {
                        let came = u.kernel.memory_hits(*node, id.0);
                        hits.add(counter::OUT_OF_MEMORY, came.killed);
                        hits.add(counter::ALLOCATIONS_REFUSED, came.refused);
                    }
                    Held::Clock { node, polls_before } => {
                        hits.add(counter::POLLS_MISLED, u.kernel.node(*node).polls() - polls_before);
                    }
                    _ => {}
                }
            }
            for loss in state.power_losses.iter().filter(|l| l.fault == id) {
                let after = loss.after.unwrap_or_else(|| losses(u, loss.node));
                hits.add(counter::WRITES_LOST, after.writes_lost - loss.before.writes_lost);
                hits.add(counter::WRITES_TORN, after.writes_torn - loss.before.writes_torn);
            }
            if let Some((disk, _)) = u.get::<Disk>() {
                hits.add(counter::OPERATIONS_STRUCK, disk.fault_hits(id.0));
            }
            if let Some(rules) = rules(u) {
                let counts = rules.hits(id.0);
                hits.add(counter::PACKETS_DROPPED, counts.packets_dropped);
                hits.add(counter::PACKETS_DELAYED, counts.packets_delayed);
                hits.add(counter::PACKETS_DOUBLED, counts.packets_doubled);
                hits.add(counter::PACKETS_CORRUPTED, counts.packets_corrupted);
            }
            if let Some((net, _)) = u.get::<Net>() {
                hits.add(counter::LOOKUPS_MISLED, net.dns().hits(id.0));
            }
            hits
        })
    }
}
