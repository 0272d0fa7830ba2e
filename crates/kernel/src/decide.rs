//! Decisions: every random choice has a stable key, and its value is a pure function of the seed and that key.
//!
//! A key is *point · site · ordinal*: what is decided (`net.delay`), where (`n1>n3 tcp#4`), and which one it is there
//! (packet 12). An ordinal counts the things decided, never the draws, so a thing that is decided twice gets the same
//! answer and a thing that is skipped shifts nobody.
//!
//! Each decision can be overridden by its key. The text is one line: `net.delay n1>n3 tcp#4 @12 = 3000000`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::ids::TaskKey;
use crate::policy::PRIORITY;
use crate::prf::{Prf, hash_bytes, mix};

/// What a poll costs its node: site = the task's key, ordinal = the poll's number from 1, value in nanoseconds.
pub const POLL_COST: Point = Point::new(Domain::Cpu, "poll");

const POLL_COST_MIN_NS: u64 = 50;
const POLL_COST_MAX_NS: u64 = 100;

/// The stream a decision belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Domain {
    /// Which ready task runs next.
    Schedule,
    /// What a poll costs.
    Cpu,
    /// Delays, losses and reorderings of packets.
    Net,
    /// What power loss leaves of unsynced writes, latencies of devices.
    Disk,
    /// Offsets and rates of clocks.
    Clock,
    /// What a fault plan contains.
    Faults,
    /// What clients ask for.
    Workload,
    /// Entropy that the program under test asked the operating system for.
    App,
}

impl Domain {
    /// The word used in the text of an override.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Cpu => "cpu",
            Self::Net => "net",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Faults => "faults",
            Self::Workload => "workload",
            Self::App => "app",
        }
    }
}

/// What is decided: a domain and a name within it, as in `net.delay`.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    domain: Domain,
    name: &'static str,
    hash: u64,
}

impl Point {
    /// A point; `name` is a word without spaces.
    #[must_use]
    pub const fn new(domain: Domain, name: &'static str) -> Self {
        let hash = mix(hash_bytes(domain.name().as_bytes()), hash_bytes(name.as_bytes()));
        Self { domain, name, hash }
    }

    /// The domain.
    #[must_use]
    pub const fn domain(self) -> Domain {
        self.domain
    }

    /// The name within the domain.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.domain.name(), self.name)
    }
}

/// Where something is decided: a link and flow, a file, a task. The hash of a stable text, or of a stable number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Site(u64);

impl Site {
    /// The site that `text` names. The same text in an override finds it again.
    #[must_use]
    pub const fn named(text: &str) -> Self {
        Self(hash_bytes(text.as_bytes()))
    }

    /// The site of a number that is itself stable, such as a task key; written as 16 hex digits in an override.
    #[must_use]
    pub const fn from_key(key: u64) -> Self {
        Self(key)
    }

    /// The hash.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// One line of an override list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Override {
    text: String,
    point: u64,
    site: u64,
    ordinal: u64,
    value: u64,
}

/// An override that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "override `{text}` at column {column}: expected {expected}; the form is `DOMAIN.NAME SITE @ORDINAL = VALUE`, as in `net.delay n1>n3 tcp#4 @12 = 3000000`"
)]
pub struct OverrideError {
    /// The line as given.
    pub text: String,
    /// Where it stopped making sense, counted from 1.
    pub column: usize,
    /// What was expected there.
    pub expected: &'static str,
}

const DOMAINS: [Domain; 8] = [
    Domain::Schedule,
    Domain::Cpu,
    Domain::Net,
    Domain::Disk,
    Domain::Clock,
    Domain::Faults,
    Domain::Workload,
    Domain::App,
];

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let error = |column: usize, expected| OverrideError { text: text.to_owned(), column: column + 1, expected };
        let equals = text.rfind('=').ok_or_else(|| error(text.len(), "`= VALUE`"))?;
        let value = text[equals + 1..].trim();
        let value = parse_u64(value).ok_or_else(|| error(equals + 1, "a whole number, decimal or 0x-hex"))?;
        let key = text[..equals].trim_end();
        let at = key.rfind(" @").ok_or_else(|| error(key.len(), "` @ORDINAL`"))?;
        let ordinal = parse_u64(key[at + 2..].trim()).ok_or_else(|| error(at + 2, "an ordinal: a whole number"))?;
        let key = key[..at].trim();
        let (point, site) = key.split_once(' ').ok_or_else(|| error(key.len(), "a space, then the site"))?;
        let (domain, name) = point.split_once('.').ok_or_else(|| error(0, "DOMAIN.NAME"))?;
        let domain = DOMAINS
            .into_iter()
            .find(|d| d.name() == domain)
            .ok_or_else(|| error(0, "one of the domains schedule, cpu, net, disk, clock, faults, workload, app"))?;
        let point = mix(hash_bytes(domain.name().as_bytes()), hash_bytes(name.as_bytes()));
        let site = site.trim();
        let is_key = site.len() == 16 && site.bytes().all(|b| b.is_ascii_hexdigit());
        let site = match u64::from_str_radix(site, 16) {
            Ok(number) if is_key => number,
            _ => Site::named(site).as_u64(),
        };
        Ok(Self { text: text.trim().to_owned(), point, site, ordinal, value })
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_u64(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Answers every decision of one run.
#[derive(Debug)]
pub struct Decisions {
    prf: Prf,
    overrides: BTreeMap<(u64, u64, u64), OverrideUse>,
}

#[derive(Debug)]
struct OverrideUse {
    text: String,
    value: u64,
    uses: std::cell::Cell<u64>,
}

impl Decisions {
    /// The decisions of `seed`, with some of them replaced.
    #[must_use]
    pub fn new(seed: u64, overrides: Vec<Override>) -> Self {
        let mut all = BTreeMap::new();
        for o in overrides {
            let used = OverrideUse { text: o.text, value: o.value, uses: std::cell::Cell::new(0) };
            all.insert((o.point, o.site, o.ordinal), used);
        }
        Self { prf: Prf::new(seed), overrides: all }
    }

    /// Overrides that no decision asked for: a key that no longer exists, or a misspelt one.
    #[must_use]
    pub fn unused_overrides(&self) -> Vec<String> {
        if self.overrides.is_empty() {
            return Vec::new();
        }
        self.overrides.values().filter(|o| o.uses.get() == 0).map(|o| o.text.clone()).collect()
    }

    #[inline]
    fn overridden(&self, point: Point, site: Site, ordinal: u64) -> Option<u64> {
        if self.overrides.is_empty() { None } else { self.look_up(point, site, ordinal) }
    }

    #[cold]
    fn look_up(&self, point: Point, site: Site, ordinal: u64) -> Option<u64> {
        let found = self.overrides.get(&(point.hash, site.0, ordinal))?;
        found.uses.set(found.uses.get() + 1);
        Some(found.value)
    }

    /// What an override says of a decision, if there is one: for decisions that are made of several draws.
    #[inline]
    #[must_use]
    pub fn replaced(&self, point: Point, site: Site, ordinal: u64) -> Option<u64> {
        self.overridden(point, site, ordinal)
    }

    /// What the draws for the wakes of a task have in common; see [`Decisions::wake`].
    #[inline]
    pub(crate) fn wakes_of(&self, task: TaskKey) -> u64 {
        self.prf.stream(PRIORITY.hash, task.0)
    }

    /// What is decided when a task is woken for the `ordinal`th time, from 0: its priority, and what the poll that follows
    /// costs its node at full speed. Both come of one draw, the priority from its upper bits and the cost from its lower
    /// half, since this is asked for at every poll.
    #[inline]
    pub(crate) fn wake(&self, wakes: u64, task: TaskKey, ordinal: u64, by_draw: bool) -> (u64, u64) {
        let draw = self.prf.value_of(wakes, ordinal);
        let count = POLL_COST_MAX_NS - POLL_COST_MIN_NS + 1;
        let cost_ns = POLL_COST_MIN_NS + (((draw & u64::from(u32::MAX)) * count) >> 32);
        if self.overrides.is_empty() {
            (draw, cost_ns)
        } else {
            self.wake_replaced(draw, cost_ns, task, ordinal, by_draw)
        }
    }

    #[cold]
    fn wake_replaced(&self, draw: u64, cost_ns: u64, task: TaskKey, ordinal: u64, by_draw: bool) -> (u64, u64) {
        let site = Site::from_key(task.0);
        // Where the policy asks for no draw, none is replaced.
        let priority = if by_draw { self.look_up(PRIORITY, site, ordinal) } else { None };
        // Polls are counted from 1.
        let cost = self.look_up(POLL_COST, site, ordinal + 1);
        (priority.unwrap_or(draw), cost.map_or(cost_ns, |cost| cost.clamp(POLL_COST_MIN_NS, POLL_COST_MAX_NS)))
    }

    /// 64 random bits. An override replaces them all.
    #[inline]
    #[must_use]
    pub fn bits(&self, point: Point, site: Site, ordinal: u64) -> u64 {
        match self.overridden(point, site, ordinal) {
            Some(value) => value,
            None => self.prf.value(point.hash, site.0, ordinal),
        }
    }

    /// A number in `low..=high`, as uniform as 64 bits allow. An override gives the number itself and is held within
    /// the range.
    #[inline]
    #[must_use]
    pub fn range(&self, point: Point, site: Site, ordinal: u64, low: u64, high: u64) -> u64 {
        if let Some(value) = self.overridden(point, site, ordinal) {
            return value.clamp(low, high.max(low));
        }
        let span = high.saturating_sub(low);
        let bits = self.prf.value(point.hash, site.0, ordinal);
        match span.checked_add(1) {
            Some(count) => low + ((u128::from(bits) * u128::from(count)) >> 64) as u64,
            None => bits,
        }
    }

    /// True in `ppm` of a million cases. An override of 0 is no, any other number yes.
    #[inline]
    #[must_use]
    pub fn chance(&self, point: Point, site: Site, ordinal: u64, ppm: u32) -> bool {
        if let Some(value) = self.overridden(point, site, ordinal) {
            return value != 0;
        }
        if ppm == 0 {
            return false;
        }
        let bits = self.prf.value(point.hash, site.0, ordinal);
        ((u128::from(bits) * 1_000_000) >> 64) < u128::from(ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Point = Point::new(Domain::Net, "delay");

    #[test]
    fn an_override_replaces_one_decision_and_no_other() {
        let plain = Decisions::new(1, vec![]);
        let line = "net.delay n1>n3 tcp#4 @12 = 3000000".parse().expect("a well-formed override");
        let changed = Decisions::new(1, vec![line]);
        let site = Site::named("n1>n3 tcp#4");
        assert_eq!(changed.range(DELAY, site, 12, 0, 10_000_000), 3_000_000);
        assert_eq!(changed.unused_overrides(), Vec::<String>::new());
        for ordinal in (0..100).filter(|&o| o != 12) {
            assert_eq!(changed.bits(DELAY, site, ordinal), plain.bits(DELAY, site, ordinal));
        }
        let elsewhere = Site::named("n1>n2 tcp#4");
        assert_eq!(changed.bits(DELAY, elsewhere, 12), plain.bits(DELAY, elsewhere, 12));
    }

    #[test]
    fn an_override_that_nothing_asked_for_is_reported() {
        let line = "net.delay n9>n3 tcp#4 @0 = 1".parse().expect("a well-formed override");
        assert_eq!(Decisions::new(1, vec![line]).unused_overrides(), ["net.delay n9>n3 tcp#4 @0 = 1"]);
    }

    #[test]
    fn an_unreadable_override_says_where_and_what_was_expected() {
        let error = "net.delay n1>n3 @x = 3".parse::<Override>().expect_err("the ordinal is no number");
        assert_eq!((error.column, error.expected), (18, "an ordinal: a whole number"));
        assert!("bogus.delay a @1 = 3".parse::<Override>().is_err());
        assert!("net.delay a @1".parse::<Override>().is_err());
        assert!("net.delay @1 = 2".parse::<Override>().is_err());
    }

    #[test]
    fn a_task_key_in_hex_names_the_task_itself() {
        let line = "cpu.poll 00000000000000ff @1 = 5".parse().expect("a well-formed override");
        let decisions = Decisions::new(1, vec![line]);
        assert_eq!(decisions.bits(Point::new(Domain::Cpu, "poll"), Site::from_key(255), 1), 5);
    }

    #[test]
    fn a_range_reaches_both_ends_and_chance_keeps_its_rate() {
        let decisions = Decisions::new(3, vec![]);
        let site = Site::named("x");
        let mut seen = [false; 4];
        let mut hits = 0;
        for ordinal in 0..100_000 {
            let value = decisions.range(DELAY, site, ordinal, 5, 8);
            seen[(value - 5) as usize] = true;
            hits += u32::from(decisions.chance(DELAY, site, ordinal, 100_000));
        }
        assert_eq!(seen, [true; 4]);
        assert!((9_500..10_500).contains(&hits), "{hits} of 100,000 at 10 %");
        assert_eq!(decisions.range(DELAY, site, 0, 4, 4), 4);
    }

    #[test]
    fn a_wakes_priority_and_its_polls_cost_come_of_one_draw_and_say_nothing_of_each_other() {
        let decisions = Decisions::new(5, vec![]);
        let task = TaskKey(mix(1, 2));
        let wakes = decisions.wakes_of(task);
        // Sixteenths of the priorities against the 51 costs.
        let mut cells = [[0_u32; 51]; 16];
        const WAKES: u64 = 816_000;
        for ordinal in 0..WAKES {
            let (priority, cost_ns) = decisions.wake(wakes, task, ordinal, true);
            assert_eq!(priority, decisions.bits(PRIORITY, Site::from_key(task.0), ordinal));
            cells[(priority >> 60) as usize][(cost_ns - POLL_COST_MIN_NS) as usize] += 1;
        }
        let expected = WAKES as f64 / (16.0 * 51.0);
        let chi_square: f64 = cells.iter().flatten().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        // Mean 815, standard deviation 40: six of them either way.
        assert!((573.0..1057.0).contains(&chi_square), "chi square over 815 degrees of freedom: {chi_square}");
    }

    #[test]
    fn both_decisions_of_a_wake_can_be_replaced_alone() {
        let task = TaskKey(255);
        let with = |lines: &[&str]| {
            let lines = lines.iter().map(|line| line.parse().expect("a well-formed override")).collect();
            let decisions = Decisions::new(1, lines);
            let wake = |ordinal, by_draw| decisions.wake(decisions.wakes_of(task), task, ordinal, by_draw);
            ([wake(3, true), wake(4, true), wake(3, false)], decisions.unused_overrides())
        };
        let ([third, fourth, _], _) = with(&[]);
        // The poll after wake 3, counted from 0, is the fourth.
        let ([changed, same, _], unused) = with(&["cpu.poll 00000000000000ff @4 = 77"]);
        assert_eq!((changed, same, unused.len()), ((third.0, 77), fourth, 0));
        let ([changed, same, by_order], unused) = with(&["schedule.priority 00000000000000ff @3 = 9"]);
        assert_eq!((changed, same, by_order, unused.len()), ((9, third.1), fourth, third, 0));
        let ([held, ..], _) = with(&["cpu.poll 00000000000000ff @4 = 7000"]);
        assert_eq!(held.1, POLL_COST_MAX_NS);
    }
}
