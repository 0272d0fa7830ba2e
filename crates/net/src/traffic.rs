//! Options of a socket that say how its packets are to be treated: classes of traffic, and the device that they leave by.
//! They are kept, told and checked as Linux does (`ip(7)`, `ipv6(7)`, `socket(7)`), and otherwise without effect: every
//! packet has the same priority, and a host has one way to each other.

use std::io;

/// The devices that a simulated machine has.
const DEVICES: [&[u8]; 2] = [b"lo", b"eth0"];
/// `IFNAMSIZ` without its NUL.
const DEVICE_NAME_MAX: usize = 15;
/// The bits that belong to congestion notification, which a stream keeps for itself.
const ECN: u8 = 3;

const EPERM: i32 = 1;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENOPROTOOPT: i32 = 92;
const EOPNOTSUPP: i32 = 95;

/// What a socket says of its packets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    v6: bool,
    stream: bool,
    tos: u8,
    class: u8,
    device: Option<Vec<u8>>,
}

impl Traffic {
    /// What a new socket says, of IPv6 or not, a stream or not.
    #[must_use]
    pub fn new(v6: bool, stream: bool) -> Self {
        Self { v6, stream, ..Self::default() }
    }

    /// The type of service: `IP_TOS`.
    #[must_use]
    pub fn tos(&self) -> u32 {
        self.tos.into()
    }

    /// Sets `IP_TOS`; the lowest eight bits count.
    pub fn set_tos(&mut self, tos: u32) {
        self.tos = self.without_congestion_bits(tos as u8, self.tos);
    }

    /// The traffic class: `IPV6_TCLASS`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a socket of IPv4.
    pub fn class(&self) -> io::Result<u32> {
        if self.v6 { Ok(self.class.into()) } else { Err(io::Error::from_raw_os_error(EOPNOTSUPP)) }
    }

    /// Sets `IPV6_TCLASS`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for a socket of IPv4, `EINVAL` beyond 255.
    pub fn set_class(&mut self, class: u32) -> io::Result<()> {
        if !self.v6 {
            return Err(io::Error::from_raw_os_error(ENOPROTOOPT));
        }
        let class = u8::try_from(class).map_err(|_| io::Error::from_raw_os_error(EINVAL))?;
        self.class = self.without_congestion_bits(class, self.class);
        Ok(())
    }

    fn without_congestion_bits(&self, new: u8, old: u8) -> u8 {
        if self.stream { new & !ECN | old & ECN } else { new }
    }

    /// The device that it is bound to: `SO_BINDTODEVICE`.
    #[must_use]
    pub fn device(&self) -> Option<Vec<u8>> {
        self.device.clone()
    }

    /// Binds it to a device, as an ordinary user may, once.
    ///
    /// # Errors
    /// `ENODEV` where the machine has none of that name; `EPERM` when it is bound to one already.
    pub fn bind_device(&mut self, name: Option<&[u8]>) -> io::Result<()> {
        let name = name.unwrap_or_default();
        let name = &name[..name.len().min(DEVICE_NAME_MAX)];
        if self.device.is_some() {
            return Err(io::Error::from_raw_os_error(EPERM));
        }
        if name.is_empty() {
            return Ok(());
        }
        if !DEVICES.contains(&name) {
            return Err(io::Error::from_raw_os_error(ENODEV));
        }
        self.device = Some(name.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno<T>(result: io::Result<T>) -> Option<i32> {
        result.err().and_then(|error| error.raw_os_error())
    }

    #[test]
    fn a_device_is_bound_once() {
        let mut traffic = Traffic::default();
        assert_eq!(errno(traffic.bind_device(Some(b"wlan7"))), Some(ENODEV));
        assert_eq!((errno(traffic.bind_device(Some(b"lo"))), traffic.device()), (None, Some(b"lo".to_vec())));
        assert_eq!(errno(traffic.bind_device(None)), Some(EPERM));
    }

    #[test]
    fn a_stream_keeps_the_bits_of_congestion() {
        let mut traffic = Traffic::new(true, true);
        traffic.set_tos(0x1ff);
        assert_eq!((traffic.tos(), errno(traffic.set_class(256))), (0xfc, Some(EINVAL)));
    }
}
