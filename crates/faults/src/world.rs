//! The one door through which faults act on a simulation.

use std::time::Duration;

use thiserror::Error;

use crate::{Capabilities, Effect, EffectKind, FaultId, Hits, NodeName};

/// A simulated cluster, as faults see it. Plans act through this trait and in no other way, so that one plan drives any
/// simulator that implements it.
///
/// The driver, where a scenario's clients run, is not a node of the world: no fault touches it.
pub trait World {
    /// Virtual time since the start of the run.
    fn now(&self) -> Duration;

    /// What this world can do. Constant during a run.
    fn capabilities(&self) -> Capabilities;

    /// Whether the world can carry out this very effect, with its targets and parameters. Asked of every fault before a plan
    /// begins.
    ///
    /// # Errors
    /// [`WorldError::Unsupported`] for a kind it lacks; [`WorldError::Refused`] where it has the kind and not this form of it.
    fn can(&self, effect: &Effect) -> Result<(), WorldError> {
        let available = self.capabilities();
        if available.has(effect.kind()) {
            Ok(())
        } else {
            Err(WorldError::Unsupported { effect: effect.kind(), available })
        }
    }

    /// The service nodes, in the order in which they were added, whether up or down.
    fn nodes(&self) -> Vec<NodeName>;

    /// Starts an effect and holds it for `id`. A fault may hold several effects at once (five nodes lose power together)
    /// and one after another (a link flaps). How overlapping effects combine is told at [`Effect`].
    ///
    /// An effect that finds nothing to do, such as a kill of a node that is down, is no error: it hits nothing.
    ///
    /// # Errors
    /// [`WorldError::Unsupported`], [`WorldError::UnknownNode`] or [`WorldError::Refused`]; nothing was begun then.
    fn begin(&mut self, id: FaultId, effect: &Effect) -> Result<(), WorldError>;

    /// Ends every effect that `id` holds: links heal, nodes that no other fault holds down restart on the same disk, paused
    /// nodes resume. What the fault did until now stays done.
    ///
    /// # Errors
    /// [`WorldError::NotBegun`] if `id` holds nothing; [`WorldError::Refused`] if the world could not heal.
    fn end(&mut self, id: FaultId) -> Result<(), WorldError>;

    /// What `id` really hit so far, over all its effects; it may still grow after the end (a reset that is on its way).
    /// Empty for an id that never began.
    fn hits(&self, id: FaultId) -> Hits;
}

/// Why a world did not do what a fault asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorldError {
    /// This world cannot do such a thing at all.
    #[error("this world has no effect `{effect}`; it has: {available}")]
    Unsupported {
        /// What was asked for.
        effect: EffectKind,
        /// What there is.
        available: Capabilities,
    },
    /// No node has that name.
    #[error("there is no node `{node}`; the nodes are: {}", list(nodes))]
    UnknownNode {
        /// The name that was asked for.
        node: NodeName,
        /// The names that there are.
        nodes: Vec<NodeName>,
    },
    /// Nothing is held for that id.
    #[error("fault {id} holds no effect that could end")]
    NotBegun {
        /// The id.
        id: FaultId,
    },
    /// The world could do it, but not now.
    #[error("effect `{effect}` was refused: {reason}")]
    Refused {
        /// What was asked for.
        effect: EffectKind,
        /// Why not.
        reason: String,
    },
}

/// Names in a row for a message.
pub(crate) fn list(nodes: &[NodeName]) -> String {
    if nodes.is_empty() {
        return "none".to_owned();
    }
    nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}
