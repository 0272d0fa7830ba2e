//! What a device is like: its sector, its latencies, its limits.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bytes of a device sector: what a device writes whole or tears. 512 is the smallest that ATA and NVMe devices offer, and
/// so the least that a program may rely on.
pub const SECTOR_BYTES: u64 = 512;

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
        }
    }
}
