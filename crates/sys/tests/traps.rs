//! The second layer as simulated code meets it: system calls that libc does not make and readings of the processor's
//! clock are refused and named, and in host mode they are real. Each test arms threads of its own.

#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

use std::arch::asm;
use std::arch::x86_64::{__rdtscp, _rdtsc};
use std::hint::black_box;
use std::time::Instant;

use stormglass_sys::seal::{
    Hooks, Leak, SyscallTrap, Traps, arm_traps, enter, host, leak_count, second_layer, spawn_simulation_thread,
    take_leaks,
};

const BOTH: [SyscallTrap; 2] = [SyscallTrap::UserDispatch, SyscallTrap::Seccomp];
const NOW: u64 = 0x1234_5678_9abc_def0;

struct World;

impl Hooks for World {
    fn monotonic_ns(&self) -> Option<u64> {
        Some(NOW)
    }
    fn wall_ns(&self) -> Option<u64> {
        Some(NOW)
    }
    fn fill_random(&self, buf: &mut [u8]) -> bool {
        buf.fill(1);
        true
    }
    fn hostname(&self, _buf: &mut [u8]) -> Option<usize> {
        None
    }
    fn cpus(&self) -> Option<usize> {
        Some(1)
    }
    fn process_id(&self) -> Option<u32> {
        Some(77)
    }
}

/// A system call as rustix makes it: no libc in between.
#[inline(never)]
fn raw(number: libc::c_long, a: usize, b: usize, c: usize) -> isize {
    let answer;
    // SAFETY: the system call instruction with what it overwrites; the tests pass valid arguments.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => answer, in("rdi") a, in("rsi") b, in("rdx") c,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer
}

/// What `f` leaks on an armed thread inside a simulation.
fn leaks_of<T: Send + 'static>(trap: SyscallTrap, f: impl FnOnce(&Traps) -> T + Send + 'static) -> (T, Vec<Leak>) {
    let thread = spawn_simulation_thread(4 << 20, move || {
        let simulation = enter(&World);
        let traps = arm_traps(Some(trap));
        assert_eq!(traps.layer().system_calls, Ok(trap), "{traps:?}");
        let value = f(&traps);
        let leaks = take_leaks();
        drop(simulation);
        (value, leaks)
    });
    thread.expect("a thread").join().expect("no panic")
}

fn only(leaks: &[Leak]) -> &Leak {
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    &leaks[0]
}

#[test]
fn a_raw_system_call_is_refused_and_named_with_its_line() {
    for trap in BOTH {
        let (answer, leaks) = leaks_of(trap, |_| raw(libc::SYS_getpid, 0, 0, 0));
        let leak = only(&leaks);
        assert_eq!((answer, leak.symbol), (-(libc::EPERM as isize), "getpid"), "{trap}");
        let site = leak.call_site.as_ref().expect("a test has line tables");
        assert!(site.to_string().contains("raw") && site.to_string().contains("traps.rs:"), "{trap}: {leak}");
    }
}

#[test]
fn every_argument_of_a_call_that_passes_arrives() {
    for trap in BOTH {
        let (text, leaks) = leaks_of(trap, |_| {
            host(|| {
                let mut pipe = [0; 2];
                // SAFETY: a pointer to a local.
                assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
                let (read, write) = (pipe[0] as usize, pipe[1] as usize);
                let sent = b"through the trap";
                assert_eq!(raw(libc::SYS_write, write, sent.as_ptr() as usize, sent.len()), sent.len() as isize);
                let mut buf = [0_u8; 64];
                let length = raw(libc::SYS_read, read, buf.as_mut_ptr() as usize, buf.len());
                assert_eq!(raw(libc::SYS_close, 9_999, 0, 0), -(libc::EBADF as isize), "errors are the kernel's own");
                String::from_utf8_lossy(&buf[..length as usize]).into_owned()
            })
        });
        assert_eq!((text.as_str(), leaks.len()), ("through the trap", 0), "{trap}");
    }
}

#[test]
fn libc_itself_and_calls_for_memory_go_their_way() {
    for trap in BOTH {
        let (_, leaks) = leaks_of(trap, |_| {
            let big = black_box(vec![1_u8; 32 << 20]);
            assert_eq!(std::process::id(), 77, "the first layer answers");
            let page = raw(libc::SYS_brk, 0, 0, 0);
            assert!(page > 0);
            drop(big);
        });
        assert!(leaks.is_empty(), "{trap}: {leaks:?}");
    }
}

#[test]
fn a_raw_call_is_real_once_the_guard_is_gone() {
    for trap in BOTH {
        let thread = spawn_simulation_thread(4 << 20, move || {
            drop(arm_traps(Some(trap)));
            raw(libc::SYS_getpid, 0, 0, 0)
        });
        let answer = thread.expect("a thread").join().expect("no panic");
        assert_eq!(answer, std::process::id() as isize, "{trap}");
    }
}

#[test]
fn the_processors_clock_reads_as_the_nodes_and_is_named() {
    let ((counter, with_processor, processor), leaks) = leaks_of(SyscallTrap::UserDispatch, |traps| {
        assert_eq!(traps.layer().processor_clock, Ok(()));
        let mut processor = 7;
        // SAFETY: every x86-64 has the instructions.
        unsafe { (_rdtsc(), __rdtscp(&raw mut processor), processor) }
    });
    assert_eq!((counter, with_processor, processor), (NOW, NOW, 0));
    assert_eq!(leaks.iter().map(|leak| leak.symbol).collect::<Vec<_>>(), ["rdtsc", "rdtscp"]);
    assert!(leaks[0].to_string().contains("traps.rs:"), "{}", leaks[0]);
}

#[test]
fn clocks_run_in_host_mode_and_through_the_first_layer() {
    let (passed, leaks) = leaks_of(SyscallTrap::UserDispatch, |_| {
        assert_eq!(Instant::now(), Instant::now(), "the node's clock stands");
        host(|| {
            let start = Instant::now();
            // SAFETY: every x86-64 has the instruction.
            let (first, second) = unsafe { (_rdtsc(), _rdtsc()) };
            assert!(second > first);
            start.elapsed().as_nanos()
        })
    });
    assert!(passed > 0 && leaks.is_empty(), "{leaks:?}");
}

#[test]
fn a_thread_of_an_armed_one_is_armed_too() {
    let (leaks, own) = leaks_of(SyscallTrap::UserDispatch, |_| {
        let thread = spawn_simulation_thread(1 << 20, || {
            let _simulation = enter(&World);
            raw(libc::SYS_getppid, 0, 0, 0);
            // SAFETY: every x86-64 has the instruction.
            black_box(unsafe { _rdtsc() });
            leak_count()
        });
        host(|| thread.expect("a thread").join().expect("no panic"))
    });
    assert_eq!((leaks, own.len()), (2, 0), "leaks belong to the thread that made them");
}

#[test]
fn a_host_thread_of_an_armed_one_reads_its_clock() {
    let (passed, leaks) = leaks_of(SyscallTrap::UserDispatch, |_| {
        host(|| {
            let thread = std::thread::spawn(|| {
                let start = Instant::now();
                (0..3).map(|_| start.elapsed()).collect::<Vec<_>>()
            });
            thread.join().expect("no panic")
        })
    });
    assert!(passed.is_sorted() && leaks.is_empty(), "{passed:?} {leaks:?}");
}

#[test]
fn this_machine_says_what_it_can_trap() {
    let layer = second_layer();
    assert!(layer.gaps().is_empty(), "{layer:?}");
    let (again, _) = leaks_of(SyscallTrap::UserDispatch, |_| arm_traps(None).layer().gaps());
    assert_eq!(again.len(), 2, "a thread is armed once: {again:?}");
}
