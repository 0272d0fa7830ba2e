//! What a node's program is told about itself.

use std::sync::Arc;

/// One boot of one node.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) name: Arc<str>,
    pub(crate) index: usize,
    pub(crate) boot: u32,
    pub(crate) version: u32,
}

impl Host {
    /// The node's name, which is also its host name in the simulated network.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's place among those added by the same call, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Which version of the program is to run, from 1: upgrades in a plan change it.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Which boot this is, from 1.
    #[must_use]
    pub fn boot(&self) -> u32 {
        self.boot
    }
}
