//! From the paths and addresses of programs to the names of simulated sockets, and back.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr as StdAddr;
use std::path::Path;

use real_tokio::net::unix::SocketAddr;
use stormglass_disk::Disk;
use stormglass_kernel::try_with;
use stormglass_net::unix::{Address, Name};

/// Bytes of a path that `sockaddr_un` holds beside its final zero.
const PATH_BYTES_MAX: usize = 107;

/// The address that a path means: on Linux one that begins with a zero byte is in the abstract namespace.
pub(super) fn of_path(path: &Path) -> io::Result<Address> {
    let bytes = path.as_os_str().as_bytes();
    if let Some(name) = bytes.strip_prefix(b"\0") {
        if name.len() > PATH_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "abstract socket name must be shorter than SUN_LEN",
            ));
        }
        return Ok(Address::Abstract(name.to_vec()));
    }
    // The rules of std's own conversion.
    let shown = StdAddr::from_pathname(path)?;
    Ok(shown.as_pathname().map_or(Address::Unnamed, |path| Address::Path(path.to_owned())))
}

/// The same for an address that a program made.
pub(super) fn of_addr(address: &SocketAddr) -> Address {
    match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => Address::Path(path.to_owned()),
        (None, Some(name)) => Address::Abstract(name.to_vec()),
        (None, None) => Address::Unnamed,
    }
}

/// An address as tokio shows it.
pub(super) fn shown(address: Address) -> SocketAddr {
    let std = match &address {
        Address::Unnamed => StdAddr::from_pathname(OsStr::new("")),
        Address::Path(path) => StdAddr::from_pathname(path),
        Address::Abstract(name) => <StdAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
    };
    // Whatever was shown was first taken from an address or a path that passed the same rules.
    std.map_or_else(|_| unreachable!("an address that was valid when the socket was made"), Into::into)
}

/// A name to bind: makes the file of a path.
pub(super) fn claim(address: &Address) -> io::Result<Name> {
    name(address, |disk, kernel, node, path| {
        disk.create_socket_file(kernel, node, path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => in_use(),
            _ => e,
        })
    })
}

/// A name to connect or send to.
pub(super) fn find(address: &Address) -> io::Result<Name> {
    name(address, Disk::socket_file)
}

type OfFile = fn(
    &mut Disk,
    &stormglass_kernel::Kernel,
    stormglass_kernel::NodeId,
    &Path,
) -> io::Result<stormglass_disk::SocketFile>;

fn name(address: &Address, of_file: OfFile) -> io::Result<Name> {
    let path = match address {
        Address::Abstract(name) => return Ok(Name::Abstract(name.clone())),
        Address::Path(path) => path,
        // Binding without a name asks Linux for an abstract one; connecting to none is an error.
        Address::Unnamed => return Err(io::Error::from_raw_os_error(22)),
    };
    let found = try_with(|u| {
        let node = u.kernel.current_node();
        let (disk, kernel) = u.get::<Disk>()?;
        Some(of_file(disk, kernel, node, path))
    });
    match found.flatten() {
        Some(file) => file.map(|(inode, born)| Name::File(inode, born)),
        None => Ok(Name::Path(path.clone())),
    }
}

fn in_use() -> io::Error {
    io::Error::from_raw_os_error(98)
}
