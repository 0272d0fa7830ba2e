//! The exit codes, in one place. They are a promise to scripts and CI: a code never changes its meaning.

use std::process;

/// How a command ended. The numbers are stable.
///
/// Where several apply, the one that is hardest to act on without knowing it wins; [`Exit::worst`] holds the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Every declared seed ran and passed.
    Passed = 0,
    /// The command line, a name or a value on it was wrong.
    Usage = 2,
    /// Nothing was selected: no scenario or no seed matched.
    NothingSelected = 4,
    /// A bug in Stormglass itself.
    Bug = 70,
    /// The scenarios could not be built or started, or the sealing of the process failed its self-test.
    Setup = 96,
    /// At least one seed failed.
    SeedFailed = 100,
    /// The same seed ran twice and took two different paths.
    Nondeterminism = 103,
    /// Seeds are missing from the ledger, or ended Unknown because a budget ran out.
    Incomplete = 106,
    /// A ledger, seeds file or other input is damaged, or belongs to another version or binary.
    CorruptFile = 107,
    /// Results could not be written, for instance to a full disk.
    WriteFailed = 110,
    /// Stopped by Ctrl-C or SIGTERM. What was done is kept and can be resumed.
    Interrupted = 130,
}

impl Exit {
    /// All codes, in the order of their numbers: what documentation and completions list.
    pub const ALL: [Exit; 11] = [
        Exit::Passed,
        Exit::Usage,
        Exit::NothingSelected,
        Exit::Bug,
        Exit::Setup,
        Exit::SeedFailed,
        Exit::Nondeterminism,
        Exit::Incomplete,
        Exit::CorruptFile,
        Exit::WriteFailed,
        Exit::Interrupted,
    ];

    /// The number the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One line of meaning, as `--help` shows it.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Passed => "all declared seeds ran and passed",
            Exit::Usage => "usage error",
            Exit::NothingSelected => "nothing selected",
            Exit::Bug => "bug in Stormglass",
            Exit::Setup => "the scenarios could not be built or started",
            Exit::SeedFailed => "a seed failed",
            Exit::Nondeterminism => "the same seed took two paths",
            Exit::Incomplete => "incomplete: seeds are missing or Unknown",
            Exit::CorruptFile => "a file is damaged or of another version",
            Exit::WriteFailed => "results could not be written",
            Exit::Interrupted => "interrupted",
        }
    }

    /// The code that matters more when two apply.
    ///
    /// Trouble with the evidence itself (unwritten, damaged, interrupted) outranks what the evidence says, and a
    /// nondeterministic seed outranks a failed one, since it puts every other verdict in doubt.
    pub fn worst(self, other: Exit) -> Exit {
        let rank = |exit: Exit| match exit {
            Exit::Passed => 0,
            Exit::NothingSelected => 1,
            Exit::Incomplete => 2,
            Exit::SeedFailed => 3,
            Exit::Nondeterminism => 4,
            Exit::Interrupted => 5,
            Exit::Usage => 6,
            Exit::Setup => 7,
            Exit::CorruptFile => 8,
            Exit::WriteFailed => 9,
            Exit::Bug => 10,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for process::ExitCode {
    fn from(exit: Exit) -> Self {
        process::ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_documented_ones() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(numbers, [0, 2, 4, 70, 96, 100, 103, 106, 107, 110, 130]);
    }

    #[test]
    fn the_worst_of_two_does_not_depend_on_their_order() {
        for a in Exit::ALL {
            for b in Exit::ALL {
                assert_eq!(a.worst(b), b.worst(a));
            }
            assert_eq!(a.worst(Exit::Passed), a);
        }
    }
}
