//! The life of a node: boot, pause, resume, signals, crash, power loss, exit.

use crate::ids::NodeId;
use crate::kernel::{Call, Errand, Kernel, OUTBOX, RARE};
use crate::node::{Down, Node, NodeState};
use crate::signals::Signals;
use crate::subsystem::Effect;
use crate::task::STOPPED;
use crate::time::VirtualTime;
use crate::timer_clock::TimerClock;
use crate::trace::Kind;

impl Kernel {
    /// Boots `node`: its program starts at the loop's next step. Says whether it was down.
    pub fn boot(&mut self, node: NodeId) -> bool {
        let record = &mut self.nodes[node.index()];
        if record.is_up() {
            return false;
        }
        record.state = NodeState::Running;
        record.incarnation.0 += 1;
        record.roots = 0;
        record.busy_until = self.now;
        record.timer_clock = TimerClock::default();
        record.note_clocks();
        record.numbers = 0;
        if !record.signals.is_empty() {
            record.signals = Signals::default();
        }
        record.threads = 0;
        record.threads_made = 0;
        let incarnation = record.incarnation.0;
        self.begin_memory(node);
        self.transitions.push((node, None));
        self.chores_mut().boots.push(node);
        self.trace_on(node, Kind::BOOT, 0, u64::from(incarnation));
        true
    }

    /// Takes `node` down: every task is dropped in order of age, without any simulated effect. Gives the number of
    /// tasks that were stopped, or `None` when the node was not up. The driver never goes down.
    pub fn take_down(&mut self, node: NodeId, how: Down) -> Option<usize> {
        if node == NodeId::DRIVER || !self.nodes[node.index()].is_up() {
            return None;
        }
        let tasks = self.tasks.of_node(node);
        for &task in &tasks {
            if let Some(task) = self.tasks.get_mut(task) {
                task.cancelled = true;
                task.deaf |= STOPPED;
            }
        }
        let stopped = tasks.len();
        let record = &mut self.nodes[node.index()];
        record.state = if how == Down::Exit { NodeState::Exited } else { NodeState::Crashed };
        record.ready.clear();
        record.run = VirtualTime::MAX;
        record.timer = VirtualTime::MAX;
        self.queue.set_own(node, VirtualTime::MAX);
        let outbox = if record.outbox.is_empty() { Vec::new() } else { std::mem::take(&mut record.outbox) };
        let timers = record.timers.clear();
        let signals = record.signals.take_waiters();
        let incarnation = record.incarnation.0;
        if !signals.is_empty() {
            self.chores_mut().discards.extend(signals);
        }
        if !timers.is_empty() {
            timers.into_iter().for_each(|sleeper| self.forget(sleeper));
        }
        // What the node's last poll did was stamped after this instant: it never happened. (An exit is the end of a
        // poll: what the program did before it happened.)
        if how == Down::Exit {
            if !outbox.is_empty() {
                self.outbox.splice(0..0, outbox);
                self.attention |= OUTBOX;
            }
        } else {
            self.void(outbox);
            if self.current.as_ref().is_some_and(|c| c.node == node) {
                let own = std::mem::take(&mut self.outbox);
                self.void(own);
            }
        }
        if !tasks.is_empty() {
            self.chores_mut().dropped.push((node, tasks));
        }
        self.transitions.push((node, Some(how)));
        self.attention |= RARE;
        self.trace_on(node, Kind::DOWN, how as u64, u64::from(incarnation));
        Some(stopped)
    }

    fn void(&mut self, outbox: Vec<Effect>) {
        // Calls may own user values: dropped with the chores.
        for effect in outbox {
            if let Effect::Call(call) = effect {
                let call = Call(NodeId::DRIVER, Errand::Run(Box::new(move || drop(call))));
                self.chores_mut().calls.push(call);
            }
        }
    }

    /// Stops a node's processor, as SIGSTOP does: its timers expire and its machine's network stack goes on, but no
    /// task runs. Says whether it was running.
    pub fn pause(&mut self, node: NodeId) -> bool {
        let record = &mut self.nodes[node.index()];
        if node == NodeId::DRIVER || record.state != NodeState::Running {
            return false;
        }
        record.state = NodeState::Paused;
        self.attention |= RARE;
        self.trace_on(node, Kind::PAUSE, 1, 0);
        true
    }

    /// Lets a paused node go on. Says whether it was paused.
    pub fn resume(&mut self, node: NodeId) -> bool {
        let now = self.now;
        let record = &mut self.nodes[node.index()];
        if record.state != NodeState::Paused {
            return false;
        }
        record.state = NodeState::Running;
        record.busy_until = record.busy_until.max(now);
        record.run = VirtualTime::MAX;
        self.trace_on(node, Kind::PAUSE, 0, 0);
        self.see_to_run(node);
        true
    }

    /// Makes a node's processor slower: `thousandths` of the normal cost of each poll, at least 1.
    pub fn set_slowness(&mut self, node: NodeId, thousandths: u64) {
        if node != NodeId::DRIVER {
            self.nodes[node.index()].slowness = thousandths.clamp(1, 1_000_000_000);
        }
    }

    /// Declares that panics on `node` are expected: they end their task, not the run.
    pub fn allow_panics(&mut self, node: NodeId) {
        self.nodes[node.index()].panics_allowed = true;
    }

    /// Declares that `node`'s own runtime polls its tasks on the thread of the node's main task.
    pub fn set_one_thread(&mut self, node: NodeId) {
        self.nodes[node.index()].one_thread = true;
    }

    /// Whether the current node's own runtime is [of one thread](Kernel::set_one_thread).
    #[must_use]
    pub fn is_of_one_thread(&self) -> bool {
        self.node(self.current_node()).one_thread
    }

    /// Changes a node's clocks through `change` and re-arms its timers. The driver's clocks stay perfect.
    pub fn adjust_clocks(&mut self, node: NodeId, change: impl FnOnce(VirtualTime, &mut Clocks<'_>)) {
        if node == NodeId::DRIVER {
            return;
        }
        let now = self.now;
        let Node { monotonic, wall, timer, .. } = &mut self.nodes[node.index()];
        let shown_ns = monotonic.read_ns(now);
        change(now, &mut Clocks { monotonic, wall });
        // Whatever was asked for, `Instant` never goes back.
        monotonic.hold_to(now, shown_ns);
        *timer = VirtualTime::MAX;
        self.nodes[node.index()].note_clocks();
        self.arm(node);
    }
}

/// A node's two clocks.
#[derive(Debug)]
pub struct Clocks<'a> {
    /// Never steps back.
    pub monotonic: &'a mut crate::clock::Clock,
    /// May.
    pub wall: &'a mut crate::clock::Clock,
}
