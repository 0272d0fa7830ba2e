//! Errors of sockets. On Linux they carry the errno that the real call would give, so that kind, code and text are
//! those a service sees in production.

use std::io;

/// Why an operation on a socket failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    Refused,
    Reset,
    BrokenPipe,
    TimedOut,
    AddressInUse,
    AddressNotAvailable,
    NotConnected,
    DestinationRequired,
    HostUnreachable,
    NetworkUnreachable,
    Invalid,
    MessageTooLong,
    WouldBlock,
    NotFound,
    TooManyFiles,
    /// The socket at a name is of another type.
    WrongProtocol,
    NotPermitted,
    /// What a socket has not asked to be allowed.
    AccessDenied,
}

impl Cause {
    const fn errno(self) -> i32 {
        match self {
            Self::Refused => 111,
            Self::Reset => 104,
            Self::BrokenPipe => 32,
            Self::TimedOut => 110,
            Self::AddressInUse => 98,
            Self::AddressNotAvailable => 99,
            Self::NotConnected => 107,
            Self::DestinationRequired => 89,
            Self::HostUnreachable => 113,
            Self::NetworkUnreachable => 101,
            Self::Invalid => 22,
            Self::MessageTooLong => 90,
            Self::WouldBlock => 11,
            Self::NotFound => 2,
            Self::TooManyFiles => 24,
            Self::WrongProtocol => 91,
            Self::NotPermitted => 1,
            Self::AccessDenied => 13,
        }
    }

    const fn kind(self) -> io::ErrorKind {
        match self {
            Self::Refused => io::ErrorKind::ConnectionRefused,
            Self::Reset => io::ErrorKind::ConnectionReset,
            Self::BrokenPipe => io::ErrorKind::BrokenPipe,
            Self::TimedOut => io::ErrorKind::TimedOut,
            Self::AddressInUse => io::ErrorKind::AddrInUse,
            Self::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            Self::NotConnected => io::ErrorKind::NotConnected,
            Self::DestinationRequired | Self::Invalid | Self::MessageTooLong => io::ErrorKind::InvalidInput,
            Self::HostUnreachable => io::ErrorKind::HostUnreachable,
            Self::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
            Self::WouldBlock => io::ErrorKind::WouldBlock,
            Self::NotFound => io::ErrorKind::NotFound,
            Self::TooManyFiles | Self::WrongProtocol => io::ErrorKind::Other,
            Self::NotPermitted | Self::AccessDenied => io::ErrorKind::PermissionDenied,
        }
    }
}

impl From<Cause> for io::Error {
    fn from(cause: Cause) -> Self {
        if cfg!(target_os = "linux") { Self::from_raw_os_error(cause.errno()) } else { cause.kind().into() }
    }
}

/// A time to live that a packet can have: 1 to 255 (`ip(7)`).
pub(crate) fn valid_ttl(ttl: u32) -> Result<u32, Cause> {
    if (1..=255).contains(&ttl) { Ok(ttl) } else { Err(Cause::Invalid) }
}

/// A handle was used where its socket is not: outside its simulation, or after its node went down.
pub(crate) fn stale(what: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, format!("simulated {what}: {why}"))
}

/// Something that a simulated socket cannot do at all.
#[must_use]
pub fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} is not supported by a simulated socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_errno_is_that_of_the_kind() {
        use Cause::*;
        let all = [
            Refused,
            Reset,
            BrokenPipe,
            TimedOut,
            AddressInUse,
            AddressNotAvailable,
            NotConnected,
            HostUnreachable,
            NetworkUnreachable,
            Invalid,
            WouldBlock,
            NotFound,
            NotPermitted,
            AccessDenied,
        ];
        for cause in all {
            assert_eq!(io::Error::from(cause).kind(), cause.kind(), "{cause:?}");
        }
    }
}
