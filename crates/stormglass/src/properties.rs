//! What product code says of itself, as one run hears it: which properties were met, how close the numeric ones came, which
//! rare paths are armed and which sizes its knobs have.
//!
//! An observation takes place when the poll that made it ends, unless its node went down before: a property that was met
//! by a process that was dead already was not met.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stormglass_check::Evidence;
use stormglass_harness::Closest;
use stormglass_kernel::{
    self as kernel, Domain, Down, Kernel, Kind, NodeId, Point, Site as Place, Subsystem, Typed, WorldEvent, WorldId,
};
use stormglass_probes::{Property, SITES, Simulation, Site, set_simulation};

use crate::sim::Sim;

/// A quarter of the runs that asked for it arm a place.
const ARMED: (Point, u32) = (Point::new(Domain::App, "buggify-armed"), 250_000);
/// Whether an armed place takes its rare path this time.
const TAKEN: Point = Point::new(Domain::App, "buggify");
/// Half of the runs that asked for it turn a knob away from its default.
const TURNED: (Point, u32) = (Point::new(Domain::App, "knob-turned"), 500_000);
/// Which of its rare sizes it has then.
const SIZE: Point = Point::new(Domain::App, "knob");

/// The properties of one run, kept beside its worlds so that every thread that holds the simulation finds them.
#[derive(Debug)]
pub(crate) struct Properties {
    sim: Sim,
    sites: Vec<Seen>,
    buggify: bool,
    knobs: bool,
    calls: BTreeMap<(NodeId, usize), Calls>,
}

/// What a run knows of one place.
#[derive(Clone, Debug, Default)]
struct Seen {
    met: bool,
    closest: Option<i64>,
    armed: Option<bool>,
    chosen: Option<Option<usize>>,
    taken: u64,
}

/// Calls of one place by one node.
#[derive(Debug)]
struct Calls {
    place: Place,
    count: u64,
}

impl Properties {
    pub(crate) fn new(sim: Sim) -> Self {
        set_simulation(&Here);
        Self { sim, sites: vec![Seen::default(); SITES.len()], buggify: false, knobs: false, calls: BTreeMap::new() }
    }
}

/// What a run heard, once it has ended.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Whether each property that is to be met was met.
    pub(crate) met: BTreeMap<String, bool>,
    /// How close each comparison came to its other answer.
    pub(crate) closest: BTreeMap<String, Closest>,
    /// The rare paths that were taken, with how often.
    pub(crate) taken: BTreeMap<String, u64>,
    /// The knobs that were turned away from their defaults, each with the number of its rare size.
    pub(crate) turned: BTreeSet<String>,
}

impl Heard {
    /// What the current simulation heard; of what is to be met, only what lies in one of `modules`, if there are any.
    pub(crate) fn of(modules: &[&str]) -> Self {
        kernel::try_with(|u| u.get::<Properties>().map(|(properties, _)| properties.heard(modules)))
            .flatten()
            .unwrap_or_default()
    }
}

impl Properties {
    fn heard(&self, modules: &[&str]) -> Heard {
        let mut heard = Heard::default();
        for (site, seen) in SITES.iter().zip(&self.sites) {
            let asked = modules.is_empty() || modules.iter().any(|module| is_within(site.module, module));
            if asked && site.property.is_to_be_met() {
                *heard.met.entry(site.to_string()).or_default() |= seen.met;
            }
            if let Some(margin) = seen.closest {
                let own = Closest { margin, most: site.property == Property::Sometimes };
                heard.closest.entry(site.to_string()).or_insert(own).take(own);
            }
            if seen.taken > 0 {
                *heard.taken.entry(site.to_string()).or_default() += seen.taken;
            }
            if let Some(chosen) = seen.chosen.flatten() {
                heard.turned.insert(format!("{site} #{}", chosen + 1));
            }
        }
        heard
    }
}

/// Whether `module` is `outer` or lies within it.
fn is_within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Where a place stands in the catalogue: its distance from the catalogue's first.
fn index_of(site: &'static Site) -> usize {
    (std::ptr::from_ref(site).addr() - SITES.as_ptr().addr()) / size_of::<Site>()
}

/// Whichever run is current on the thread that asks.
struct Here;

impl Simulation for Here {
    fn observed(&self, site: &'static Site, held: bool, margin: Option<i64>, detail: &dyn Fn() -> String) {
        let index = index_of(site);
        let fails = !held && site.property.must_hold();
        let met = if site.property == Property::Sometimes { held } else { true };
        let news = kernel::try_with(|u| {
            if !u.kernel.is_effective() {
                return None;
            }
            let (properties, _) = u.get::<Properties>()?;
            let seen = &properties.sites[index];
            let closer = margin.is_some_and(|margin| is_closer(site, margin, seen.closest));
            (fails || closer || (met && !seen.met)).then(|| properties.sim.clone())
        });
        let Some(Some(sim)) = news else { return };
        let detail = if fails { detail() } else { String::new() };
        kernel::try_with(|u| {
            let node = u.kernel.current_node();
            let name = Arc::clone(u.kernel.node(node).name());
            u.kernel.trace(Kind::PROBE, Place::named(site.name).as_u64(), u64::from(held));
            u.kernel.effect_call(Box::new(move || {
                kernel::try_with(|u| {
                    let Some((properties, _)) = u.get::<Properties>() else { return };
                    let seen = &mut properties.sites[index];
                    seen.met |= met;
                    if let Some(margin) = margin.filter(|margin| is_closer(site, *margin, seen.closest)) {
                        seen.closest = Some(margin);
                    }
                });
                if fails {
                    let evidence = Evidence::new(site.property.name(), format!("{}, on {name}", site.name));
                    let evidence = evidence.detail(format!("at {}:{}", site.file, site.line));
                    sim.violation(if detail.is_empty() { evidence } else { evidence.detail(detail) });
                }
            }));
        });
    }

    fn armed(&self, site: &'static Site, millionths: u32) -> bool {
        let index = index_of(site);
        let armed = kernel::try_with(|u| {
            let (properties, kernel) = u.get::<Properties>()?;
            if !properties.buggify || !kernel.is_effective() {
                return None;
            }
            let name = site.name;
            let armed = *properties.sites[index]
                .armed
                .get_or_insert_with(|| kernel.decisions().chance(ARMED.0, Place::named(name), 0, ARMED.1));
            if !armed {
                return None;
            }
            let node = kernel.current_node();
            let calls = properties.calls.entry((node, index)).or_insert_with(|| Calls {
                place: Place::named(&format!("{} {name}", kernel.node(node).name())),
                count: 0,
            });
            let taken = kernel.decisions().chance(TAKEN, calls.place, calls.count, millionths);
            calls.count += 1;
            properties.sites[index].taken += u64::from(taken);
            Some(taken)
        });
        armed.flatten().unwrap_or(false)
    }

    fn chosen(&self, site: &'static Site, rare: usize) -> Option<usize> {
        let index = index_of(site);
        kernel::try_with(|u| {
            let (properties, kernel) = u.get::<Properties>()?;
            if !properties.knobs {
                return None;
            }
            *properties.sites[index].chosen.get_or_insert_with(|| {
                let place = Place::named(site.name);
                let last = u64::try_from(rare).ok()?.checked_sub(1)?;
                let turned = kernel.decisions().chance(TURNED.0, place, 0, TURNED.1);
                turned
                    .then(|| kernel.decisions().range(SIZE, place, 0, 0, last))
                    .and_then(|at| usize::try_from(at).ok())
            })
        })?
    }
}

/// Whether a comparison has never been so close to its other answer.
fn is_closer(site: &Site, margin: i64, known: Option<i64>) -> bool {
    known.is_none_or(|known| if site.property == Property::Sometimes { margin > known } else { margin < known })
}

impl Sim {
    /// From now on `buggify!` places in product code may take their rare paths: a quarter of the places are armed in this run.
    pub fn buggify(&self) {
        self.feature("buggify");
        kernel::with(|u| {
            if let Some((properties, _)) = u.get::<Properties>() {
                properties.buggify = true;
            }
        });
    }

    /// From now on `knob!` limits in product code may have rare sizes. Say it before the nodes boot.
    pub fn knobs(&self) {
        self.feature("knobs");
        kernel::with(|u| {
            if let Some((properties, _)) = u.get::<Properties>() {
                properties.knobs = true;
            }
        });
    }
}

impl Subsystem for Properties {
    fn name(&self) -> &'static str {
        "properties"
    }

    fn on_event(&mut self, _: &mut Kernel, _: NodeId, _: WorldEvent) {}

    fn on_down(&mut self, _: &mut Kernel, _: NodeId, _: Down) {}

    fn on_boot(&mut self, _: &mut Kernel, _: NodeId) {}
}

impl Typed for Properties {
    const ID: WorldId = WorldId(2);
}
