//! The seam for simulated worlds: network, disk, and whatever else has state of its own and events in time.

use std::any::Any;
use std::fmt;

use crate::ids::NodeId;
use crate::kernel::Kernel;
use crate::node::Down;

/// Which world an event belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorldId(pub u8);

impl WorldId {
    /// The network.
    pub const NET: Self = Self(0);
    /// The disk.
    pub const DISK: Self = Self(1);
    /// How many worlds there may be.
    pub const COUNT: usize = 4;
}

/// An event of a simulated world. Its payload stays in that world; the event carries numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorldEvent {
    /// Whose event it is.
    pub world: WorldId,
    /// What happens; the world says.
    pub kind: u8,
    /// First operand.
    pub a: u64,
    /// Second operand.
    pub b: u64,
}

/// What a poll did that leaves its node: it takes place when the poll ends, unless the node crashed before.
pub enum Effect {
    /// An event for a world.
    World(WorldEvent),
    /// A call that runs while nothing is borrowed: a probe, a line of history.
    Call(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World(event) => f.debug_tuple("World").field(event).finish(),
            Self::Call(_) => f.write_str("Call"),
        }
    }
}

/// A simulated world beside the kernel.
///
/// Methods run while the kernel is borrowed, so they never run user code: wakers go to [`Kernel::wake`] or
/// [`Kernel::discard`], which act once the borrow has ended.
pub trait Subsystem: Any + Send {
    /// The word for this world in messages.
    fn name(&self) -> &'static str;

    /// Something scheduled, or an effect of a poll, takes place at `kernel.now()` on behalf of `node`.
    fn on_event(&mut self, kernel: &mut Kernel, node: NodeId, event: WorldEvent);

    /// `node` went down at `kernel.now()`. Its tasks are gone; what it held here must go, as a real kernel would.
    fn on_down(&mut self, kernel: &mut Kernel, node: NodeId, how: Down);

    /// `node` boots (again) at `kernel.now()`.
    fn on_boot(&mut self, kernel: &mut Kernel, node: NodeId);

    /// The resource that a task waits for, in words.
    fn describe(&self, what: &'static str, id: u64) -> String {
        format!("{what} {id}")
    }

    /// Counters for the run's statistics, in a fixed order.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// A world that can be found by its type, through its number.
pub trait Typed: Subsystem {
    /// Its number.
    const ID: WorldId;
}
