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

/// One unsynced change of a file and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resolved {
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) outcome: Outcome,
    /// Its file's length when it was made, if that is what was lost.
    pub(crate) size: u64,
}

/// What every change of one file is resolved with.
struct Rules<'a> {
    crash: &'a Crash<'a>,
    site: Site,
    /// With a journal: operations below this number are on the device.
    committed: Option<u64>,
    /// With ext4's rules: growths of changes before this place in the list were made, and no others.
    grown: usize,
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
    /// A change of length was lost: with a log in order, so is all growth after it.
    behind: bool,
}

impl Replay {
    fn sector(&mut self, content: &Content, number: u64) -> &mut OnDevice {
        let take = || OnDevice { data: content.sector(number), kept: None, torn: None };
        self.sectors.entry(number).or_insert_with(take)
    }
}

impl FileData {
    /// Resolves every unsynced change. `resolved` hears of each.
    pub(crate) fn resolve(
        &mut self,
        crash: &Crash<'_>,
        site: Site,
        committed: Option<u64>,
        report: &mut LossReport,
        mut resolved: impl FnMut(Resolved),
    ) {
        self.reserved = 0;
        if self.pending.is_empty() {
            return;
        }
        let mut changes: Vec<Change> = std::mem::take(&mut self.pending).into();
        let data = self.undo_all(&mut changes);
        let mut device = Replay { sectors: BTreeMap::new(), size: self.size, behind: false };
        let mut rules = Rules { crash, site, committed, grown: 0 };
        rules.grown = rules.growths(&changes);
        let mut kept_resizes = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            let kept = match change.what {
                What::Resize(_) => self.replay_resize(&mut device, rules.keeps(change), change),
                What::Zeros(_) => self.replay_zeros(&mut device, rules.keeps(change), change),
                What::Write => self.replay_write(&mut device, &rules, index, change, &data[index]),
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
            let outcome = match (change.what, kept_resizes[index]) {
                (What::Write, grown) => device.outcome(index, change, grown, report),
                (_, true) => Outcome::ResizeKept,
                (_, false) => Outcome::ResizeLost,
            };
            report.add(outcome, change.promised);
            let &Change { number, offset, len, new_size: size, .. } = change;
            resolved(Resolved { number, offset, len, outcome, size });
        }
        report.sectors_torn += device.sectors.values().filter(|s| s.torn_last().is_some()).count() as u64;
    }

    /// Goes back to what the last sync left, and gives the bytes of each write.
    fn undo_all(&mut self, changes: &mut [Change]) -> Vec<Vec<u8>> {
        let mut data: Vec<Vec<u8>> = Vec::with_capacity(changes.len());
        for change in changes.iter_mut().rev() {
            let mut bytes = Vec::new();
            if change.what == What::Write {
                self.content.read_into(change.offset, change.len as usize, &mut bytes);
            }
            data.push(bytes);
            self.undo(change);
        }
        data.reverse();
        data
    }

    /// Says whether the growth, if it is one, was kept whole.
    fn replay_write(
        &mut self,
        device: &mut Replay,
        rules: &Rules<'_>,
        index: usize,
        change: &Change,
        data: &[u8],
    ) -> bool {
        let &Rules { crash, site, .. } = rules;
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
        // Blocks that the file did not have before are written before it has them.
        let first_new = change.old_size.next_multiple_of(BLOCK_BYTES);
        let grows = rules.grows(index, change);
        let arrived = if keep == Keep::Cut { start + crash.cut(site, change.number, change.len) } else { end };
        let mut whole = true;
        for (i, number) in sectors.enumerate() {
            let first = number * SECTOR_BYTES;
            let (from, to) = (start.max(first), end.min(first + SECTOR_BYTES));
            let fragment = match keep {
                _ if grows == Some(true) && change.fate == Fate::Pending && first >= first_new => Fragment::Kept,
                Keep::Lost => Fragment::Lost,
                Keep::Kept => Fragment::Kept,
                Keep::Cut if arrived >= to => Fragment::Kept,
                Keep::Cut if arrived <= from || crash.model() != CrashModel::Strict => Fragment::Lost,
                Keep::Cut => Fragment::Torn((arrived - first) as usize),
                Keep::BySector => {
                    crash.fragment(site, change.number, i as u64, (from - first) as usize, (to - first) as usize)
                }
            };
            let on_device = device.sector(&self.content, number);
            match fragment {
                Fragment::Lost => whole = false,
                Fragment::Kept => {
                    on_device.data = self.content.sector(number);
                    on_device.kept = Some(index);
                }
                Fragment::Torn(at) => {
                    whole = false;
                    on_device.data[..at].copy_from_slice(&self.content.sector(number)[..at]);
                    on_device.torn = Some((index, at));
                }
            }
        }
        if change.fate == Fate::Durable {
            // A sync makes the length durable that its bytes need, also where the write that had grown the file failed to arrive.
            device.size = device.size.max(end);
        }
        if change.new_size == change.old_size {
            return true;
        }
        let growth = match (change.fate, crash.model()) {
            (Fate::Durable, _) => Growth::Kept,
            (Fate::Doomed, _) => Growth::Lost,
            (Fate::Pending, CrashModel::Strict) => {
                crash.growth(site, change.number, change.old_size, change.new_size, SECTOR_BYTES)
            }
            (Fate::Pending, CrashModel::Ext4Ordered) if grows == Some(true) => Growth::Kept,
            (Fate::Pending, CrashModel::Xfs) if whole && !device.behind => Growth::Kept,
            (Fate::Pending, _) => Growth::Lost,
        };
        match growth {
            Growth::Lost => {}
            Growth::Kept => device.size = change.new_size,
            Growth::Short(size) => device.size = size,
        }
        growth == Growth::Kept
    }

    fn replay_zeros(&mut self, device: &mut Replay, kept: bool, change: &Change) -> bool {
        let (from, to) = (change.offset, change.offset + change.len);
        for number in self.content.sectors_within(from, change.len) {
            device.sector(&self.content, number);
        }
        self.content.zero(from, change.len);
        if kept {
            device.zero(from, to);
        }
        kept
    }

    fn replay_resize(&mut self, device: &mut Replay, kept: bool, change: &Change) -> bool {
        if change.new_size < change.old_size {
            // What is cut off the page cache stays on the device until the device hears of it.
            for number in self.content.sectors_from(change.new_size) {
                device.sector(&self.content, number);
            }
            drop(self.content.cut(change.new_size));
        }
        device.behind |= !kept;
        if kept {
            device.cut(change.new_size);
        }
        kept
    }
}

impl Rules<'_> {
    /// Whether a change of length, or of a range to zeros, is on the device.
    fn keeps(&self, change: &Change) -> bool {
        match (change.fate, change.what, self.committed) {
            (Fate::Durable, ..) => true,
            (Fate::Doomed, ..) => false,
            (Fate::Pending, What::Resize(number) | What::Zeros(number), Some(committed)) => number < committed,
            (Fate::Pending, ..) => self.crash.resize(self.site, change.number),
        }
    }

    /// With ext4's rules: how many of the changes had grown the file. All before a length that is on the device had,
    /// and none after one that is not.
    fn growths(&self, changes: &[Change]) -> usize {
        let Some(first) = changes.first().filter(|_| self.crash.model() == CrashModel::Ext4Ordered) else { return 0 };
        let sized = |c: &&Change| c.old_size != c.new_size;
        let is_resize = |c: &Change| matches!(c.what, What::Resize(_));
        let made = |c: &Change| if is_resize(c) { self.keeps(c) } else { c.fate == Fate::Durable };
        let low = changes.iter().rposition(|c| sized(&c) && made(c)).map_or(0, |at| at + 1);
        let high = changes.iter().position(|c| sized(&c) && is_resize(c) && !made(c)).unwrap_or(changes.len());
        low + self.crash.growths(self.site, first.number, high.saturating_sub(low) as u64) as usize
    }

    /// Whether a write's growth was made, where that is decided apart from its data.
    fn grows(&self, index: usize, change: &Change) -> Option<bool> {
        let ordered = self.crash.model() == CrashModel::Ext4Ordered && change.new_size != change.old_size;
        ordered.then_some(index < self.grown)
    }
}

impl Replay {
    fn zero(&mut self, from: u64, to: u64) {
        for (number, sector) in self.sectors.range_mut(from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES)) {
            let first = number * SECTOR_BYTES;
            let within = from.max(first) - first..to.min(first + SECTOR_BYTES) - first;
            sector.data[within.start as usize..within.end as usize].fill(0);
        }
    }

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
