//! Addresses: one IPv4 address per node in 10.0.0.0/8, and the loopback that stays inside each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use stormglass_kernel::NodeId;

use crate::error::Cause;

const NETWORK: u32 = 10 << 24;

/// The address of a node: 10.0.0.0 plus its index plus one, so that the driver is 10.0.0.1.
#[must_use]
pub const fn ip_of(node: NodeId) -> Ipv4Addr {
    Ipv4Addr::from_bits(NETWORK + node.index() as u32 + 1)
}

/// The node that would have this address, whether it exists or not. `None` outside the simulated network.
#[must_use]
pub fn node_of(ip: Ipv4Addr) -> Option<NodeId> {
    let index = ip.to_bits().checked_sub(NETWORK + 1)?;
    u16::try_from(index).ok().map(NodeId::from_index)
}

/// How a socket shows addresses to its program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Form {
    #[default]
    V4,
    /// `::ffff:10.0.0.2`: IPv4 seen through a socket for IPv6.
    Mapped,
    /// IPv6 itself, of which there is the loopback.
    V6,
}

impl Form {
    /// The form of a connection to `remote`.
    pub(crate) fn of(remote: SocketAddr) -> Self {
        match remote.ip() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Self::Mapped,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The form of what reaches a socket that shows itself as `own`, from a peer that speaks IPv6 or not.
    pub(crate) fn at(own: SocketAddr, v6: bool) -> Self {
        match own {
            _ if v6 => Self::V6,
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::Mapped,
        }
    }

    pub(crate) fn show(self, address: SocketAddrV4) -> SocketAddr {
        let ip = match self {
            Self::V4 => return address.into(),
            Self::V6 if address.ip().is_loopback() => Ipv6Addr::LOCALHOST,
            Self::V6 | Self::Mapped => address.ip().to_ipv6_mapped(),
        };
        SocketAddr::new(ip.into(), address.port())
    }
}

/// An address as the network knows it: IPv6's loopback, wildcard and mapped addresses stand for their IPv4 twins, and
/// the simulated network has no others.
pub(crate) fn to_v4(address: SocketAddr) -> Result<SocketAddrV4, Cause> {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Ipv4Addr::LOCALHOST,
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(ip) => ip.to_ipv4_mapped().ok_or(Cause::NetworkUnreachable)?,
    };
    Ok(SocketAddrV4::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_and_its_address_find_each_other() {
        assert_eq!(ip_of(NodeId::DRIVER), Ipv4Addr::new(10, 0, 0, 1));
        for index in [0, 1, 254, 255, 256, 16_383] {
            let node = NodeId::from_index(index);
            assert_eq!(node_of(ip_of(node)), Some(node));
        }
        assert_eq!(node_of(Ipv4Addr::new(10, 0, 0, 0)), None);
        assert_eq!(node_of(Ipv4Addr::new(10, 2, 0, 0)), None);
        assert_eq!(node_of(Ipv4Addr::new(8, 8, 8, 8)), None);
    }

    #[test]
    fn ipv6_is_known_only_where_it_means_ipv4() {
        let v4 = |text: &str| to_v4(text.parse().expect("a socket address"));
        assert_eq!(v4("[::1]:80"), Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)));
        assert_eq!(v4("[::]:80"), Ok(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 80)));
        assert_eq!(v4("[::ffff:10.0.0.2]:80"), Ok(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80)));
        assert_eq!(v4("[2001:db8::1]:80"), Err(Cause::NetworkUnreachable));
    }
}
