//! The kernel of Stormglass: virtual time, events, tasks, nodes, decisions and the trace.
//!
//! A simulation is a loop over `(virtual time, tie-break)`. Each node is a serial processor with clocks of its own;
//! each random choice is a keyed decision; whatever happens becomes a record of the trace, whose digest is the run's
//! identity. Worlds such as the network and the disk stand beside the kernel behind [`Subsystem`].
//!
//! It is not a runtime that a service sees (that is `stormglass-tokio`), does no I/O, knows no fault plan, and contains
//! no unsafe code.

#![forbid(unsafe_code)]

mod baton;
mod blocked;
mod body;
mod clock;
mod decide;
mod due;
mod exec;
mod finish;
mod fire;
mod guest;
mod heap;
mod ids;
mod inspect;
mod join;
mod kernel;
mod lifecycle;
mod limits;
mod mailbox;
mod naming;
mod node;
mod panics;
mod parked;
mod policy;
mod prf;
mod programs;
mod queue;
mod ready;
mod report;
mod run;
mod scarce;
mod signals;
mod spare;
mod stand_in;
mod step;
mod subsystem;
mod task;
mod time;
mod timer_clock;
mod timers;
mod trace;
mod universe;

pub use baton::{SpawnThread, block_on, block_on_or_stop, may_block, run_blocking, run_on_thread};
pub use blocked::{Waited, nap, wait as wait_on, wait_for_thread, wake as wake_waiters};
pub use clock::{Clock, DRIFT_PPB_MAX, SLEW_PPB};
pub use decide::{Decisions, Domain, Override, OverrideError, POLL_COST, Point, Site};
pub use exec::{TaskError, is_home};
pub use finish::report_panic;
pub use guest::{Guest, Invitation, NoThread, THREADS_MAX, ThreadSeat, invite, invite_thread};
pub use ids::{Incarnation, NodeId, TaskKey, TaskRef, TimerId};
pub use inspect::Sight;
pub use join::{AbortHandle, JoinHandle, spawn, spawn_beside_main, spawn_local};
pub use kernel::{ENTROPY, Footprint, Kernel};
pub use lifecycle::Clocks;
pub use limits::{Failure, Limits, Waiting};
pub use node::{Down, MONOTONIC_START_NS, Node, NodeState, WALL_CLOCK_START_NS};
pub use panics::install_hook as install_panic_hook;
pub use parked::Parked;
pub use policy::{Fifo, POLICIES, PRIORITY, Pct, Policy, Pos, Random, Wake, by_name as policy_by_name};
pub use prf::{hash_bytes, mix};
pub use queue::NODES_MAX;
pub use report::{Counters, Options, Report};
pub use run::Simulation;
pub use scarce::{MemoryHits, MemoryLimit};
pub use signals::{DefaultAction, SIGTERM, default_action};
pub use stand_in::{Blocking, may_block_in_poll};
pub use subsystem::{Effect, Subsystem, Typed, WorldEvent, WorldId};
pub use task::Wait;
pub use time::{VirtualTime, saturating_nanos};
pub use timer_clock::PauseError;
pub use trace::{Digest, Kind, RECORD_BYTES, Recent, Record, Trace, TraceSink};
pub use universe::{Universe, down_name, is_current, is_held, try_with, with};

/// Sets what `node` runs at each boot, from inside the simulation that holds it.
pub fn set_program(node: NodeId, program: impl Fn() -> LocalFuture + 'static) {
    exec::set_program(node, std::rc::Rc::new(program));
}

/// The main task of one boot: a boxed future that stays on its thread.
pub type LocalFuture = std::pin::Pin<Box<dyn Future<Output = ()>>>;
