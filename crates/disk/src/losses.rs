//! What power losses did to a node's unsynced data: the figures that show whether a crash hit anything.

/// Counts over all power losses of one node. A write that a later kept write to the same sectors carried to the device
/// counts as kept: what matters is what is there afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct LossReport {
    /// Power losses of a running machine.
    pub power_losses: u64,
    /// Unsynced writes of which every byte was there afterwards.
    pub writes_kept: u64,
    /// Unsynced writes of which nothing was there afterwards.
    pub writes_lost: u64,
    /// Unsynced writes that were there in part.
    pub writes_torn: u64,
    /// Sectors that held a new beginning and an old end.
    pub sectors_torn: u64,
    /// Writes whose file had grown afterwards, but with zeros or old bytes in place of their data.
    pub grown_not_written: u64,
    /// Writes whose data reached the device, but beyond the file's size, where nobody can see it.
    pub written_not_grown: u64,
    /// Unsynced changes of a file's length that were kept.
    pub resizes_kept: u64,
    /// Unsynced changes of a file's length (`set_len`, `O_TRUNC`) that were undone.
    pub resizes_lost: u64,
    /// Unsynced new names that were there afterwards.
    pub entries_kept: u64,
    /// Unsynced new names (of files, directories, hard links) that were gone.
    pub entries_lost: u64,
    /// Unsynced renames that were kept.
    pub renames_kept: u64,
    /// Unsynced renames that were undone.
    pub renames_lost: u64,
    /// Unsynced removals that were kept.
    pub removals_kept: u64,
    /// Unsynced removals that were undone: the name was back.
    pub removals_lost: u64,
    /// Writes, resizes, entries, renames and removals lost or torn after a sync that had returned success for them: a lying
    /// fsync's doing.
    pub broken_promises: u64,
}

impl LossReport {
    /// Every figure with its name, in a fixed order.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, u64); 16] {
        [
            ("power_losses", self.power_losses),
            ("writes_kept", self.writes_kept),
            ("writes_lost", self.writes_lost),
            ("writes_torn", self.writes_torn),
            ("sectors_torn", self.sectors_torn),
            ("grown_not_written", self.grown_not_written),
            ("written_not_grown", self.written_not_grown),
            ("resizes_kept", self.resizes_kept),
            ("resizes_lost", self.resizes_lost),
            ("entries_kept", self.entries_kept),
            ("entries_lost", self.entries_lost),
            ("renames_kept", self.renames_kept),
            ("renames_lost", self.renames_lost),
            ("removals_kept", self.removals_kept),
            ("removals_lost", self.removals_lost),
            ("broken_promises", self.broken_promises),
        ]
    }

    /// Whether any unsynced change was lost or torn: whether a power loss hit anything at all.
    #[must_use]
    pub fn hit(&self) -> bool {
        let lost = [self.writes_lost, self.writes_torn, self.resizes_lost, self.entries_lost, self.renames_lost];
        self.removals_lost > 0 || lost.iter().any(|&n| n > 0)
    }
}
