//! Address randomisation off: addresses order maps, name things in logs and seed hashers, so they are to be the same in
//! every run of a seed.

/// Whether the addresses of this process are the same in every run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Aslr {
    /// Randomisation is off.
    Off,
    /// Randomisation is on and could not be turned off.
    On {
        /// Why, in words: a container's seccomp profile may forbid it, say.
        reason: String,
    },
}

/// Executes this program again, once, with the same arguments and environment but without address randomisation; where
/// it is off already, or cannot be turned off, returns.
///
/// Call it first in `main`, while the process has one thread: whatever was done before is done twice. Some addresses
/// still depend on what the process was given: those on the main thread's stack on its environment, arguments and path,
/// those of mapped memory (a [simulation thread's](crate::seal::spawn_simulation_thread) stack among it) on `ulimit -s`.
pub fn reexec_without_aslr() -> Aslr {
    #[cfg(target_os = "linux")]
    return linux::reexec();
    #[cfg(not(target_os = "linux"))]
    return Aslr::On { reason: "only Linux lets a process turn it off for itself".to_owned() };
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::Aslr;
    use crate::process::launch::thread_count;

    /// Set for the second execution alone, so that there is no third.
    const MARKER: &str = "STORMGLASS_WITHOUT_ASLR";

    /// Answers the present persona and changes nothing.
    const QUERY: libc::c_ulong = 0xffff_ffff;

    pub(super) fn reexec() -> Aslr {
        let tried = env::var_os(MARKER).is_some();
        if tried && thread_count().is_ok_and(|threads| threads == 1) {
            // SAFETY: this is the process's only thread, so nobody reads the environment meanwhile.
            unsafe { env::remove_var(MARKER) };
        }
        // SAFETY: numbers.
        let persona = unsafe { libc::personality(QUERY) };
        let on = |reason: String| Aslr::On { reason };
        let Ok(flags) = libc::c_ulong::try_from(persona) else {
            return on(format!("personality(2) cannot be read: {}", io::Error::last_os_error()));
        };
        let wanted = libc::c_ulong::try_from(libc::ADDR_NO_RANDOMIZE).unwrap_or(0);
        if flags & wanted != 0 {
            return Aslr::Off;
        }
        if tried {
            return on("personality(2) was accepted but did not outlive the execution".to_owned());
        }
        // SAFETY: numbers; the flag takes effect at the next execution.
        if unsafe { libc::personality(flags | wanted) } < 0 {
            return on(format!("personality(2) is refused: {}", io::Error::last_os_error()));
        }
        let mut arguments = env::args_os();
        let mut again = Command::new("/proc/self/exe");
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        let error = again.args(arguments).env(MARKER, "1").exec();
        on(format!("this program cannot be executed again: {error}"))
    }
}
