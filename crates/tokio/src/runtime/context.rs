//! Which runtime is current on this thread, and whether the thread may block.
//!
//! A task of a node belongs to the node's own runtime, which is there without being built, or to one that the program
//! built. On a thread of a node nothing is current until a runtime is entered, as outside a simulation.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::built::Built;

/// A runtime inside a simulation.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// The node's own.
    Node,
    /// One that the program built.
    Built(Arc<Built>),
}

thread_local! {
    static ENTERED: RefCell<Vec<(u64, Scope)>> = const { RefCell::new(Vec::new()) };
    static ENTRIES: Cell<u64> = const { Cell::new(0) };
    /// How many are entered: nearly always none, and then nobody looks further.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Whether this thread polls a future of `block_on`, or has said that it may block. Nothing of the kind at first: then the
    /// simulation's own thread drives, and no other does.
    static DRIVING: Cell<Option<bool>> = const { Cell::new(None) };
}

impl Scope {
    /// Whether it is a runtime of several threads. A node's own is, unless it is the one of a program that has one thread.
    pub(crate) fn is_of_several(&self) -> bool {
        match self {
            Self::Node => stormglass_kernel::try_with(|u| !u.kernel.is_of_one_thread()).unwrap_or(true),
            Self::Built(built) => built.settings.several,
        }
    }
}

/// The current runtime. `None` outside a simulation, and on a thread of a node that has entered none.
pub(crate) fn current() -> Option<Scope> {
    if !stormglass_kernel::is_current() {
        return None;
    }
    let entered = ENTERED.with_borrow(|entered| entered.last().map(|(_, scope)| scope.clone()));
    // The simulation's own thread runs nothing but tasks and boots of nodes.
    entered.or_else(|| (!stormglass_kernel::may_block()).then_some(Scope::Node))
}

/// Whether the current runtime has what `asked` asks for; with no runtime it has not.
pub(crate) fn has(asked: impl FnOnce(&Built) -> bool) -> Option<bool> {
    let top = || {
        ENTERED.with_borrow(|entered| match entered.last() {
            Some((_, Scope::Built(built))) => Some(asked(built)),
            Some((_, Scope::Node)) => Some(true),
            None => None,
        })
    };
    let top = if DEPTH.get() == 0 { None } else { top() };
    top.or_else(|| (!stormglass_kernel::may_block()).then_some(true))
}

/// Keeps a runtime current. Guards may be dropped in any order.
#[derive(Debug)]
pub(crate) struct Entered(u64);

pub(crate) fn enter(scope: Scope) -> Entered {
    let number = ENTRIES.get() + 1;
    ENTRIES.set(number);
    ENTERED.with_borrow_mut(|entered| entered.push((number, scope)));
    DEPTH.set(DEPTH.get() + 1);
    Entered(number)
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let place = entered.iter().rposition(|(number, _)| *number == self.0);
            let removed = place.map(|place| entered.remove(place));
            DEPTH.set(entered.len());
            removed
        });
        drop(left);
    }
}

/// Runs `f` as what drives a runtime on this thread: `block_on` within it is refused.
pub(crate) fn driving<R>(driving: bool, f: impl FnOnce() -> R) -> R {
    struct Back(Option<bool>);
    impl Drop for Back {
        fn drop(&mut self) {
            DRIVING.set(self.0);
        }
    }
    let _back = Back(DRIVING.replace(Some(driving)));
    f()
}

/// Whether this thread drives a runtime, so that it must not block.
pub(crate) fn is_driving() -> bool {
    let may_block = stormglass_kernel::may_block();
    match DRIVING.get() {
        Some(true) => true,
        // In place, in the midst of a task's poll.
        Some(false) => !may_block && !stormglass_kernel::may_block_in_poll(),
        None => !may_block,
    }
}
