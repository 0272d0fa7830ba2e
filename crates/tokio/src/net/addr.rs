//! `ToSocketAddrs`: what may be given as an address.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;

use stormglass_kernel::try_with;
use stormglass_net::{LookupError, Net};

/// Converts or resolves without blocking to one or more [`SocketAddr`]s.
///
/// It is sealed and implemented for what tokio's trait of this name is: addresses, pairs of host and port, slices and
/// strings. In a simulation names are those of its nodes, and `localhost`.
pub trait ToSocketAddrs: Resolve {}

/// The trait's method, out of reach.
pub(crate) mod sealed {
    use super::{Future, SocketAddr, io};

    /// Resolves to addresses.
    pub trait Resolve {
        /// Gives the addresses.
        type Future: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;

        /// Starts to resolve.
        fn resolve(&self, sealed: Sealed) -> Self::Future;
    }

    /// Only this crate has one.
    #[derive(Clone, Copy, Debug)]
    pub struct Sealed(pub(crate) ());
}

use sealed::{Resolve, Sealed};

/// The addresses of `arg`.
pub(crate) fn resolve<T: ToSocketAddrs>(arg: T) -> T::Future {
    arg.resolve(Sealed(()))
}

/// Addresses that need no name.
type Known = Ready<io::Result<Vec<SocketAddr>>>;
/// Addresses for which somebody must be asked.
type Asked = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: Resolve + ?Sized> Resolve for &T {
    type Future = T::Future;

    fn resolve(&self, sealed: Sealed) -> Self::Future {
        (**self).resolve(sealed)
    }
}

macro_rules! known {
    ($($type:ty: $self:ident => $address:expr;)*) => {$(
        impl ToSocketAddrs for $type {}

        impl Resolve for $type {
            type Future = Known;

            fn resolve(&$self, _: Sealed) -> Known {
                ready(Ok($address))
            }
        }
    )*};
}

known! {
    SocketAddr: self => vec![*self];
    SocketAddrV4: self => vec![(*self).into()];
    SocketAddrV6: self => vec![(*self).into()];
    (IpAddr, u16): self => vec![(*self).into()];
    (Ipv4Addr, u16): self => vec![(*self).into()];
    (Ipv6Addr, u16): self => vec![(*self).into()];
    &[SocketAddr]: self => self.to_vec();
}

impl ToSocketAddrs for str {}

impl Resolve for str {
    type Future = Asked;

    fn resolve(&self, sealed: Sealed) -> Asked {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return Box::pin(ready(Ok(vec![address])));
        }
        let parts = self.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        match parts {
            Some((host, port)) if stormglass_kernel::is_current() => (host, port).resolve(sealed),
            None if stormglass_kernel::is_current() => {
                // The text is std's own.
                let error = io::Error::new(io::ErrorKind::InvalidInput, "invalid socket address");
                Box::pin(ready(Err(error)))
            }
            _ => {
                let name = self.to_owned();
                Box::pin(async move { Ok(real_tokio::net::lookup_host(name).await?.collect()) })
            }
        }
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl Resolve for (&str, u16) {
    type Future = Asked;

    fn resolve(&self, _: Sealed) -> Asked {
        let (host, port) = *self;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Box::pin(ready(Ok(vec![SocketAddr::new(ip, port)])));
        }
        let found =
            try_with(|u| u.get::<Net>().map_or(Err(LookupError::Unknown), |(net, kernel)| net.lookup(kernel, host)));
        if let Some(found) = found {
            let found = found.map_err(|error| failed(host, error));
            return Box::pin(ready(found.map(|all| all.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())));
        }
        let host = host.to_owned();
        Box::pin(async move { Ok(real_tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

fn failed(host: &str, error: LookupError) -> io::Error {
    match error {
        // Unless a fault made the server say so.
        LookupError::Unknown if !try_with(|u| u.kernel.find_node(host).is_some()).unwrap_or(false) => {
            io::Error::other(format!("{error}: the simulation has no node `{host}`"))
        }
        error => io::Error::other(error),
    }
}

impl ToSocketAddrs for (String, u16) {}

impl Resolve for (String, u16) {
    type Future = Asked;

    fn resolve(&self, sealed: Sealed) -> Asked {
        (self.0.as_str(), self.1).resolve(sealed)
    }
}

impl ToSocketAddrs for String {}

impl Resolve for String {
    type Future = Asked;

    fn resolve(&self, sealed: Sealed) -> Asked {
        self.as_str().resolve(sealed)
    }
}
