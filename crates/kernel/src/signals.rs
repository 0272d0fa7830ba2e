//! Signals to a node's program: what it handles, and what happens to it where it does not.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::ids::NodeId;
use crate::kernel::Kernel;
use crate::node::Down;
use crate::task::Wait;
use crate::trace::Kind;

/// SIGTERM's number on Linux.
pub const SIGTERM: u64 = 15;

const SIGKILL: u64 = 9;
const SIGCHLD: u64 = 17;
const SIGCONT: u64 = 18;
const SIGSTOP: u64 = 19;
const SIGTTOU: u64 = 22;
const SIGURG: u64 = 23;
const SIGWINCH: u64 = 28;

/// What a signal does to a program that does not handle it: signal(7), on x86-64 and aarch64 alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// The program ends.
    End,
    /// Nothing.
    Ignore,
    /// The program stops until SIGCONT.
    Stop,
    /// A stopped program goes on.
    Continue,
}

/// The default action of `signal`.
#[must_use]
pub const fn default_action(signal: u64) -> DefaultAction {
    match signal {
        SIGCHLD | SIGURG | SIGWINCH => DefaultAction::Ignore,
        SIGSTOP..=SIGTTOU => DefaultAction::Stop,
        SIGCONT => DefaultAction::Continue,
        _ => DefaultAction::End,
    }
}

/// Whether a program may handle `signal` at all: everything but SIGKILL and SIGSTOP.
const fn can_be_handled(signal: u64) -> bool {
    signal != SIGKILL && signal != SIGSTOP
}

/// The signals that a program handles, how many of each have come, and who waits.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    handled: BTreeMap<u64, Handled>,
}

#[derive(Debug, Default)]
struct Handled {
    count: u64,
    waiters: Vec<Waker>,
}

impl Signals {
    pub(crate) fn is_empty(&self) -> bool {
        self.handled.is_empty()
    }

    pub(crate) fn take_waiters(&mut self) -> Vec<Waker> {
        if self.handled.is_empty() {
            return Vec::new();
        }
        let handled = std::mem::take(&mut self.handled);
        handled.into_values().flat_map(|h| h.waiters).collect()
    }
}

impl Kernel {
    /// Sends SIGTERM to a node. Without a handler the program ends at once, as by default. Says whether it was up.
    pub fn terminate(&mut self, node: NodeId) -> bool {
        self.signal(node, SIGTERM)
    }

    /// Sends `signal` to a node. Without a handler its default action takes place. Says whether the node was up. The driver
    /// gets those that it handles, and no other touches it.
    pub fn signal(&mut self, node: NodeId, signal: u64) -> bool {
        if !self.nodes[node.index()].is_up() {
            return false;
        }
        self.trace_on(node, Kind::SIGNAL, signal, 0);
        let record = &mut self.nodes[node.index()];
        if let Some(handled) = record.signals.handled.get_mut(&signal) {
            handled.count += 1;
            let waiters = std::mem::take(&mut handled.waiters);
            self.chores_mut().wakes.extend(waiters);
            return true;
        }
        match default_action(signal) {
            DefaultAction::Ignore => {}
            DefaultAction::Stop => {
                self.pause(node);
            }
            DefaultAction::Continue => {
                self.resume(node);
            }
            DefaultAction::End => {
                let how = if signal == SIGKILL { Down::Kill } else { Down::Exit };
                self.take_down(node, how);
            }
        }
        true
    }

    /// Installs a handler for `signal` on the current node, for as long as its program runs. Gives the number of signals
    /// that have come to a handler before; `None` when the signal cannot be handled.
    pub fn handle_signal(&mut self, signal: u64) -> Option<u64> {
        if !can_be_handled(signal) {
            return None;
        }
        let node = self.current_node();
        Some(self.nodes[node.index()].signals.handled.entry(signal).or_default().count)
    }

    /// Whether more than `seen` of `signal` have reached the current node; if not, `waker` is woken by the next. Gives the
    /// number so far.
    pub fn poll_signal(&mut self, signal: u64, seen: u64, waker: &Waker) -> Option<u64> {
        let node = self.current_node();
        let handled = self.nodes[node.index()].signals.handled.entry(signal).or_default();
        if handled.count > seen {
            return Some(handled.count);
        }
        if !handled.waiters.iter().any(|w| w.will_wake(waker)) {
            handled.waiters.push(waker.clone());
        }
        self.note_wait(Wait::Signal);
        None
    }
}
