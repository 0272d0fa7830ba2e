//! Links: ordered pairs of nodes, named the way people do, by groups and arrows.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{IntoNodes, NodeName};

/// One direction of traffic between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// Who sends.
    pub from: NodeName,
    /// Who receives.
    pub to: NodeName,
}

/// A set of links: every node of one group to every node of another, in one direction or in both. A node is never
/// linked to itself (loopback is no network), so that a group may face itself: `n1,n2,n3 <> n1,n2,n3` is all links
/// among three nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Links {
    /// The senders.
    pub from: Vec<NodeName>,
    /// The receivers.
    pub to: Vec<NodeName>,
    /// Whether the receivers also send to the senders.
    pub both_ways: bool,
}

impl Links {
    /// From every node of `from` to every node of `to`, and not back.
    #[must_use]
    pub fn one_way(from: impl IntoNodes, to: impl IntoNodes) -> Links {
        Links { from: from.into_nodes(), to: to.into_nodes(), both_ways: false }
    }

    /// Between the two groups, in both directions.
    #[must_use]
    pub fn between(one: impl IntoNodes, other: impl IntoNodes) -> Links {
        Links { from: one.into_nodes(), to: other.into_nodes(), both_ways: true }
    }

    /// All links among the nodes.
    #[must_use]
    pub fn among(nodes: impl IntoNodes) -> Links {
        let nodes = nodes.into_nodes();
        Links { from: nodes.clone(), to: nodes, both_ways: true }
    }

    /// The links, each once, in order.
    #[must_use]
    pub fn pairs(&self) -> BTreeSet<Link> {
        let mut pairs = BTreeSet::new();
        for from in &self.from {
            for to in self.to.iter().filter(|to| *to != from) {
                pairs.insert(Link { from: from.clone(), to: to.clone() });
                if self.both_ways {
                    pairs.insert(Link { from: to.clone(), to: from.clone() });
                }
            }
        }
        pairs
    }

    /// Every node named, in the order of the text; a node may come twice.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.from.iter().chain(&self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(links: &Links) -> usize {
        links.pairs().len()
    }

    #[test]
    fn one_way_is_one_way_and_between_is_both() {
        assert_eq!(count(&Links::one_way(["a", "b"], ["c"])), 2);
        assert_eq!(count(&Links::between(["a", "b"], ["c"])), 4);
        let back = Link { from: "c".into(), to: "a".into() };
        assert!(!Links::one_way(["a"], ["c"]).pairs().contains(&back));
        assert!(Links::between(["a"], ["c"]).pairs().contains(&back));
    }

    #[test]
    fn no_node_is_linked_to_itself() {
        assert_eq!(count(&Links::among(["a", "b", "c"])), 6);
        assert_eq!(count(&Links::among(["a"])), 0);
    }
}
