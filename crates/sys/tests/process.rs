//! The fork server's promises, each tried on real processes. It forks, so it has one thread and its own `main`: the
//! cases run one after the other on it, as a worker's would.

#[cfg(target_os = "linux")]
mod cases;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    // First of all, as a worker does; the cases below ask whether it worked.
    let aslr = stormglass_sys::process::reexec_without_aslr();
    cases::remember(aslr);

    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = cases::ALL.iter().map(|(name, case)| {
        Trial::test(*name, move || {
            // A failed assertion is this case's failure; the harness has no thread that could catch it.
            std::panic::catch_unwind(case).map_err(|_| "it panicked".into())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    let refused = stormglass_sys::process::fork_case(&Default::default(), |_| ());
    assert!(matches!(refused, Err(stormglass_sys::process::ForkError::Unsupported)));
}
