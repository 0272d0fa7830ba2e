//! A set of configurations that is emptied at every return, and therefore emptied without touching its table.

use super::Config;
use crate::linear::memo::scatter;

#[derive(Default)]
pub(super) struct Seen {
    /// A round, and an index into the caller's list.
    table: Vec<(u32, u32)>,
    round: u32,
    count: usize,
}

fn hash(config: &Config) -> u64 {
    let fold = |set: u128| scatter(set as u64 ^ scatter((set >> 64) as u64));
    let small = u64::from(config.state) << 32 | u64::from(config.used);
    scatter(fold(config.done).rotate_left(17) ^ fold(config.lapsed) ^ small.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn same(a: &Config, b: &Config) -> bool {
    a.state == b.state && a.used == b.used && a.done == b.done && a.lapsed == b.lapsed
}

impl Seen {
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.table.fill((0, 0));
            self.round = 1;
        }
    }

    /// True if `config`, which is about to become `list[list.len()]`, is not in the list yet.
    pub(super) fn insert(&mut self, config: &Config, list: &[Config]) -> bool {
        if self.table.len() < 2 * (self.count + 1) {
            let size = (4 * (self.count + 1)).next_power_of_two().max(64);
            self.table = vec![(self.round.wrapping_sub(1), 0); size];
            for (index, known) in list.iter().enumerate() {
                let at = self.find(known, list);
                self.table[at] = (self.round, u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        let at = self.find(config, list);
        if self.table[at].0 == self.round {
            return false;
        }
        self.table[at] = (self.round, u32::try_from(list.len()).unwrap_or(u32::MAX));
        self.count += 1;
        true
    }

    /// The place of `config`, or the free one where it belongs.
    fn find(&self, config: &Config, list: &[Config]) -> usize {
        let mask = self.table.len() - 1;
        let mut at = hash(config) as usize & mask;
        while self.table[at].0 == self.round && !same(&list[self.table[at].1 as usize], config) {
            at = (at + 1) & mask;
        }
        at
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.table.len() * 8) as u64
    }
}
