//! What a power loss leaves of one file: each unsynced change is kept, lost or torn, and what results is durable.
//!
//! A sector reaches the device as the page cache showed it after some write, never as a patchwork of single writes: what
//! is kept of a write brings along the earlier bytes of the same sector. Sizes are such snapshots too. No order holds
//! between unsynced changes.

use std::collections::BTreeMap;

use super::*;

/// How a power loss resolved one unsynced write: for the report and the trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Lost,
    Kept,
    Torn,
    ResizeLost,
    ResizeKept,
}

#[derive(Debug)]
struct OnDevice {
    data: Sector,
    /// The last change whose sector was kept, as its place in the list; and the last one torn.
    kept: Option<usize>,
    torn: Option<(usize, usize)>,
}

/// The device's side of a file while its changes are replayed.
struct Replay {
    sectors: BTreeMap<u64, OnDevice>,
    size: u64,
}

impl Replay {
    fn sector(&mut self, content: &Content, number: u64) -> &mut OnDevice {
        let take = || OnDevice { data: content.sector(number), kept: None, torn: None };
        self.sectors.entry(number).or_insert_with(take)
    }
}

impl FileData {
    /// Resolves every unsynced change. `resolved` hears of each, with its number.
    pub(crate) fn resolve(
        &mut self,
        crash: &Crash<'_>,
        site: Site,
        report: &mut LossReport,
        mut resolved: impl FnMut(u64, Outcome),
    ) {
        if self.pending.is_empty() {
            return;
        }
        let mut changes: Vec<Change> = std::mem::take(&mut self.pending).into();
        let data = self.undo_all(&mut changes);
        let mut device = Replay { sectors: BTreeMap::new(), size: self.size };
        let mut kept_resizes = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            let kept = match change.len {
                0 => self.replay_resize(&mut device, crash, site, change),
                _ => self.replay_write(&mut device, crash, site, index, change, &data[index]),
            };
            kept_resizes.push(kept);
            self.size = change.new_size;
        }
        for (number, sector) in &device.sectors {
            self.content.write(number * SECTOR_BYTES, &sector.data);
        }
        self.size = device.size;
        drop(self.content.cut(self.size));
        for (index, change) in changes.iter().enumerate() {
            if change.fate == Fate::Durable {
                continue;
            }
            let outcome = match (change.len, kept_resizes[index]) {
                (0, true) => Outcome::ResizeKept,
                (0, false) => Outcome::ResizeLost,
                (_, grown) => device.outcome(index, change, grown, report),
            };
            report.add(outcome, change.promised);
            resolved(change.number, outcome);
        }
        report.sectors_torn += device.sectors.values().filter(|s| s.torn_last().is_some()).count() as u64;
    }

    /// Goes back to what the last sync left, and gives the bytes of each write.
    fn undo_all(&mut self, changes: &mut [Change]) -> Vec<Vec<u8>> {
        let mut data: Vec<Vec<u8>> = Vec::with_capacity(changes.len());
        for change in changes.iter_mut().rev() {
            let mut bytes = Vec::new();
            self.content.read_into(change.offset, change.len as usize, &mut bytes);
            data.push(bytes);
            match std::mem::replace(&mut change.undo, Undo::Zeros) {
                Undo::Zeros => self.content.zero(change.offset, change.len),
                Undo::Bytes(old) => {
                    self.content.write(change.offset, &old);
                    self.content.zero(change.offset + old.len() as u64, change.len - old.len() as u64);
                }
                Undo::Cut(cut) => self.content.uncut(cut),
            }
            self.size = change.old_size;
        }
        data.reverse();
        data
    }

    /// Says whether the growth, if it is one, was kept whole.
    fn replay_write(
        &mut self,
        device: &mut Replay,
        crash: &Crash<'_>,
        site: Site,
        index: usize,
        change: &Change,
        data: &[u8],
    ) -> bool {
        let (start, end) = (change.offset, change.offset + change.len);
        let sectors = start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES;
        for number in sectors.clone() {
            device.sector(&self.content, number);
        }
        self.content.write(start, data);
        let keep = match change.fate {
            Fate::Pending => crash.keep(site, change.number),
            Fate::Durable => Keep::Kept,
            Fate::Doomed => Keep::Lost,
        };
        let arrived = if keep == Keep::Cut { start + crash.cut(site, change.number, change.len) } else { end };
        for (i, number) in sectors.enumerate() {
            let first = number * SECTOR_BYTES;
            let (from, to) = (start.max(first), end.min(first + SECTOR_BYTES));
            let fragment = match keep {
                Keep::Lost => Fragment::Lost,
                Keep::Kept => Fragment::Kept,
                Keep::Cut if arrived >= to => Fragment::Kept,
                Keep::Cut if arrived <= from => Fragment::Lost,
                Keep::Cut => Fragment::Torn((arrived - first) as usize),
                Keep::BySector => {
                    crash.fragment(site, change.number, i as u64, (from - first) as usize, (to - first) as usize)
                }
            };
            let on_device = device.sector(&self.content, number);
            match fragment {
                Fragment::Lost => {}
                Fragment::Kept => {
                    on_device.data = self.content.sector(number);
                    on_device.kept = Some(index);
                }
                Fragment::Torn(at) => {
                    on_device.data[..at].copy_from_slice(&self.content.sector(number)[..at]);
                    on_device.torn = Some((index, at));
                }
            }
        }
        if change.new_size == change.old_size {
            return true;
        }
        let growth = match change.fate {
            Fate::Pending => crash.growth(site, change.number, change.old_size, change.new_size, SECTOR_BYTES),
            Fate::Durable => Growth::Kept,
            Fate::Doomed => Growth::Lost,
        };
        match growth {
            Growth::Lost => {}
            Growth::Kept => device.size = change.new_size,
            Growth::Short(size) => device.size = size,
        }
        growth == Growth::Kept
    }

    fn replay_resize(&mut self, device: &mut Replay, crash: &Crash<'_>, site: Site, change: &Change) -> bool {
        let kept = match change.fate {
            Fate::Pending => crash.resize(site, change.number),
            Fate::Durable => true,
            Fate::Doomed => false,
        };
        if change.new_size < change.old_size {
            // What is cut off the page cache stays on the device until the device hears of it.
            for number in self.content.sectors_from(change.new_size) {
                device.sector(&self.content, number);
            }
            drop(self.content.cut(change.new_size));
        }
        if kept {
            device.cut(change.new_size);
        }
        kept
    }
}

impl Replay {
    fn cut(&mut self, size: u64) {
        if size < self.size {
            for (number, sector) in self.sectors.range_mut(size / SECTOR_BYTES..) {
                let within = size.saturating_sub(number * SECTOR_BYTES) as usize;
                sector.data[within..].fill(0);
            }
        }
        self.size = size;
    }

    fn outcome(&self, index: usize, change: &Change, grown: bool, report: &mut LossReport) -> Outcome {
        let (start, end) = (change.offset, change.offset + change.len);
        let sectors = start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES;
        let (mut any, mut all, mut on_device) = (false, true, false);
        for number in sectors {
            let sector = &self.sectors[&number];
            let from = start.max(number * SECTOR_BYTES);
            let torn = sector.torn.is_some_and(|(i, at)| i >= index && number * SECTOR_BYTES + at as u64 > from);
            let kept = sector.kept.is_some_and(|i| i >= index);
            let visible = from < self.size;
            on_device |= kept || torn;
            any |= visible && (kept || torn);
            all &= kept;
        }
        let grew = change.new_size > change.old_size;
        report.grown_not_written += u64::from(grew && grown && self.size >= end && !all);
        report.written_not_grown += u64::from(grew && on_device && self.size <= change.old_size);
        match (all && self.size >= end, any) {
            (true, _) => Outcome::Kept,
            (false, true) => Outcome::Torn,
            (false, false) => Outcome::Lost,
        }
    }
}

impl OnDevice {
    /// Where the sector turns from new to old, unless a later write of it was kept.
    fn torn_last(&self) -> Option<usize> {
        self.torn.filter(|&(index, _)| self.kept.is_none_or(|kept| kept < index)).map(|(_, at)| at)
    }
}

impl LossReport {
    fn add(&mut self, outcome: Outcome, promised: bool) {
        let (counter, broken) = match outcome {
            Outcome::Lost => (&mut self.writes_lost, true),
            Outcome::Kept => (&mut self.writes_kept, false),
            Outcome::Torn => (&mut self.writes_torn, true),
            Outcome::ResizeLost => (&mut self.resizes_lost, true),
            Outcome::ResizeKept => (&mut self.resizes_kept, false),
        };
        *counter += 1;
        self.broken_promises += u64::from(promised && broken);
    }
}
