//! Names: what a lookup answers, and what faults make of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use stormglass_kernel::{Kernel, NodeId};

use crate::address::ip_of;

/// What a fault does to lookups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DnsFault {
    /// No server answers: `EAI_AGAIN`.
    Silent,
    /// The server says that there is no such name: `EAI_NONAME`.
    Unknown,
    /// An old answer: these addresses instead of the present ones.
    Stale(Vec<IpAddr>),
}

/// Which lookups a fault hits. What is `None` matches every lookup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsRule {
    /// The node that asks.
    pub asker: Option<NodeId>,
    /// The name asked for.
    pub name: Option<String>,
    /// What happens.
    pub fault: DnsFault,
}

/// Why a lookup gave no address: the errors of `getaddrinfo(3)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LookupError {
    /// `EAI_NONAME`.
    #[error("failed to lookup address information: Name or service not known")]
    Unknown,
    /// `EAI_AGAIN`.
    #[error("failed to lookup address information: Temporary failure in name resolution")]
    Again,
}

/// Faults of lookups, by number. The first that matches decides; one that began later goes before.
#[derive(Debug, Default)]
pub struct Dns {
    rules: BTreeMap<u32, Vec<DnsRule>>,
    hits: BTreeMap<u32, u64>,
}

impl Dns {
    /// Adds a rule to a fault.
    pub fn add(&mut self, fault: u32, rule: DnsRule) {
        self.rules.entry(fault).or_default().push(rule);
    }

    /// Ends every rule of a fault. Says whether there was one. Its count stays.
    pub fn remove(&mut self, fault: u32) -> bool {
        self.rules.remove(&fault).is_some()
    }

    /// Lookups that a fault hit so far.
    #[must_use]
    pub fn hits(&self, fault: u32) -> u64 {
        self.hits.get(&fault).copied().unwrap_or_default()
    }

    fn hit(&mut self, asker: NodeId, name: &str) -> Option<DnsFault> {
        let matches = |rule: &&DnsRule| {
            rule.asker.is_none_or(|node| node == asker)
                && rule.name.as_ref().is_none_or(|of| of.eq_ignore_ascii_case(name))
        };
        let found =
            self.rules.iter().rev().find_map(|(&id, rules)| Some((id, rules.iter().find(matches)?.fault.clone())));
        let (id, fault) = found?;
        *self.hits.entry(id).or_default() += 1;
        Some(fault)
    }

    /// The addresses of a name, as the current node hears them: a number in text, `localhost`, or a node's name.
    pub(crate) fn lookup(&mut self, kernel: &Kernel, name: &str) -> (Result<Vec<IpAddr>, LookupError>, Hit) {
        if let Ok(ip) = name.parse() {
            return (Ok(vec![ip]), Hit::None);
        }
        // /etc/hosts needs no server.
        if name.eq_ignore_ascii_case("localhost") {
            return (Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]), Hit::None);
        }
        // Nor does the machine's own name, which every installer writes there.
        let own = kernel.current_node();
        if **kernel.node(own).name() == *name {
            return (Ok(vec![IpAddr::V4(ip_of(own))]), Hit::None);
        }
        match self.hit(own, name) {
            Some(DnsFault::Silent) => (Err(LookupError::Again), Hit::Failed),
            Some(DnsFault::Unknown) => (Err(LookupError::Unknown), Hit::Failed),
            Some(DnsFault::Stale(addresses)) => (Ok(addresses), Hit::Stale),
            None => {
                let node = kernel.find_node(name).ok_or(LookupError::Unknown);
                (node.map(|node| vec![IpAddr::V4(ip_of(node))]), Hit::None)
            }
        }
    }
}

/// Whether a fault had a hand in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hit {
    None,
    Failed,
    Stale,
}
