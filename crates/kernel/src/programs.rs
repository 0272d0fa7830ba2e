//! What nodes run at their boots.

use std::fmt;
use std::rc::Rc;

use crate::LocalFuture;
use crate::ids::NodeId;

/// A node's program: makes the future of its main task at each boot.
pub(crate) type Program = Rc<dyn Fn() -> LocalFuture>;

/// What each node runs at its boots, by the node's number.
#[derive(Default)]
pub(crate) struct Programs(pub(crate) Vec<Option<Program>>);

impl Programs {
    /// Sets what a node runs. Gives what it ran before.
    pub(crate) fn set(&mut self, node: NodeId, program: Program) -> Option<Program> {
        if self.0.len() == node.index() {
            self.0.push(Some(program));
            return None;
        }
        if self.0.len() < node.index() {
            self.0.resize_with(node.index() + 1, || None);
        }
        self.0[node.index()].replace(program)
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programs").field("nodes", &self.0.iter().flatten().count()).finish_non_exhaustive()
    }
}
