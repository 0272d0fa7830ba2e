//! What an engine has acknowledged, and whether what it holds fits.

use std::collections::BTreeMap;

use crate::{Batch, Contents, value_of};

/// The transactions that were asked for, in order.
#[derive(Default, Debug)]
pub struct Book {
    /// The version that each key was last acknowledged at.
    acknowledged: BTreeMap<u64, u64>,
    /// The transaction whose answer has not come: done or not, but whole.
    open: Vec<Batch>,
    version: u64,
    /// Transactions acknowledged in all.
    pub done: u64,
}

/// What is wrong with a store's contents.
pub type Verdict = Result<(), String>;

impl Book {
    /// The number of the next transaction.
    pub fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// It is on its way.
    pub fn ask(&mut self, batch: &Batch) {
        self.open.push(batch.clone());
    }

    /// It was acknowledged.
    pub fn acknowledge(&mut self, batch: &Batch) {
        self.open.retain(|open| open != batch);
        for key in &batch.keys {
            self.acknowledged.insert(*key, batch.version);
        }
        self.done += 1;
    }

    /// Whether a store's contents are what was acknowledged, and of each open transaction all or nothing.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, contents: &Contents) -> Verdict {
        let version_of = |value: &[u8]| Some(u64::from_le_bytes(value.get(8..16)?.try_into().ok()?));
        let mut held = BTreeMap::new();
        for (key, value) in contents {
            let version = version_of(value).ok_or_else(|| format!("key {key} holds {} bytes", value.len()))?;
            if *value != value_of(*key, version) {
                return Err(format!("key {key} holds bytes that were never written"));
            }
            held.insert(*key, version);
        }
        for (key, version) in &self.acknowledged {
            match held.get(key) {
                None => return Err(format!("key {key}, acknowledged at {version}, is gone")),
                Some(held) if held < version => {
                    return Err(format!("key {key}, acknowledged at {version}, is back at {held}"));
                }
                Some(_) => {}
            }
        }
        for (key, version) in &held {
            let asked = self.acknowledged.get(key) == Some(version)
                || self.open.iter().any(|open| open.version == *version && open.keys.contains(key));
            if !asked {
                return Err(format!("key {key} is at {version}, which nobody asked for"));
            }
        }
        for open in &self.open {
            // A later transaction may have written the same key again; of the others all or none.
            let still = |key: &&u64| held.get(*key).is_none_or(|v| *v <= open.version);
            let keys: Vec<&u64> = open.keys.iter().filter(still).collect();
            let there = keys.iter().filter(|key| held.get(**key) == Some(&open.version)).count();
            if there != 0 && there != keys.len() {
                return Err(format!("of transaction {} {there} of {} keys are there", open.version, keys.len()));
            }
        }
        Ok(())
    }

    /// What a look has found is what there is: open transactions are done or not from now on.
    pub fn settle(&mut self, contents: &Contents) {
        for (key, value) in contents {
            if let Some(version) = value.get(8..16).and_then(|v| v.try_into().ok()).map(u64::from_le_bytes) {
                self.acknowledged.insert(*key, version);
            }
        }
        self.open.clear();
    }
}
