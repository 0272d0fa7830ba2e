//! What an engine has acknowledged, and whether what it holds fits.

use std::collections::BTreeMap;

use crate::{Batch, Contents, value_of};

/// The transactions that were asked for, in order.
#[derive(Default, Debug)]
pub struct Book {
    /// The version that each key was last acknowledged at.
    acknowledged: BTreeMap<u64, u64>,
    /// Transactions whose answer has not come: done or not, but whole.
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
        // An older one that an opening did not show lies beneath this one now.
        self.open.retain(|open| open.version > batch.version);
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

    /// What a look has found is what there is: open transactions are done or not from now on. With `may_come_back` those
    /// that are newer than everything found stay open.
    pub fn settle(&mut self, contents: &Contents, may_come_back: bool) {
        let mut newest = 0;
        for (key, value) in contents {
            if let Some(version) = value.get(8..16).and_then(|v| v.try_into().ok()).map(u64::from_le_bytes) {
                self.acknowledged.insert(*key, version);
                newest = newest.max(version);
            }
        }
        self.open.retain(|open| may_come_back && open.version > newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A book with transaction 1 acknowledged and 2 open, and what a store holds after the first and after both.
    fn book() -> (Book, [Contents; 2]) {
        let mut book = Book::default();
        let [first, second] = [vec![1, 2], vec![2, 3]].map(|keys| Batch { version: book.next(), keys });
        book.ask(&first);
        book.acknowledge(&first);
        book.ask(&second);
        let mut contents = Contents::new();
        let held = [first, second].map(|batch| {
            contents.extend(batch.keys.iter().map(|key| (*key, value_of(*key, batch.version))));
            contents.clone()
        });
        (book, held)
    }

    #[test]
    fn what_an_opening_did_not_show_is_gone_for_good_unless_the_engine_says_otherwise() {
        for may_come_back in [false, true] {
            let (mut book, [before, after]) = book();
            assert_eq!(book.check(&before), Ok(()));
            book.settle(&before, may_come_back);
            assert_eq!(book.check(&before), Ok(()));
            assert_eq!(book.check(&after).is_ok(), may_come_back);
            let mut half = after.clone();
            half.remove(&3);
            assert!(book.check(&half).is_err(), "it comes back whole");
        }
    }

    #[test]
    fn nothing_comes_back_from_beneath_an_acknowledged_transaction() {
        let (mut book, [mut before, mut after]) = book();
        book.settle(&before, true);
        let third = Batch { version: book.next(), keys: vec![4] };
        book.ask(&third);
        book.acknowledge(&third);
        for contents in [&mut before, &mut after] {
            contents.insert(4, value_of(4, third.version));
        }
        assert_eq!(book.check(&before), Ok(()));
        assert!(book.check(&after).is_err());
    }

    #[test]
    fn nothing_comes_back_from_beneath_what_an_opening_showed() {
        let (mut book, [before, after]) = book();
        book.settle(&before, true);
        let third = Batch { version: book.next(), keys: vec![4] };
        book.ask(&third);
        let [before, after] = [before, after].map(|mut contents| {
            contents.insert(4, value_of(4, third.version));
            contents
        });
        book.settle(&before, true);
        assert_eq!(book.check(&before), Ok(()));
        assert!(book.check(&after).is_err());
    }

    #[test]
    fn what_an_opening_showed_stays() {
        let (mut book, [before, after]) = book();
        book.settle(&after, true);
        assert_eq!(book.check(&after), Ok(()));
        assert!(book.check(&before).is_err());
    }
}
