//! What is wrong with sectors on a device: an overlay over what is right, so that it can be taken away again.
//!
//! Damage stays where it is however often it is read, and goes when its bytes are written anew. Each piece knows the fault
//! that made it, so that what a checksum rejects can be traced to its cause.

use std::collections::BTreeMap;

use crate::content::Sector;
use crate::options::SECTOR_BYTES;

/// How a sector reads other than it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wrong {
    /// One byte has other bits.
    Rotten { at: usize, mask: u8 },
    /// Other bytes altogether: those that the sector had before, or that were meant for another one.
    Other(Box<Sector>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Damage {
    pub(crate) fault: u32,
    pub(crate) wrong: Wrong,
}

/// The damaged sectors of one file.
#[derive(Debug, Default)]
pub(crate) struct Damages(BTreeMap<u64, Damage>);

impl Damages {
    pub(crate) fn insert(&mut self, sector: u64, damage: Damage) {
        self.0.entry(sector).or_insert(damage);
    }

    pub(crate) fn has(&self, sector: u64) -> bool {
        self.0.contains_key(&sector)
    }

    /// Takes away what a fault did. Gives the number of sectors that are well again.
    pub(crate) fn ablate(&mut self, fault: u32) -> usize {
        let before = self.0.len();
        self.0.retain(|_, damage| damage.fault != fault);
        before - self.0.len()
    }

    /// Bytes `from..to` were written: what was wrong with them is gone.
    pub(crate) fn overwritten(&mut self, from: u64, to: u64) {
        if self.0.is_empty() || from >= to {
            return;
        }
        let sectors = from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES;
        let gone = self.0.range(sectors).filter(|(number, damage)| {
            let first = *number * SECTOR_BYTES;
            match damage.wrong {
                Wrong::Rotten { at, .. } => (from..to).contains(&(first + at as u64)),
                Wrong::Other(_) => from <= first && first + SECTOR_BYTES <= to,
            }
        });
        let gone: Vec<u64> = gone.map(|(number, _)| *number).collect();
        gone.iter().for_each(|number| drop(self.0.remove(number)));
    }

    /// Makes bytes read at `offset` what the device gives.
    #[inline]
    pub(crate) fn show(&self, offset: u64, bytes: &mut [u8]) {
        if !self.0.is_empty() && !bytes.is_empty() {
            self.show_some(offset, bytes);
        }
    }

    #[cold]
    fn show_some(&self, offset: u64, bytes: &mut [u8]) {
        let end = offset + bytes.len() as u64;
        for (number, damage) in self.0.range(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES) {
            let first = number * SECTOR_BYTES;
            let mut wrong = |at: u64, change: &dyn Fn(u8) -> u8| {
                if (offset..end).contains(&at) {
                    let byte = &mut bytes[(at - offset) as usize];
                    *byte = change(*byte);
                }
            };
            match &damage.wrong {
                Wrong::Rotten { at, mask } => wrong(first + *at as u64, &|byte| byte ^ mask),
                Wrong::Other(sector) => {
                    for (at, other) in sector.iter().enumerate() {
                        wrong(first + at as u64, &|_| *other);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_stays_until_its_bytes_are_written_or_it_is_taken_away() {
        let mut damages = Damages::default();
        damages.insert(1, Damage { fault: 3, wrong: Wrong::Rotten { at: 7, mask: 0x40 } });
        damages.insert(2, Damage { fault: 4, wrong: Wrong::Other(Box::new([9; SECTOR_BYTES as usize])) });
        let read = |damages: &Damages| {
            let mut bytes = vec![0; 2_000];
            damages.show(100, &mut bytes);
            bytes
        };
        let bytes = read(&damages);
        assert_eq!(bytes[512 + 7 - 100], 0x40);
        assert_eq!(bytes.iter().filter(|&&b| b == 9).count(), 512);
        assert_eq!(read(&damages), bytes, "it stays put");
        damages.overwritten(512, 519);
        assert!(damages.has(1), "the byte beside it was written");
        damages.overwritten(519, 520);
        assert!(!damages.has(1));
        assert_eq!(damages.ablate(4), 1);
        assert!(damages.0.is_empty());
    }
}
