//! The seal as simulated code meets it: what is answered, what is refused, who is named, and that none of it outlives
//! the simulation. A binary of its own, so that it also tests how the symbols link.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::panic::catch_unwind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use stormglass_sys::seal::{
    FutexWait, Hooks, LEAKS_KEPT, Sleep, enter, host, host_mode, is_simulated, leak_count, selftest,
    spawn_simulation_thread, take_leaks,
};

const STACK_BYTES: usize = 1 << 20;

/// A world whose clock stands at one instant and whose entropy is one byte.
struct Still {
    random: u8,
    sleep: Sleep,
}

const WALL: Duration = Duration::from_nanos(1_500_000_000_123_456_789);

impl Hooks for Still {
    fn monotonic_ns(&self) -> Option<u64> {
        // The world may use the real machine to answer.
        assert!(!is_simulated());
        Some(77_000_000_000)
    }
    fn wall_ns(&self) -> Option<u64> {
        u64::try_from(WALL.as_nanos()).ok()
    }
    fn fill_random(&self, buf: &mut [u8]) -> bool {
        buf.fill(self.random);
        true
    }
    fn hostname(&self, buf: &mut [u8]) -> Option<usize> {
        buf[..2].copy_from_slice(b"n3");
        Some(2)
    }
    fn cpus(&self) -> Option<usize> {
        Some(67)
    }
    fn process_id(&self) -> Option<u32> {
        Some(31_337)
    }
    fn blocking_sleep(&self, _ns: u64) -> Sleep {
        self.sleep
    }
    fn futex_wait(&self, wait: &FutexWait) -> Option<bool> {
        wait.timeout_ns.map(|ns| ns < 1_000)
    }
    fn futex_wake(&self, _address: usize, _count: u32, bits: u32) -> u32 {
        if bits == 4 { 3 } else { 0 }
    }
}

static STILL: Still = Still { random: 7, sleep: Sleep::Slept };
static OTHER: Still = Still { random: 8, sleep: Sleep::Refused };

/// No world is current.
struct Nobody;

impl Hooks for Nobody {
    fn monotonic_ns(&self) -> Option<u64> {
        None
    }
    fn wall_ns(&self) -> Option<u64> {
        None
    }
    fn fill_random(&self, _buf: &mut [u8]) -> bool {
        false
    }
    fn hostname(&self, _buf: &mut [u8]) -> Option<usize> {
        None
    }
    fn cpus(&self) -> Option<usize> {
        None
    }
    fn blocking_sleep(&self, _ns: u64) -> Sleep {
        Sleep::Real
    }
}

fn hash_on_fresh_thread(hooks: &'static dyn Hooks) -> u64 {
    let thread = spawn_simulation_thread(STACK_BYTES, move || {
        let _simulation = enter(hooks);
        RandomState::new().hash_one("the same key")
    });
    thread.expect("a thread").join().expect("no panic")
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970")
}

#[test]
fn this_binary_passes_the_self_test() {
    if let Err(error) = selftest() {
        panic!("{error}");
    }
}

#[test]
fn clocks_are_the_worlds_inside_and_real_outside() {
    let real = Instant::now();
    {
        let _simulation = enter(&STILL);
        assert_eq!(wall(), WALL);
        let first = Instant::now();
        assert_eq!(Instant::now(), first);
        // SAFETY: a null pointer is allowed.
        assert_eq!(unsafe { libc::time(std::ptr::null_mut()) }, 1_500_000_000);
        assert_eq!(leak_count(), 0);
    }
    assert!(Instant::now() >= real);
    assert!(wall() > WALL);
}

#[test]
fn maps_hash_by_the_worlds_entropy() {
    assert_eq!(hash_on_fresh_thread(&STILL), hash_on_fresh_thread(&STILL));
    assert_ne!(hash_on_fresh_thread(&STILL), hash_on_fresh_thread(&OTHER));
    // Keys of real entropy: equal by chance once in 2^64.
    assert_ne!(hash_on_fresh_thread(&Nobody), hash_on_fresh_thread(&STILL));
}

#[test]
fn the_machine_is_the_nodes() {
    let _simulation = enter(&STILL);
    assert_eq!(thread::available_parallelism().map(usize::from).ok(), Some(67));
    assert_eq!(std::process::id(), 31_337);
    // SAFETY: all zeros is a utsname.
    let mut machine: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: a pointer to a local.
    assert_eq!(unsafe { libc::uname(&raw mut machine) }, 0);
    // SAFETY: the call has succeeded, so the name ends with a NUL.
    let name = unsafe { std::ffi::CStr::from_ptr(machine.nodename.as_ptr()) };
    assert_eq!(name, c"n3");
    let mut short = [0_u8; 2];
    // SAFETY: the buffer and its size.
    assert_eq!(unsafe { libc::gethostname(short.as_mut_ptr().cast(), short.len()) }, -1, "no room for the NUL");
    assert_eq!(take_leaks(), []);
}

#[test]
fn with_no_world_current_the_real_one_answers() {
    let _simulation = enter(&Nobody);
    assert!(wall() > WALL);
    assert_eq!(thread::available_parallelism().ok(), host(|| thread::available_parallelism().ok()));
    assert_ne!(std::process::id(), 31_337);
}

#[test]
fn host_mode_nests_and_ends() {
    let _simulation = enter(&STILL);
    let exe = host(|| std::env::current_exe().expect("an executable"));
    host(|| {
        let _inner = host_mode();
        assert!(!is_simulated());
        assert!(wall() > WALL);
        fs::metadata(exe.parent().expect("a folder")).expect("host mode sees real files");
    });
    assert!(is_simulated());
    let unwound = catch_unwind(|| host(|| std::panic::resume_unwind(Box::new(()))));
    assert!(unwound.is_err() && is_simulated(), "unwinding leaves host mode too");
    host(|| {
        let inner = enter(&OTHER);
        assert!(is_simulated(), "a simulation inside host mode is one");
        drop(inner);
        assert!(!is_simulated());
    });
    assert_eq!(take_leaks(), []);
}

#[test]
fn other_threads_are_not_in_this_threads_simulation() {
    let _simulation = enter(&STILL);
    let elsewhere = spawn_simulation_thread(STACK_BYTES, || (is_simulated(), wall()));
    let (simulated, time) = elsewhere.expect("a thread").join().expect("no panic");
    assert!(!simulated && time > WALL);
}

#[inline(never)]
fn opens_a_log_for_real(path: &Path) -> (std::io::Error, u32) {
    (fs::File::open(path).expect_err("refused"), line!())
}

#[test]
fn a_leak_names_the_symbol_the_path_and_the_line() {
    let _simulation = enter(&STILL);
    let (error, line) = opens_a_log_for_real(Path::new("/var/lib/raft.log"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(leak_count(), 1);
    let leaks = take_leaks();
    assert_eq!((leaks.len(), leak_count()), (1, 0));
    assert_eq!(leaks[0].symbol, "open64");
    assert_eq!(leaks[0].detail, r#""/var/lib/raft.log", to read"#);
    let site = leaks[0].call_site.as_ref().expect("a call site");
    assert!(site.function.ends_with("opens_a_log_for_real"), "{site}");
    let location = site.location.as_ref().expect("a line");
    assert!(location.ends_with(&format!("tests/seal.rs:{line}")), "{location}");
    assert!(leaks[0].backtrace.contains("a_leak_names_the_symbol"), "{}", leaks[0].backtrace);
    assert_eq!(leaks[0].to_string(), format!(r#"open64("/var/lib/raft.log", to read) called in {site}"#));
}

#[test]
fn every_way_out_is_refused_by_name() {
    type Attempt = (&'static str, fn() -> std::io::Result<()>);
    let attempts: &[Attempt] = &[
        ("pthread_create", || thread::Builder::new().spawn(|| ()).map(drop)),
        ("bind", || TcpListener::bind("127.0.0.1:0").map(drop)),
        ("connect", || TcpStream::connect("127.0.0.1:9").map(drop)),
        ("socket", || UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("getaddrinfo", || "stormglass.invalid:1".to_socket_addrs().map(drop)),
        ("open64", || fs::write("/tmp/stormglass-must-not-exist", "x")),
        ("mkdir", || fs::create_dir("/tmp/stormglass-must-not-exist")),
        ("statx", || fs::metadata("/tmp").map(drop)),
        ("opendir", || fs::read_dir("/tmp").map(drop)),
        ("rename", || fs::rename("/tmp/stormglass-1", "/tmp/stormglass-2")),
        ("realpath", || fs::canonicalize("/tmp").map(drop)),
        ("chdir", || std::env::set_current_dir("/tmp")),
        ("pipe2", || std::io::pipe().map(drop)),
        // SAFETY: numbers.
        ("epoll_create1", || errno(unsafe { libc::epoll_create1(0) }.into())),
        // SAFETY: numbers.
        ("timerfd_create", || errno(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) }.into())),
        // SAFETY: numbers.
        ("eventfd", || errno(unsafe { libc::eventfd(0, 0) }.into())),
        // SAFETY: nothing; refused, so there is no child.
        ("fork", || errno(unsafe { libc::fork() }.into())),
        // SAFETY: numbers; signal zero only asks.
        ("kill", || errno(unsafe { libc::kill(libc::getpid(), 0) }.into())),
        // SAFETY: no descriptors.
        ("poll", || errno(unsafe { libc::poll(std::ptr::null_mut(), 0, 0) }.into())),
        ("clock_gettime", || {
            let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: a pointer to a local.
            errno(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) }.into())
        }),
        // SAFETY: numbers, and null where it is refused before it is read.
        ("syscall", || errno(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) })),
        // SAFETY: a C string and numbers.
        ("openat", || errno(unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, c"/tmp".as_ptr(), 0, 0) })),
    ];
    let _simulation = enter(&STILL);
    for (symbol, attempt) in attempts {
        let outcome = attempt();
        let leaks = take_leaks();
        assert!(outcome.is_err(), "{symbol} went through");
        assert_eq!(leaks.first().map(|leak| leak.symbol), Some(*symbol), "{leaks:?}");
        let site = leaks[0].call_site.as_ref().expect("a call site");
        // The closures above are inlined here or there: the file is what they have in common.
        let location = site.location.as_ref().expect("a line");
        assert!(location.contains("tests/seal.rs:"), "{symbol} blamed {site}");
    }
    let command = std::process::Command::new("/bin/true").spawn();
    assert!(command.is_err() && leak_count() > 0);
    host(|| assert!(!Path::new("/tmp/stormglass-must-not-exist").exists()));
}

fn errno(answer: i64) -> std::io::Result<()> {
    if answer == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

#[test]
fn the_same_calls_are_real_outside() {
    TcpListener::bind("127.0.0.1:0").expect("a socket");
    thread::Builder::new().spawn(|| ()).expect("a thread").join().expect("no panic");
    let exe = std::env::current_exe().expect("an executable");
    assert!(fs::metadata(&exe).expect("metadata").len() > 0);
    assert!(fs::read_dir(exe.parent().expect("a folder")).expect("a folder").count() > 0);
    // SAFETY: all zeros is a stat.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a C string and a pointer to a local.
    assert_eq!(unsafe { libc::stat(c"/proc/self/exe".as_ptr(), &raw mut found) }, 0);
    assert_eq!(u64::try_from(found.st_size), fs::metadata(&exe).map(|m| m.len()).map_err(|_| unreachable!()));
    assert!(std::process::Command::new("true").status().expect("a process").success());
    assert_eq!(leak_count(), 0);
}

#[test]
fn what_a_node_does_not_have_is_absent_and_no_leak() {
    let _simulation = enter(&STILL);
    for path in ["/etc/localtime", "/proc/self/cgroup", "/sys/fs/cgroup/cpu.max", "/usr/share/zoneinfo/Europe/Vienna"] {
        assert_eq!(fs::read(path).map_err(|error| error.kind()).err(), Some(ErrorKind::NotFound), "{path}");
    }
    assert_eq!(leak_count(), 0);
    assert!(fs::write("/etc/localtime", "").is_err(), "but it cannot be made");
    assert_eq!(take_leaks()[0].symbol, "open64");
}

#[test]
fn many_leaks_are_counted_and_the_first_are_kept() {
    let _simulation = enter(&STILL);
    for attempt in 0..100 {
        assert!(fs::File::open(format!("/nowhere/{attempt}")).is_err());
    }
    assert_eq!(leak_count(), 100);
    let leaks = take_leaks();
    assert_eq!(leaks.len(), LEAKS_KEPT);
    assert!(leaks[LEAKS_KEPT - 1].detail.contains("/nowhere/15"));
}

#[test]
fn leaks_do_not_reach_the_next_simulation() {
    let first = enter(&STILL);
    assert!(fs::File::open("/nowhere").is_err());
    drop(first);
    assert_eq!(leak_count(), 1, "they can be taken after the simulation");
    let _second = enter(&STILL);
    assert_eq!((leak_count(), take_leaks().len()), (0, 0));
}

#[test]
fn a_sleep_is_the_worlds_to_judge() {
    thread_local! { static ASKED: Cell<u64> = const { Cell::new(0) }; }
    struct Judge;
    impl Hooks for Judge {
        fn monotonic_ns(&self) -> Option<u64> {
            Some(5_000)
        }
        fn wall_ns(&self) -> Option<u64> {
            None
        }
        fn fill_random(&self, _buf: &mut [u8]) -> bool {
            false
        }
        fn hostname(&self, _buf: &mut [u8]) -> Option<usize> {
            None
        }
        fn cpus(&self) -> Option<usize> {
            None
        }
        fn blocking_sleep(&self, ns: u64) -> Sleep {
            ASKED.set(ns);
            if ns > 1_000_000_000 { Sleep::Refused } else { Sleep::Slept }
        }
    }
    let _simulation = enter(&Judge);
    thread::sleep(Duration::from_millis(3));
    assert_eq!((ASKED.get(), leak_count()), (3_000_000, 0));
    let until = libc::timespec { tv_sec: 0, tv_nsec: 7_000 };
    // SAFETY: a pointer to a local; the other may be null.
    let answer = unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const until, std::ptr::null_mut())
    };
    assert_eq!((answer, ASKED.get()), (0, 2_000), "an absolute sleep is measured on the node's clock");
    thread::sleep(Duration::from_secs(3_600));
    let leaks = take_leaks();
    assert!(leaks[0].symbol.ends_with("nanosleep"), "{leaks:?}");
    assert_eq!(leaks[0].detail, "3600000000000 ns");
}

#[test]
fn futex_calls_are_offered_to_the_world() {
    let _simulation = enter(&STILL);
    let word = 5_u32;
    let futex = |operation: i32, value: u32, time: Option<libc::timespec>, bits: u32| {
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the arguments of the system call, with pointers to locals.
        let answer = unsafe {
            libc::syscall(libc::SYS_futex, &raw const word, operation, value, time, std::ptr::null::<u32>(), bits)
        };
        (answer, if answer < 0 { std::io::Error::last_os_error().raw_os_error() } else { None })
    };
    let time = |tv_sec, tv_nsec| Some(libc::timespec { tv_sec, tv_nsec });
    assert_eq!(futex(libc::FUTEX_WAIT, 1, None, 0), (-1, Some(libc::EAGAIN)), "it has another value");
    assert_eq!(futex(libc::FUTEX_WAIT, 5, time(0, 999), 0), (0, None), "woken");
    let private = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    assert_eq!(futex(private, 5, time(1, 0), 0), (-1, Some(libc::ETIMEDOUT)));
    // An instant of the node's clocks, which stand at 77 s and at WALL.
    let until = libc::FUTEX_WAIT_BITSET;
    assert_eq!(futex(until, 5, time(77, 999), 1), (0, None));
    assert_eq!(futex(until, 5, time(77, 1_001), 1), (-1, Some(libc::ETIMEDOUT)));
    assert_eq!(futex(until | libc::FUTEX_CLOCK_REALTIME, 5, time(77, 1_001), 1), (0, None), "long past");
    assert_eq!(futex(libc::FUTEX_WAKE_BITSET, 8, None, 4), (3, None), "and nobody of the machine waits");
    assert_eq!(futex(libc::FUTEX_WAKE, 8, None, 0), (0, None));
}
