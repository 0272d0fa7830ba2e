//! A relay's thread, made as new for each leg: what is dropped, what is found, and when a new thread is needed after all. How
//! many threads the process has is part of that, so the cases run one after the other on its only one.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[path = "cases/renewed.rs"]
mod renewed;

fn main() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use libtest_mimic::{Arguments, Trial};

        let mut arguments = Arguments::from_args();
        arguments.test_threads = Some(1);
        let trials = renewed::ALL.iter().map(|(name, case)| {
            Trial::test(*name, move || std::panic::catch_unwind(case).map_err(|_| "it panicked".into()))
        });
        libtest_mimic::run(&arguments, trials.collect()).exit();
    }
}
