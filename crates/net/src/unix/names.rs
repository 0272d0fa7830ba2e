//! The names of one node's Unix sockets.

use std::collections::BTreeMap;

use super::address::Name;
use crate::error::Cause;
use crate::packet::SocketRef;

/// Bound names. A path without a disk frees its name with its socket, as there is no file that could stay.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<Name, SocketRef>);

impl Names {
    pub(crate) fn bind(&mut self, name: Name, at: SocketRef) -> Result<(), Cause> {
        match self.0.entry(name) {
            std::collections::btree_map::Entry::Occupied(_) => Err(Cause::AddressInUse),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(at);
                Ok(())
            }
        }
    }

    pub(crate) fn is_bound(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// The socket of a name. A socket file whose socket has gone refuses; any other name is not there.
    pub(crate) fn find(&self, name: &Name) -> Result<SocketRef, Cause> {
        self.0.get(name).copied().ok_or(match name {
            Name::File(..) | Name::Abstract(_) => Cause::Refused,
            Name::Path(_) => Cause::NotFound,
        })
    }

    pub(crate) fn unbind(&mut self, name: &Name, at: SocketRef) {
        if self.0.get(name) == Some(&at) {
            self.0.remove(name);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
