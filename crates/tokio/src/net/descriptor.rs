//! File descriptors of sockets. A simulated socket has a number in a reserved range that the operating system never hands
//! out: it can be shown and compared, and a system call on it fails with `EBADF`.

/// Gives away the descriptor of a socket type. A simulated one has none to give, so that is refused by name.
macro_rules! into_descriptor {
    ($type:ident) => {
        #[cfg(unix)]
        impl std::os::fd::IntoRawFd for $type {
            /// # Panics
            /// For a simulated socket: it has no open descriptor to give away.
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                match self.0 {
                    Inner::Real(socket) => socket.into_raw_fd(),
                    Inner::Sim(_) => {
                        panic!("{}", stormglass_net::unsupported(concat!(stringify!($type), "::into_raw_fd")))
                    }
                }
            }
        }
    };
}

/// Gives a socket type its descriptor. A simulated one cannot be lent as an open descriptor, so that is refused by name.
macro_rules! descriptor {
    ($type:ident) => {
        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                match &self.0 {
                    Inner::Real(socket) => socket.as_raw_fd(),
                    Inner::Sim(socket) => socket.descriptor(),
                }
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            /// # Panics
            /// For a simulated socket: it has no open descriptor to lend.
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                match &self.0 {
                    Inner::Real(socket) => socket.as_fd(),
                    Inner::Sim(_) => {
                        panic!("{}", stormglass_net::unsupported(concat!(stringify!($type), "::as_fd")))
                    }
                }
            }
        }
    };
}
