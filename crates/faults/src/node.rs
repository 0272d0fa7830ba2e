//! Node names: how plans, worlds and reports speak of the same node without sharing a type of any simulator.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a node, cheap to clone. Any text will do; in a plan's text a name made only of ASCII letters, digits and
/// `_ - . /` stands bare and every other is quoted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names `n1`, `n2` … up to `count`: the usual small cluster.
    #[must_use]
    pub fn numbered(prefix: &str, count: usize) -> Vec<NodeName> {
        (1..=count).map(|number| NodeName::from(format!("{prefix}{number}"))).collect()
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> NodeName {
        NodeName(name.into())
    }
}

impl From<String> for NodeName {
    fn from(name: String) -> NodeName {
        NodeName(name.into())
    }
}

impl From<&NodeName> for NodeName {
    fn from(name: &NodeName) -> NodeName {
        name.clone()
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> String {
        name.as_str().to_owned()
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// One node or many, in whatever form the caller has them.
pub trait IntoNodes {
    /// The names, in the caller's order.
    fn into_nodes(self) -> Vec<NodeName>;
}

impl IntoNodes for NodeName {
    fn into_nodes(self) -> Vec<NodeName> {
        vec![self]
    }
}

impl IntoNodes for &NodeName {
    fn into_nodes(self) -> Vec<NodeName> {
        vec![self.clone()]
    }
}

impl IntoNodes for &str {
    fn into_nodes(self) -> Vec<NodeName> {
        vec![self.into()]
    }
}

impl<N: Into<NodeName>> IntoNodes for Vec<N> {
    fn into_nodes(self) -> Vec<NodeName> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<N: Into<NodeName>, const COUNT: usize> IntoNodes for [N; COUNT] {
    fn into_nodes(self) -> Vec<NodeName> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<N: Into<NodeName> + Clone> IntoNodes for &[N] {
    fn into_nodes(self) -> Vec<NodeName> {
        self.iter().cloned().map(Into::into).collect()
    }
}

impl<N: Into<NodeName> + Clone> IntoNodes for &Vec<N> {
    fn into_nodes(self) -> Vec<NodeName> {
        self.as_slice().into_nodes()
    }
}

impl<N: Into<NodeName> + Clone, const COUNT: usize> IntoNodes for &[N; COUNT] {
    fn into_nodes(self) -> Vec<NodeName> {
        self.as_slice().into_nodes()
    }
}
