//! What a process was started for: the environment through which `cargo stormglass test` asks for one seed.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// The seed to run, in decimal. Where it is set, a `#[tokio::test]` or `#[tokio::main]` runs in a simulation.
pub const SEED_VARIABLE: &str = "STORMGLASS_PROGRAM_SEED";

/// The file that is told how the program ended; it need not exist.
pub const ENDED_VARIABLE: &str = "STORMGLASS_PROGRAM_ENDED";

/// The most virtual time that the program may take, in nanoseconds.
pub const TIME_VARIABLE: &str = "STORMGLASS_PROGRAM_TIME";

/// Set while tests are listed: a program that is no test harness says that it is one program, and ends.
pub const LISTING_VARIABLE: &str = "STORMGLASS_PROGRAM_LISTING";

/// What a program takes at most when nothing was said: an hour.
const TIME: Duration = Duration::from_secs(3_600);

/// One run of one program, as the environment of its process asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The seed.
    pub seed: u64,
    /// Where to write how it ended.
    pub ended: Option<PathBuf>,
    /// The most virtual time that it may take.
    pub time: Duration,
    /// Whether the program is only to say that it is there.
    pub listing: bool,
}

impl Asked {
    /// What this process was asked; `None` where it was asked nothing and is to run as always.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let seed = number(SEED_VARIABLE)?;
        let time = number(TIME_VARIABLE).map_or(TIME, Duration::from_nanos);
        let ended = env::var_os(ENDED_VARIABLE).map(PathBuf::from);
        Some(Self { seed, ended, time, listing: env::var_os(LISTING_VARIABLE).is_some() })
    }
}
