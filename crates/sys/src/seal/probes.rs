//! The calls that the self-test makes, and a world that knows whether they came through.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::current::enter;
use super::hooks::{Hooks, Sleep};
use super::leak;
use super::selftest::SelfTestError;
use super::symbols::table;
use super::threads::spawn_simulation_thread;

const WALL_S: u32 = 1_000_000_007;
const STEP: Duration = Duration::from_secs(1_009);
const RANDOM: u8 = 0xA5;
const CPUS: usize = 13;
const PROCESS: u32 = 424_242;
const NAP: Duration = Duration::from_nanos(271);
const HOSTNAME: &[u8] = b"sealed-node";

thread_local! {
    static MONOTONIC_NS: Cell<u64> = const { Cell::new(0) };
    static FILLS: Cell<u32> = const { Cell::new(0) };
    static SLEPT_NS: Cell<u64> = const { Cell::new(0) };
}

/// A world whose every answer could not be the real machine's.
struct Probed;

impl Hooks for Probed {
    fn monotonic_ns(&self) -> Option<u64> {
        let now = MONOTONIC_NS.get() + u64::try_from(STEP.as_nanos()).unwrap_or(0);
        MONOTONIC_NS.set(now);
        Some(now)
    }

    fn wall_ns(&self) -> Option<u64> {
        Some(u64::from(WALL_S) * 1_000_000_000)
    }

    fn fill_random(&self, buf: &mut [u8]) -> bool {
        FILLS.set(FILLS.get() + 1);
        buf.fill(RANDOM);
        true
    }

    fn hostname(&self, buf: &mut [u8]) -> Option<usize> {
        buf[..HOSTNAME.len()].copy_from_slice(HOSTNAME);
        Some(HOSTNAME.len())
    }

    fn cpus(&self) -> Option<usize> {
        Some(CPUS)
    }

    fn process_id(&self) -> Option<u32> {
        Some(PROCESS)
    }

    fn blocking_sleep(&self, ns: u64) -> Sleep {
        SLEPT_NS.set(ns);
        Sleep::Slept
    }
}

/// One call: the symbol it must meet, its name as a reader would write it, and whether it met.
struct Probe {
    symbol: &'static str,
    path: &'static str,
    caught: fn() -> bool,
}

pub(super) fn run() -> Result<(), SelfTestError> {
    all_exported()?;
    let thread = spawn_simulation_thread(1 << 20, || {
        let entered = enter(&Probed);
        let missed = PROBES.iter().find(|probe| {
            leak::forget();
            !(probe.caught)()
        });
        leak::forget();
        drop(entered);
        missed
    });
    match thread.map_err(|source| SelfTestError::Thread { source })?.join() {
        Ok(None) => Ok(()),
        Ok(Some(probe)) => Err(SelfTestError::Missed { symbol: probe.symbol, path: probe.path }),
        Err(_) => Err(SelfTestError::Panicked),
    }
}

/// Whether a shared object that looks a symbol up finds ours.
fn all_exported() -> Result<(), SelfTestError> {
    for symbol in table::symbols() {
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.slot.name().as_ptr()) };
        // A symbol that this libc lacks nobody has linked against.
        let libc_has_it = symbol.slot.get().is_some();
        if libc_has_it && found as usize != (symbol.ours)() {
            return Err(SelfTestError::NotExported { symbol: symbol.name });
        }
    }
    Ok(())
}

/// Whether the call failed, and it is one of these symbols that refused it.
fn refused<T>(answer: std::io::Result<T>, symbols: &[&str]) -> bool {
    answer.is_err() && leak::first_symbol().is_some_and(|symbol| symbols.contains(&symbol))
}

/// Whether the two buffers were filled by the world.
fn random(fill: impl Fn(&mut [u8; 32])) -> bool {
    let mut buf = [0; 32];
    fill(&mut buf);
    buf == [RANDOM; 32]
}

// Should a probe go through, it must do no harm: it opens, but never creates or removes anything that could exist.
const PROBES: &[Probe] = &[
    // First, while this thread has no keys yet.
    Probe {
        symbol: "getrandom",
        path: "std::collections::hash_map::RandomState::new()",
        caught: || {
            let _ = RandomState::new();
            FILLS.get() > 0
        },
    },
    Probe {
        symbol: "clock_gettime",
        path: "std::time::Instant::now()",
        caught: || {
            let start = Instant::now();
            Instant::now().checked_duration_since(start) == Some(STEP)
        },
    },
    Probe {
        symbol: "clock_gettime",
        path: "std::time::SystemTime::now()",
        caught: || SystemTime::now() == SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(WALL_S)),
    },
    Probe {
        symbol: "gettimeofday",
        path: "libc::gettimeofday()",
        caught: || {
            let mut now = libc::timeval { tv_sec: 0, tv_usec: 1 };
            // SAFETY: a pointer to a local; the zone may be null.
            unsafe { libc::gettimeofday(&raw mut now, std::ptr::null_mut()) };
            now.tv_sec == libc::time_t::from(WALL_S) && now.tv_usec == 0
        },
    },
    Probe {
        symbol: "time",
        path: "libc::time()",
        // SAFETY: the pointer may be null.
        caught: || unsafe { libc::time(std::ptr::null_mut()) } == libc::time_t::from(WALL_S),
    },
    Probe {
        symbol: "syscall",
        path: "libc::syscall(SYS_clock_gettime)",
        caught: || {
            let mut now = libc::timespec { tv_sec: 0, tv_nsec: 1 };
            // SAFETY: the arguments of the system call, the last a pointer to a local.
            unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut now) };
            now.tv_sec == libc::time_t::from(WALL_S)
        },
    },
    Probe {
        symbol: "getrandom",
        path: "libc::getrandom()",
        // SAFETY: the buffer has 32 bytes.
        caught: || random(|buf| unsafe { _ = libc::getrandom(buf.as_mut_ptr().cast(), 32, 0) }),
    },
    Probe {
        symbol: "getentropy",
        path: "libc::getentropy()",
        // SAFETY: the buffer has 32 bytes.
        caught: || random(|buf| unsafe { _ = libc::getentropy(buf.as_mut_ptr().cast(), 32) }),
    },
    Probe {
        symbol: "syscall",
        path: "libc::syscall(SYS_getrandom)",
        // SAFETY: the arguments of the system call; the buffer has 32 bytes.
        caught: || random(|buf| unsafe { _ = libc::syscall(libc::SYS_getrandom, buf.as_mut_ptr(), 32_usize, 0) }),
    },
    Probe {
        symbol: "nanosleep",
        path: "std::thread::sleep()",
        caught: || {
            // Interposed it takes no time; else it is a few hundred nanoseconds.
            #[allow(clippy::disallowed_methods, reason = "the probe is of this very function")]
            thread::sleep(NAP);
            u128::from(SLEPT_NS.get()) == NAP.as_nanos()
        },
    },
    Probe {
        symbol: "sched_getaffinity",
        path: "std::thread::available_parallelism()",
        caught: || thread::available_parallelism().is_ok_and(|cpus| cpus.get() == CPUS) && leak::leak_count() == 0,
    },
    Probe {
        symbol: "sysconf",
        path: "libc::sysconf(_SC_NPROCESSORS_ONLN)",
        // SAFETY: a number.
        caught: || usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }) == Ok(CPUS),
    },
    Probe {
        symbol: "gethostname",
        path: "libc::gethostname()",
        caught: || {
            let mut buf = [0xff_u8; 64];
            // SAFETY: the buffer has 64 bytes.
            unsafe { libc::gethostname(buf.as_mut_ptr().cast(), buf.len()) };
            buf.starts_with(HOSTNAME) && buf[HOSTNAME.len()] == 0
        },
    },
    Probe { symbol: "getppid", path: "std::os::unix::process::parent_id()", caught: || parent_id() == 1 },
    Probe {
        symbol: "getcwd",
        path: "std::env::current_dir()",
        caught: || std::env::current_dir().is_ok_and(|folder| folder == Path::new("/")),
    },
    Probe {
        symbol: "getauxval",
        path: "libc::getauxval(AT_RANDOM)",
        // SAFETY: a number.
        caught: || unsafe { libc::getauxval(libc::AT_RANDOM) } == 0 && leak::first_symbol() == Some("getauxval"),
    },
    Probe {
        symbol: "sched_getcpu",
        path: "libc::sched_getcpu()",
        // SAFETY: it takes nothing. It could be the first processor by chance: then this probe sees nothing wrong.
        caught: || unsafe { libc::sched_getcpu() } == 0,
    },
    Probe {
        symbol: "open64",
        path: "std::fs::File::open(\"/dev/urandom\")",
        caught: || refused(File::open("/dev/urandom"), &["open64", "open"]),
    },
    Probe { symbol: "getpid", path: "std::process::id()", caught: || std::process::id() == PROCESS },
    Probe {
        symbol: "pthread_create",
        path: "std::thread::Builder::spawn()",
        caught: || refused(thread::Builder::new().spawn(|| ()), &["pthread_create"]),
    },
    Probe {
        symbol: "connect",
        path: "std::net::TcpStream::connect()",
        caught: || refused(TcpStream::connect(("127.0.0.1", 1)), &["connect"]),
    },
    Probe {
        symbol: "socket",
        path: "std::net::UdpSocket::bind()",
        caught: || refused(UdpSocket::bind(("127.0.0.1", 0)), &["socket"]),
    },
    Probe {
        symbol: "getaddrinfo",
        path: "std::net::ToSocketAddrs::to_socket_addrs()",
        caught: || refused(("stormglass.invalid", 1).to_socket_addrs(), &["getaddrinfo"]),
    },
    Probe { symbol: "open64", path: "std::fs::File::open()", caught: || refused(File::open("/"), &["open64", "open"]) },
    Probe { symbol: "statx", path: "std::fs::metadata()", caught: || refused(fs::metadata("/"), &["statx", "stat64"]) },
    Probe { symbol: "opendir", path: "std::fs::read_dir()", caught: || refused(fs::read_dir("/"), &["opendir"]) },
    Probe {
        symbol: "unlink",
        path: "std::fs::remove_file()",
        caught: || refused(fs::remove_file("/stormglass/does/not/exist"), &["unlink"]),
    },
    Probe {
        symbol: "rename",
        path: "std::fs::rename()",
        caught: || refused(fs::rename("/stormglass/does/not/exist", "/stormglass/nor/this"), &["rename"]),
    },
    Probe {
        symbol: "posix_spawn",
        path: "std::process::Command::spawn()",
        caught: || {
            refused(
                Command::new("/stormglass/does/not/exist").spawn(),
                &["posix_spawn", "posix_spawnp", "fork", "pipe2", "socketpair"],
            )
        },
    },
];
