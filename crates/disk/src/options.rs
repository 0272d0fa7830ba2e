//! What a device is like: its sector, its latencies, its limits.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bytes of a device sector: what a device writes whole or tears. 512 is the smallest that ATA and NVMe devices offer, and
/// so the least that a program may rely on.
pub const SECTOR_BYTES: u64 = 512;

/// What a power loss may leave of unsynced changes: which file system a disk has.
///
/// All three agree on what a sync promises, but for what *else* it makes durable. In all of them data that was overwritten in
/// place is kept or lost by itself, sector by sector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum CrashModel {
    /// The worst that POSIX allows, with atomic renames (POSIX.1-2024: fsync, rename; fsync(2)). Nothing is ordered: each
    /// write is kept, lost or torn at any byte, each growth and each operation on names is kept or undone, each by itself. An
    /// fsync of a file does not cover its name.
    #[default]
    Strict,
    /// ext4 mounted with `data=ordered` and `auto_da_alloc`, its defaults (ext4(5); the kernel's
    /// Documentation/filesystems/ext4 and jbd2). Operations on names and lengths are journaled in order, and a flush of the
    /// journal by any fsync covers all before it; fdatasync flushes it only where the file's length has changed. A file
    /// never grows over blocks that were not written first; within its last block, which it had already, it may. A rename
    /// over another file takes the renamed file's data along. Sectors are whole.
    Ext4Ordered,
    /// XFS (xfs(5); the kernel's Documentation/filesystems/xfs and `xfs_file_fsync`). Operations on names and lengths are
    /// logged in order; an fsync flushes the log up to the last one that concerns the file, and so all before that. A
    /// file grows to the end of each write when that write's data has arrived, so that an earlier write, still missing, is a
    /// hole that reads as zeros. A rename takes no data along. Sectors are whole.
    Xfs,
}

impl CrashModel {
    /// Whether changes of names and lengths reach the device in order.
    pub(crate) fn is_journaled(self) -> bool {
        self != Self::Strict
    }
}

/// How the disks of a simulation behave. The same for every node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskOptions {
    /// A read that the page cache answers, one way from issue to completion.
    pub read_latency: RangeInclusive<Duration>,
    /// A write into the page cache.
    pub write_latency: RangeInclusive<Duration>,
    /// An operation on names: open, metadata, rename, unlink, …
    pub name_latency: RangeInclusive<Duration>,
    /// An fsync or fdatasync, before the time that its data takes.
    pub sync_latency: RangeInclusive<Duration>,
    /// How fast the page cache copies, in bytes per microsecond; 0 is infinitely fast.
    pub cache_bytes_per_us: u64,
    /// How fast the device takes synced data, in bytes per microsecond; 0 is infinitely fast.
    pub device_bytes_per_us: u64,
    /// File handles that one node may have open at once; the next open fails with `EMFILE`.
    pub handles_max: usize,
    /// The largest file, in bytes; beyond it `EFBIG`. ext4 with 4 KiB blocks: 16 TiB.
    pub file_bytes_max: u64,
    /// Unsynced writes that one file may have. One more makes the oldest durable, as Linux writes back at its dirty limit,
    /// so that memory stays bounded.
    pub pending_writes_max: usize,
    /// Unsynced operations on names that one node may have; as for writes.
    pub pending_names_max: usize,
    /// What a power loss may leave: the file system. Taken when a node's disk is first used.
    pub crash_model: CrashModel,
    /// Room for files' bytes, in whole pages of 4 KiB; beyond it `ENOSPC`. `None` for as much as is asked for.
    pub capacity_bytes: Option<u64>,
    /// Operations on the device itself (syncs, direct reads and writes) that it does in a second; each waits for those
    /// before it. `None` for a device on which they do not wait for each other.
    pub device_operations_per_s: Option<u32>,
}

impl Default for DiskOptions {
    fn default() -> Self {
        let us = Duration::from_micros;
        Self {
            read_latency: us(1)..=us(2),
            write_latency: us(2)..=us(5),
            name_latency: us(2)..=us(10),
            sync_latency: us(100)..=us(1_000),
            cache_bytes_per_us: 8_000,
            device_bytes_per_us: 2_000,
            handles_max: 1_024,
            file_bytes_max: 16 << 40,
            pending_writes_max: 16_384,
            pending_names_max: 16_384,
            crash_model: CrashModel::Strict,
            capacity_bytes: None,
            device_operations_per_s: None,
        }
    }
}
