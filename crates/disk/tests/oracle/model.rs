//! The model: what the rules allow of files and names, without sectors and journals.

use std::collections::BTreeMap;

use stormglass_disk::*;

/// A file, by the nanosecond of its creation.
pub(crate) type FileId = u64;
pub(crate) type Place = (usize, usize);

pub(crate) const DIRS: [&str; 3] = ["/", "/d/", "/e/"];
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];

/// Every kind of loss, as [`Model::observed`] names them.
pub(crate) const KINDS: [&str; 12] = [
    "data kept",
    "data lost",
    "data in part",
    "grown, not written",
    "grown short",
    "written, not grown",
    "name kept",
    "name lost",
    "removal kept",
    "removal undone",
    "replacement kept",
    "replacement undone",
];

pub(crate) fn path((dir, name): Place) -> String {
    format!("{}{}", DIRS[dir], NAMES[name])
}

pub(crate) fn every_place() -> impl Iterator<Item = Place> {
    (0..DIRS.len()).flat_map(|dir| (0..NAMES.len()).map(move |name| (dir, name)))
}

#[derive(Default, Debug)]
pub(crate) struct FileModel {
    /// Contents since the last sync: the synced one first.
    pub(crate) versions: Vec<Vec<u8>>,
    /// A sync of a directory has covered its name.
    pub(crate) durable: bool,
    /// It was unlinked or replaced.
    pub(crate) condemned: bool,
    /// The last step that named it or cut it.
    pub(crate) logged: u64,
}

#[derive(Default, Debug)]
pub(crate) struct Model {
    pub(crate) files: BTreeMap<FileId, FileModel>,
    /// What a name stood for since its directory's last sync, in order, with the number of the step.
    pub(crate) names: BTreeMap<Place, Vec<(u64, Option<FileId>)>>,
    /// Renames that no sync has covered: step, from, to.
    pub(crate) renames: Vec<(u64, Place, Place)>,
    pub(crate) step: u64,
    /// Where a file is being created whose identity is not known yet.
    pub(crate) creating: Option<Place>,
    pub(crate) found: BTreeMap<Place, (FileId, Vec<u8>)>,
    pub(crate) file_system: CrashModel,
    /// With a journal: the step up to which it was flushed, and the last step that changed each directory.
    pub(crate) flushed: u64,
    pub(crate) changed: [u64; DIRS.len()],
    /// What was done to names, for the message of a failure.
    pub(crate) log: Vec<String>,
    pub(crate) done: bool,
}

impl Model {
    pub(crate) fn now(&self, place: Place) -> Option<FileId> {
        self.names.get(&place).and_then(|h| h.last()).and_then(|(_, file)| *file)
    }

    pub(crate) fn name(&mut self, place: Place, file: Option<FileId>) {
        let step = self.step;
        self.log.push(format!("{step}: {} is {file:?}", path(place)));
        self.names.entry(place).or_insert_with(|| vec![(0, None)]).push((step, file));
        self.changed[place.0] = step;
        if let Some(file) = file.and_then(|f| self.files.get_mut(&f)) {
            file.logged = step;
        }
    }

    /// What a place was after `step`.
    pub(crate) fn at(&self, place: Place, step: u64) -> Option<FileId> {
        let history = self.names.get(&place)?;
        history.iter().rev().find(|(at, _)| *at <= step).and_then(|(_, file)| *file)
    }

    /// With a journal: that names are as they were at one instant.
    pub(crate) fn is_an_instant(&self) -> Result<(), String> {
        let unknown = |file: FileId| !self.files.contains_key(&file);
        let found = |place: Place| self.found.get(&place).map(|(file, _)| *file);
        let as_at = |step: u64| {
            every_place().all(|place| {
                let fresh = self.creating == Some(place) && found(place).is_some_and(unknown) && step == self.step;
                fresh || found(place) == self.at(place, step)
            })
        };
        if (self.flushed..=self.step).any(as_at) {
            return Ok(());
        }
        Err(format!("names are as at no step of {}..={}: {:?}", self.flushed, self.step, self.found.keys()))
    }

    /// A sync of a file has completed that was issued after `step`, when `covered` changes were unsynced.
    pub(crate) fn file_synced(&mut self, file: FileId, step: u64, covered: usize, data_only: bool) {
        let model = self.files.get_mut(&file).expect("an open file is known");
        // An fdatasync flushes the journal only where a change of length is not in it yet, which others may have seen to.
        let flushes = !data_only;
        let upto = if self.file_system == CrashModel::Xfs { model.logged.min(step) } else { step };
        model.versions.drain(..covered);
        if flushes {
            self.flushed = self.flushed.max(upto);
        }
    }

    /// Forgets what a place was before `step`.
    pub(crate) fn settle(&mut self, place: Place, step: u64) {
        if let Some(history) = self.names.get_mut(&place) {
            let keep = history.iter().rposition(|&(at, _)| at <= step).unwrap_or(0);
            history.drain(..keep);
        }
    }

    pub(crate) fn dir_synced(&mut self, dir: usize, step: u64, changed: u64) {
        if self.file_system != CrashModel::Strict {
            let upto = if self.file_system == CrashModel::Xfs { changed } else { step };
            self.flushed = self.flushed.max(upto);
            return;
        }
        for name in 0..NAMES.len() {
            let place = (dir, name);
            self.settle(place, step);
            let file = self.names.get(&place).and_then(|h| h.first()).and_then(|(_, file)| *file);
            if let Some(file) = file.and_then(|f| self.files.get_mut(&f)) {
                file.durable = true;
            }
        }
        // A rename is one step: settled in one directory, settled in both.
        let renames = std::mem::take(&mut self.renames);
        for (at, from, to) in renames {
            if at <= step && (from.0 == dir || to.0 == dir) {
                self.settle(from, at);
                self.settle(to, at);
                let moved = self.names[&to].iter().find(|(s, _)| *s == at).and_then(|(_, file)| *file);
                if let Some(file) = moved.and_then(|f| self.files.get_mut(&f)) {
                    file.durable = true;
                }
            } else {
                self.renames.push((at, from, to));
            }
        }
    }

    pub(crate) fn allows_content(file_system: CrashModel, versions: &[Vec<u8>], found: &[u8]) -> Result<(), String> {
        let strict = file_system == CrashModel::Strict;
        // ext4 has no block in a file that was not written first; a block in which the file ended at some time it may have had.
        let had_block = |i: usize| versions.iter().any(|v| v.len() <= i && i < v.len().next_multiple_of(4_096));
        let sizes: Vec<u64> = versions.iter().map(|v| v.len() as u64).collect();
        let size = found.len() as u64;
        let short = sizes.windows(2).any(|w| w[0] < size && size < w[1] && size.is_multiple_of(SECTOR_BYTES));
        if !sizes.contains(&size) && !(short && strict) {
            return Err(format!("size {size}, of {sizes:?}"));
        }
        for (i, byte) in found.iter().enumerate() {
            let ordered = file_system == CrashModel::Ext4Ordered && !had_block(i);
            let had =
                |v: &Vec<u8>| if ordered { v.get(i) == Some(byte) } else { v.get(i).copied().unwrap_or(0) == *byte };
            if !versions.iter().any(had) {
                return Err(format!("byte {i} is {byte}"));
            }
        }
        Ok(())
    }

    /// What is wrong with what was found after a power loss.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let unknown = |file: FileId| !self.files.contains_key(&file);
        if self.file_system != CrashModel::Strict {
            wrong.extend(self.is_an_instant().err());
        }
        for place in every_place() {
            let found = self.found.get(&place).map(|(file, _)| *file);
            if self.creating == Some(place) && found.is_some_and(unknown) {
                continue;
            }
            let history = self.names.get(&place).cloned().unwrap_or_else(|| vec![(0, None)]);
            if !history.iter().any(|(_, file)| *file == found) {
                wrong.push(format!("{} is {found:?}, of {history:?}", path(place)));
            }
        }
        for (place, (file, content)) in &self.found {
            match self.files.get(file) {
                None if self.creating == Some(*place) => {}
                None => wrong.push(format!("file {file} was never made")),
                Some(model) => {
                    let verdict = Self::allows_content(self.file_system, &model.versions, content);
                    wrong.extend(verdict.err().map(|why| format!("file {file}: {why}")));
                }
            }
        }
        for (id, file) in &self.files {
            if self.file_system == CrashModel::Strict
                && file.durable
                && !file.condemned
                && !self.found.values().any(|(found, _)| found == id)
            {
                wrong.push(format!("file {id} was durable, never removed, and is nowhere"));
            }
        }
        wrong
    }

    /// The kinds of loss that can be told from what was found alone, without asking the disk what it did.
    pub(crate) fn observed(&self) -> Vec<&'static str> {
        let mut seen = Vec::new();
        for (id, content) in self.found.values() {
            let Some(versions) = self.files.get(id).map(|f| &f.versions).filter(|v| v.len() > 1) else { continue };
            let (Some(first), Some(last)) = (versions.first(), versions.last()) else { continue };
            match (content == first, content == last) {
                (true, false) => seen.push("data lost"),
                (false, true) => seen.push("data kept"),
                (false, false) => seen.push("data in part"),
                (true, true) => {}
            }
            // Only one write was unsynced and it appended: what there is tells its growth and its bytes apart.
            if versions.len() == 2 && last.len() > first.len() && last[..first.len()] == first[..] {
                let appended = &last[first.len()..];
                if content.len() == last.len() && appended[0] != 0 && content[first.len()..].iter().all(|&b| b == 0) {
                    seen.push("grown, not written");
                }
                if first.len() < content.len() && content.len() < last.len() {
                    seen.push("grown short");
                }
            }
            // Only one write was unsynced, and it lay across the end: its bytes before the end are there, its growth is not.
            if versions.len() == 2 && content.len() == first.len() && last.len() > first.len() && content != first {
                seen.push("written, not grown");
            }
        }
        for place in every_place() {
            let found = self.found.get(&place).map(|(file, _)| *file);
            let history = self.names.get(&place).map_or(&[][..], |h| &h[..]);
            let before = match self.file_system {
                CrashModel::Strict => history.first().and_then(|(_, f)| *f),
                _ => self.at(place, self.flushed),
            };
            match (before, history.last().and_then(|(_, f)| *f)) {
                (None, Some(_)) if found.is_none() => seen.push("name lost"),
                (None, Some(_)) if found.is_some() => seen.push("name kept"),
                (Some(_), None) if found.is_some() => seen.push("removal undone"),
                (Some(_), None) if found.is_none() => seen.push("removal kept"),
                (Some(old), Some(new)) if old != new && found == Some(old) => seen.push("replacement undone"),
                (Some(old), Some(new)) if old != new && found == Some(new) => seen.push("replacement kept"),
                _ => {}
            }
        }
        seen
    }

    /// What is wrong with what was found after a kill: everything must be as it was.
    pub(crate) fn differences(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for place in every_place() {
            let found = self.found.get(&place);
            let expected = self.now(place).map(|f| (f, self.files[&f].versions.last().cloned().unwrap_or_default()));
            if found != expected.as_ref() {
                wrong.push(format!("{}: {:?}, not {:?}", path(place), found.map(|f| f.0), expected.map(|f| f.0)));
            }
        }
        wrong
    }
}
