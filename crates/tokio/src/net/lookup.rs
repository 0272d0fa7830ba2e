//! `lookup_host`.

use std::io;
use std::net::SocketAddr;

use super::addr::{ToSocketAddrs, resolve};

/// Resolves a name. In a simulation names are those of its nodes, and `localhost`.
///
/// # Errors
/// No such name; no `:port` in a string.
pub async fn lookup_host<T>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>>
where
    T: ToSocketAddrs,
{
    Ok(resolve(host).await?.into_iter())
}
