//! How nodes come to be: their names, of which no two are the same, and the blank nodes that an earlier simulation left.

use std::borrow::Cow;
use std::sync::Arc;

use crate::decide::Site;
use crate::ids::NodeId;
use crate::kernel::Kernel;
use crate::node::Node;
use crate::queue::NODES_MAX;

impl Kernel {
    /// Adds a node, which does not run before it is booted. Gives `None` when a node of that name exists or
    /// [`NODES_MAX`] is reached.
    pub fn add_node(&mut self, name: &str) -> Option<NodeId> {
        // Nearly always the nodes of the next simulation have the names of the last one's.
        let blank = self.nodes.get(self.sites.len());
        self.add(blank.filter(|blank| &*blank.name == name).map(|blank| blank.site), || Cow::Borrowed(name))
    }

    /// Adds a node called by `prefix` and `number`, as [`Kernel::add_node`] does.
    pub fn add_numbered_node(&mut self, prefix: &str, number: usize) -> Option<NodeId> {
        let blank = self.nodes.get(self.sites.len());
        let again = blank.filter(|blank| is_numbered(&blank.name, prefix, number)).map(|blank| blank.site);
        self.add(again, || Cow::Owned(format!("{prefix}{number}")))
    }

    /// Adds a node: the next blank one as it is, where it has the right name `again`.
    fn add<'a>(&mut self, again: Option<Site>, name: impl FnOnce() -> Cow<'a, str>) -> Option<NodeId> {
        let id = NodeId(self.sites.len() as u16);
        let name = if again.is_none() { name() } else { Cow::Borrowed("") };
        let site = again.unwrap_or_else(|| Site::named(&name));
        // Of all names only one with the same hash is compared.
        if self.sites.contains(&site.as_u64()) {
            let name = if again.is_some() { &*self.nodes[id.index()].name } else { &*name };
            if self.find_node(name).is_some() {
                return None;
            }
        }
        if self.sites.len() >= NODES_MAX {
            return None;
        }
        if again.is_none() {
            match self.nodes.get_mut(id.index()) {
                Some(blank) => (blank.name, blank.site) = (Arc::from(&*name), site),
                None => self.nodes.push(Node::new(id, Arc::from(&*name), site)),
            }
        }
        self.sites.push(site.as_u64());
        Some(id)
    }
}

/// Whether `name` is `prefix` and then `number`.
fn is_numbered(name: &str, prefix: &str, number: usize) -> bool {
    let Some(digits) = name.strip_prefix(prefix) else { return false };
    let mut rest = number;
    for (place, digit) in digits.bytes().rev().enumerate() {
        if rest == 0 && place > 0 || digit != b'0' + (rest % 10) as u8 {
            return false;
        }
        rest /= 10;
    }
    rest == 0 && !digits.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_numbered;

    #[test]
    fn a_number_is_told_from_any_other() {
        for number in [0, 1, 9, 10, 12, 100, 1_234_567] {
            assert!(is_numbered(&format!("n{number}"), "n", number));
            for other in
                ["n", "", "m0", "n00", "n01", "n010", "n012", "n0100", "n+1", "n1 ", "n2", "n11", "n112", "n1000"]
            {
                assert!(!is_numbered(other, "n", number), "{other} is not n{number}");
            }
        }
    }
}
