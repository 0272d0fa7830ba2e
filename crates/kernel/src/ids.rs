//! The numbers that handles hold instead of pointers.

use std::fmt;

/// A node of the simulation. Node 0 is the driver, on which the scenario body and its clients run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub(crate) u16);

impl NodeId {
    /// The node of the scenario body and its clients: perfect clocks, and no fault touches it.
    pub const DRIVER: Self = Self(0);

    /// The position of this node in the order in which nodes were added; the driver is 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The node at `index`. It need not exist.
    #[must_use]
    pub const fn from_index(index: u16) -> Self {
        Self(index)
    }
}

/// How many times a node has been booted. A handle of an earlier incarnation is stale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Incarnation(pub(crate) u32);

impl Incarnation {
    /// The number of boots so far; 0 is a node that never ran.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Where a task's record lives: a slot and the generation of its tenant, in one word, which travels in a register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRef(u64);

impl TaskRef {
    /// A reference that no task ever has.
    pub(crate) const NONE: Self = Self::new(u32::MAX, 0);

    #[inline]
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self((slot as u64) << 32 | generation as u64)
    }

    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRef").field("slot", &self.slot()).field("generation", &self.generation()).finish()
    }
}

/// The stable identity of a task: a hash of its parent's key and its ordinal among the parent's children. Equal in
/// every run in which the parent does the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TaskKey(pub(crate) u64);

impl TaskKey {
    /// The key as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A timer of a node: dropped with the node's incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerId {
    pub(crate) node: NodeId,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}
