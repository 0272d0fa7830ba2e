//! What reaches for the real world through libc: refused, by name and call site; but for files, which a node has itself, and
//! names, which the network has.

use std::io::Read;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use crate::animal::{Nature, animals};

const FILES: Nature = Nature::Refused(&["open64", "open", "openat64"]);
const SOCKETS: Nature = Nature::Refused(&["socket", "socketpair", "connect", "bind"]);

animals! {
    std_sleep: Nature::Refused(&["nanosleep", "clock_nanosleep"]), constant, {
        thread::sleep(Duration::from_millis(1));
        [()]
    };
    std_tcp_stream: SOCKETS, constant, { [TcpStream::connect("127.0.0.1:9").is_ok()] };
    std_tcp_listener: SOCKETS, constant, { [TcpListener::bind("127.0.0.1:0").is_ok()] };
    std_udp_socket: SOCKETS, constant, { [UdpSocket::bind("127.0.0.1:0").is_ok()] };
    std_unix_stream: SOCKETS, constant, { [UnixStream::connect("/run/nothing").is_ok()] };
    std_name_resolution: Nature::Stable, constant, {
        ["localhost", "stormglass.invalid"].map(|name| {
            (name, 80).to_socket_addrs().map(Iterator::collect::<Vec<_>>).map_err(|error| error.to_string())
        })
    };
    std_fs_read: FILES, constant, { [fs::read("/etc/hostname").is_ok()] };
    std_fs_write: Nature::Stable, constant, {
        // On the node's own disk.
        [fs::write("/tmp/stormglass-zoo", "it stays").is_ok(), fs::read("/tmp/stormglass-zoo").is_ok()]
    };
    std_fs_metadata: Nature::Refused(&["statx", "stat64"]), constant, { [fs::metadata("/etc").is_ok()] };
    std_fs_read_dir: Nature::Refused(&["opendir"]), constant, { [fs::read_dir("/etc").is_ok()] };
    dev_urandom: Nature::Stable, varies, {
        // The node's own, from `random` too.
        let draw = |path| {
            let mut bytes = [0; 16];
            fs::File::open(path).and_then(|mut device| device.read_exact(&mut bytes)).map(|()| bytes).ok()
        };
        [draw("/dev/urandom"), draw("/dev/random"), draw("/dev/urandom")]
    };
    dev_null: Nature::Stable, constant, {
        [fs::read("/dev/null").is_ok_and(|bytes| bytes.is_empty()), fs::write("/dev/null", "gone").is_ok()]
    };
    dev_tty: FILES, constant, { [fs::File::open("/dev/tty").is_ok()] };
    proc_cpuinfo: FILES, constant, { [fs::read_to_string("/proc/cpuinfo").is_ok()] };
    command_output: Nature::Refused(&["posix_spawnp", "posix_spawn", "fork", "pipe2"]), constant, {
        [Command::new("true").output().is_ok()]
    };
    command_spawn: Nature::Refused(&["posix_spawnp", "posix_spawn", "fork", "socketpair"]), constant, {
        [Command::new("true").spawn().is_ok()]
    };
    temporary_file: Nature::Stable, constant, { [tempfile::tempfile().is_ok()] };
}
