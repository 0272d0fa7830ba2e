//! Properties over time: what must come to be within a bound, what must follow on something, what must come again and again,
//! and what must stay. A monitor is told what happens and fails the run at the instant at which its bound has passed, with
//! what can be seen of the cause. Monitors are made by the scenario, and may be told from any node.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stormglass_check::Evidence;
use stormglass_kernel as kernel;
use stormglass_tokio::sync::Notify;
use stormglass_tokio::time::sleep;

use crate::sim::Sim;
use crate::standstill::{Standstill, seconds};

/// What must happen, once, within a bound: made by [`Sim::eventually`].
#[derive(Clone, Debug)]
pub struct Eventually(Owed);

/// What must follow on something within a bound, for each thing apart: made by [`Sim::leads_to`].
#[derive(Clone, Debug)]
pub struct LeadsTo(Owed);

/// What must happen again and again, with no gap longer than a bound: made by [`Sim::recurs`].
#[derive(Clone, Debug)]
pub struct Recurs(Owed);

/// What must hold for ever once it held: made by [`Sim::stable`].
#[derive(Clone, Debug)]
pub struct Stable {
    sim: Sim,
    name: Arc<str>,
    held_since: Arc<Mutex<Option<Duration>>>,
}

/// Something that is owed by a time.
#[derive(Clone, Debug)]
struct Owed {
    sim: Sim,
    oracle: &'static str,
    name: Arc<str>,
    within: Duration,
    /// By what is owed: when it became so.
    open: Arc<Mutex<BTreeMap<String, Duration>>>,
    /// Something is owed, and nothing was before.
    news: Arc<Notify>,
}

/// The one thing that a monitor of one thing waits for.
const IT: &str = "";

impl Sim {
    /// From now on `name` must happen within this time: [`Eventually::happened`] says that it did.
    #[must_use]
    pub fn eventually(&self, name: &str, within: Duration) -> Eventually {
        let owed = Owed::new(self, "eventually", name, within);
        owed.owe(IT);
        Eventually(owed)
    }

    /// From now on each thing for which [`LeadsTo::begins`] is called must be followed by [`LeadsTo::ends`] within this time.
    #[must_use]
    pub fn leads_to(&self, name: &str, within: Duration) -> LeadsTo {
        LeadsTo(Owed::new(self, "leads to", name, within))
    }

    /// From now on `name` must happen at least once in every stretch of this length, as long as it is not
    /// [suspended](Recurs::suspend): work that is done while nothing comes of it is a livelock.
    #[must_use]
    pub fn recurs(&self, name: &str, within: Duration) -> Recurs {
        let owed = Owed::new(self, "recurs", name, within);
        owed.owe(IT);
        Recurs(owed)
    }

    /// Once `name` held, it must hold for ever: [`Stable::saw`] says whether it does.
    #[must_use]
    pub fn stable(&self, name: &str) -> Stable {
        Stable { sim: self.clone(), name: name.into(), held_since: Arc::default() }
    }
}

impl Eventually {
    /// It did.
    pub fn happened(&self) {
        self.0.pay(IT);
    }
}

impl LeadsTo {
    /// From now on this is waited for. Something that is waited for already keeps its older time.
    pub fn begins(&self, what: impl Display) {
        self.0.owe(&what.to_string());
    }

    /// It has come. One that nobody waits for means nothing.
    pub fn ends(&self, what: impl Display) {
        self.0.pay(&what.to_string());
    }

    /// It need not come any more: a node that was to answer has crashed.
    pub fn forgive(&self, what: impl Display) {
        self.0.pay(&what.to_string());
    }
}

impl Recurs {
    /// It happened: the bound counts from here.
    pub fn happened(&self) {
        if self.0.pay(IT) {
            self.0.owe(IT);
        }
    }

    /// Until [`resume`](Recurs::resume) it need not: faults are on that allow it not to.
    pub fn suspend(&self) {
        self.0.pay(IT);
    }

    /// From now on it must again.
    pub fn resume(&self) {
        self.0.owe(IT);
    }
}

impl Stable {
    /// Whether it holds now.
    pub fn saw(&self, holds: bool) {
        let now = self.sim.now();
        let mut held_since = self.held_since.lock();
        match *held_since {
            Some(since) if !holds => {
                let cause = format!("{} held since {} and no longer does", self.name, seconds(since));
                drop(held_since);
                self.sim.violation(Evidence::new("stable", cause));
            }
            None if holds => *held_since = Some(now),
            _ => {}
        }
    }
}

impl Owed {
    fn new(sim: &Sim, oracle: &'static str, name: &str, within: Duration) -> Self {
        let owed = Self {
            sim: sim.clone(),
            oracle,
            name: name.into(),
            within,
            open: Arc::default(),
            news: Arc::new(Notify::new()),
        };
        let clerk = owed.clone();
        kernel::spawn_local(async move {
            loop {
                let oldest = clerk.open.lock().iter().map(|(what, since)| (*since, what.clone())).min();
                match oldest {
                    None => clerk.news.notified().await,
                    Some((since, what)) => clerk.collect(&what, since).await,
                }
            }
        });
        owed
    }

    /// Notes that something is owed from now on.
    fn owe(&self, what: &str) {
        let now = self.sim.now();
        let mut open = self.open.lock();
        if open.contains_key(what) {
            return;
        }
        open.insert(what.to_owned(), now);
        let first = open.len() == 1;
        drop(open);
        if first {
            self.news.notify_one();
        }
    }

    /// Whether it was owed.
    fn pay(&self, what: &str) -> bool {
        self.open.lock().remove(what).is_some()
    }

    fn is_due(&self, what: &str, since: Duration) -> bool {
        self.open.lock().get(what) == Some(&since)
    }

    /// Waits until the bound has passed or it was paid, and fails the run if it was not.
    async fn collect(&self, what: &str, since: Duration) {
        let (half, end) = (since + self.within / 2, since + self.within);
        sleep(half.saturating_sub(self.sim.now())).await;
        // The second half is looked at, so that a failure has a reason.
        let mut standstill: Option<Standstill> = None;
        while self.is_due(what, since) && self.sim.now() < end {
            match &mut standstill {
                Some(standstill) => standstill.look(&self.sim),
                None => standstill = Some(Standstill::begin(&self.sim)),
            }
            sleep((self.within / LOOKS).min(end.saturating_sub(self.sim.now()))).await;
        }
        if !self.is_due(what, since) {
            return;
        }
        self.pay(what);
        let of = if what == IT { String::new() } else { format!(" for {what}") };
        let (within, began) = (seconds(self.within), seconds(since));
        let cause = match self.oracle {
            "recurs" => format!("{}: nothing came for {within}, since {began}", self.name),
            _ => format!("{}: not{of} within {within}, since {began}", self.name),
        };
        let why = standstill.map(|standstill| standstill.explain(&self.sim, std::slice::from_ref(&cause)));
        let evidence = Evidence::new(self.oracle, cause);
        self.sim.violation(why.into_iter().flatten().fold(evidence, Evidence::detail));
    }
}

/// A bound is looked at so often, had it all of it: the second half half as often.
const LOOKS: u32 = 40;
