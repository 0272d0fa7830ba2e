//! Options that say how a socket's packets are to be treated: the same methods for `TcpSocket` and `UdpSocket`.

/// Gives a socket type those methods. Its simulated socket has a method `traffic` that runs a closure.
macro_rules! traffic {
    ($type:ident) => {
        #[cfg(target_os = "linux")]
        impl $type {
            /// The type of service of its packets.
            ///
            /// # Errors
            /// Those of the socket.
            pub fn tos_v4(&self) -> io::Result<u32> {
                match &self.0 {
                    Inner::Real(socket) => socket.tos_v4(),
                    Inner::Sim(socket) => socket.traffic(|traffic| traffic.tos()),
                }
            }

            /// Sets the type of service of its packets.
            ///
            /// # Errors
            /// Those of the socket.
            pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
                match &self.0 {
                    Inner::Real(socket) => socket.set_tos_v4(tos),
                    Inner::Sim(socket) => socket.traffic(|traffic| traffic.set_tos(tos)),
                }
            }

            /// The traffic class of its packets.
            ///
            /// # Errors
            /// A socket of IPv4 has none.
            pub fn tclass_v6(&self) -> io::Result<u32> {
                match &self.0 {
                    Inner::Real(socket) => socket.tclass_v6(),
                    Inner::Sim(socket) => socket.traffic(|traffic| traffic.class())?,
                }
            }

            /// Sets the traffic class of its packets.
            ///
            /// # Errors
            /// A socket of IPv4 has none; there are 256.
            pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
                match &self.0 {
                    Inner::Real(socket) => socket.set_tclass_v6(tclass),
                    Inner::Sim(socket) => socket.traffic(|traffic| traffic.set_class(tclass))?,
                }
            }

            /// The device that it is bound to.
            ///
            /// # Errors
            /// Those of the socket.
            pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
                match &self.0 {
                    Inner::Real(socket) => socket.device(),
                    Inner::Sim(socket) => socket.traffic(|traffic| traffic.device()),
                }
            }

            /// Binds it to a device. A simulated machine has `lo` and `eth0`, and being bound to one has no effect.
            ///
            /// # Errors
            /// No such device; a simulated program is an ordinary user and may do so once.
            pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
                match &self.0 {
                    Inner::Real(socket) => socket.bind_device(interface),
                    Inner::Sim(socket) => socket.traffic(|traffic| traffic.bind_device(interface))?,
                }
            }
        }
    };
}
