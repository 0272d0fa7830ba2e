//! Carries a plan out against a world, step by step, and keeps the books.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use thiserror::Error;

use crate::plan::{scheduled, sort};
use crate::trigger::is_placeholder;
use crate::world::list;
use crate::{
    Budget, Capabilities, EffectKind, Fault, FaultError, FaultId, FaultRecord, Hits, NodeName, Observed, Plan,
    Scheduled, Step, World, WorldError,
};

/// What to do with a fault that the world cannot carry out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Refuse the whole plan before the run.
    #[default]
    Refuse,
    /// Leave the fault out and say so in its record.
    Drop,
}

/// Why a plan cannot run in a world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The world lacks an effect that a fault needs.
    #[error("fault {id} (`{text}`) needs the effect `{effect}`, which this world lacks; it has: {available}")]
    Unsupported {
        /// The fault.
        id: FaultId,
        /// Its line.
        text: String,
        /// What is lacking.
        effect: EffectKind,
        /// What there is.
        available: Capabilities,
    },
    /// The world has the effect, but not in this form.
    #[error("fault {id} (`{text}`) cannot be carried out in this world: {reason}")]
    Impossible {
        /// The fault.
        id: FaultId,
        /// Its line.
        text: String,
        /// What it asks for that there is not.
        reason: String,
    },
    /// A fault names a node that does not exist.
    #[error("fault {id} (`{text}`) names node `{node}`, which does not exist; the nodes are: {}", list(nodes))]
    UnknownNode {
        /// The fault.
        id: FaultId,
        /// Its line.
        text: String,
        /// The name.
        node: NodeName,
        /// The nodes that exist.
        nodes: Vec<NodeName>,
    },
}

impl InjectError {
    /// Why, in a fault's own record, which has its id and text already.
    fn reason(&self) -> String {
        match self {
            InjectError::Unsupported { effect, .. } => format!("this world has no effect `{effect}`"),
            InjectError::Impossible { reason, .. } => reason.clone(),
            InjectError::UnknownNode { node, .. } => format!("there is no node `{node}`"),
        }
    }
}

/// The world failed to heal: whatever comes after is not calm.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not healed: {}", .failures.iter().map(|(id, error)| format!("{id}: {error}")).collect::<Vec<_>>().join("; "))]
pub struct HealError {
    /// Each fault that did not end, and why.
    pub failures: Vec<(FaultId, WorldError)>,
}

/// Runs a plan. The simulation asks [`next_at`](Injector::next_at), lets virtual time come to that instant, and calls
/// [`step`](Injector::step).
#[derive(Clone, Debug)]
pub struct Injector {
    steps: VecDeque<Scheduled>,
    books: BTreeMap<FaultId, Book>,
    budget: Option<Budget>,
    calm: bool,
    /// Faults that wait for their trigger, with how often it happened so far.
    waiting: BTreeMap<FaultId, u64>,
}

#[derive(Clone, Debug)]
struct Book {
    /// As it stands in the plan.
    fault: Fault,
    /// As it was carried out, with its trigger's nodes and instant, once that has happened.
    resolved: Option<Fault>,
    open: bool,
    begun_at: Option<Duration>,
    ended_at: Option<Duration>,
    hits: Hits,
    refused: Option<String>,
}

impl Book {
    fn new(fault: Fault) -> Book {
        Book { fault, resolved: None, open: false, begun_at: None, ended_at: None, hits: Hits::new(), refused: None }
    }
}

impl Injector {
    /// Takes a plan for a world, and checks all of it before anything happens.
    ///
    /// # Errors
    /// [`InjectError::UnknownNode`] always; [`InjectError::Unsupported`] and [`InjectError::Impossible`] unless `missing` says to drop such faults.
    pub fn new(plan: &Plan, world: &dyn World, missing: Missing) -> Result<Injector, InjectError> {
        let mut injector = Injector {
            steps: VecDeque::new(),
            books: BTreeMap::new(),
            budget: None,
            calm: false,
            waiting: BTreeMap::new(),
        };
        let mut steps = Vec::new();
        for planned in plan {
            let (id, fault) = (planned.id, &planned.fault);
            let mut book = Book::new(fault.clone());
            match possible(id, fault, world) {
                Ok(()) if fault.trigger().is_some() => {
                    injector.waiting.insert(id, 0);
                }
                Ok(()) => steps.extend(scheduled(id, fault)),
                Err(error @ (InjectError::Unsupported { .. } | InjectError::Impossible { .. }))
                    if missing == Missing::Drop =>
                {
                    book.refused = Some(error.reason());
                }
                Err(error) => return Err(error),
            }
            injector.books.insert(id, book);
        }
        sort(&mut steps);
        injector.steps = steps.into();
        Ok(injector)
    }

    /// Keeps the faults that nemeses add within a budget, together with the plan's own.
    #[must_use]
    pub fn sparing(mut self, budget: Budget) -> Injector {
        self.budget = Some(budget);
        self
    }

    /// As [`sparing`](Injector::sparing), later.
    pub fn spare(&mut self, budget: Budget) {
        self.budget = Some(budget);
    }

    /// The instant of the next step; `None` when none is left. An instant in the past is due at once.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.steps.front().map(|scheduled| scheduled.at)
    }

    /// Carries out every step that is due now, and returns them in order. What the world refuses is noted in the fault's
    /// record and goes no further.
    pub fn step(&mut self, world: &mut dyn World) -> Vec<Scheduled> {
        let mut done = Vec::new();
        while let Some(scheduled) = self.steps.pop_front_if(|scheduled| scheduled.at <= world.now()) {
            let now = world.now();
            let Some(book) = self.books.get_mut(&scheduled.id) else { continue };
            let result = match &scheduled.step {
                Step::Begin(effect) => {
                    let result = world.begin(scheduled.id, effect);
                    if result.is_ok() {
                        book.open = true;
                        book.begun_at.get_or_insert(now);
                        book.ended_at = None;
                    }
                    result
                }
                // A fault whose every beginning was refused has nothing to end.
                Step::End if !book.open => continue,
                Step::End => end(world, scheduled.id, book),
            };
            match result {
                Ok(()) => done.push(scheduled),
                Err(error) => note(&mut book.refused, &error.to_string()),
            }
        }
        done
    }

    /// Adds faults that a nemesis asked for. Their starts count from now. Each is checked as a plan's would be, and
    /// against the budget if there is one; what fails is noted in its record and not carried out. Returns the ids.
    pub fn react(&mut self, faults: impl IntoIterator<Item = Fault>, world: &dyn World) -> Vec<FaultId> {
        faults.into_iter().map(|fault| self.react_to_one(fault, world)).collect()
    }

    /// Shows it what happened. Faults that waited for it begin, so long after now as they say, on the nodes where it
    /// happened. Each is then checked as a nemesis' fault would be; what fails is noted in its record. Returns their ids.
    pub fn observe(&mut self, event: &Observed, world: &dyn World) -> Vec<FaultId> {
        let mut fired = Vec::new();
        for (id, seen) in &mut self.waiting {
            let Some(trigger) = self.books.get(id).and_then(|book| book.fault.trigger()) else { continue };
            *seen += u64::from(trigger.matches(event));
            if *seen == trigger.count() {
                fired.push(*id);
            }
        }
        for id in &fired {
            self.waiting.remove(id);
            self.fire(*id, event, world);
        }
        fired
    }

    fn fire(&mut self, id: FaultId, event: &Observed, world: &dyn World) {
        let (Some((_, it)), Some(book)) = (event.place(), self.books.get(&id)) else { return };
        let start = world.now().saturating_add(book.fault.start());
        let fault = book.fault.resolved(it, &world.nodes()).at(start);
        let admitted = self.admissible(id, &fault, world);
        let Some(book) = self.books.get_mut(&id) else { return };
        match admitted {
            Ok(()) => {
                self.steps.extend(scheduled(id, &fault));
                sort(self.steps.make_contiguous());
            }
            Err(reason) => note(&mut book.refused, &reason),
        }
        book.resolved = Some(fault);
    }

    /// The events that faults wait for.
    #[must_use]
    pub fn awaited(&self) -> BTreeSet<&str> {
        let books = self.waiting.keys().filter_map(|id| self.books.get(id));
        books.filter_map(|book| book.fault.trigger()).map(crate::Trigger::event).collect()
    }

    fn react_to_one(&mut self, fault: Fault, world: &dyn World) -> FaultId {
        let next = self.books.keys().next_back().map_or(0, |last| last.0.saturating_add(1));
        let id = FaultId(next).max(FaultId::REACTIVE);
        let start = world.now().saturating_add(fault.start());
        let fault = fault.at(start);
        let mut book = Book::new(fault.clone());
        match self.admissible(id, &fault, world) {
            Ok(()) => {
                self.steps.extend(scheduled(id, &fault));
                sort(self.steps.make_contiguous());
            }
            Err(reason) => book.refused = Some(reason),
        }
        self.books.insert(id, book);
        id
    }

    fn admissible(&self, id: FaultId, fault: &Fault, world: &dyn World) -> Result<(), String> {
        if self.calm {
            return Err("it came after calm began".to_owned());
        }
        fault.check().map_err(|error: FaultError| error.to_string())?;
        possible(id, fault, world).map_err(|error| error.to_string())?;
        let Some(budget) = &self.budget else { return Ok(()) };
        let accepted = self.books.iter().filter(|(_, book)| book.refused.is_none() || book.begun_at.is_some());
        let placed = accepted.filter_map(|(id, book)| match (&book.resolved, book.fault.trigger()) {
            (Some(resolved), _) => Some((id, resolved)),
            (None, None) => Some((id, &book.fault)),
            // Nobody knows when it will be, or whether.
            (None, Some(_)) => None,
        });
        let mut steps: Vec<Scheduled> = placed.flat_map(|(id, fault)| scheduled(*id, fault)).collect();
        steps.extend(scheduled(id, fault));
        sort(&mut steps);
        budget.check_steps(&steps).map_err(|error| format!("over budget: {error}"))
    }

    /// Begins calm: ends every fault that is on and cancels every step to come.
    ///
    /// # Errors
    /// [`HealError`] with all that could not be healed; everything else was.
    pub fn heal_all(&mut self, world: &mut dyn World) -> Result<(), HealError> {
        self.calm = true;
        self.steps.clear();
        self.waiting.clear();
        let mut failures = Vec::new();
        for (id, book) in self.books.iter_mut().filter(|(_, book)| book.open) {
            if let Err(error) = end(world, *id, book) {
                note(&mut book.refused, &error.to_string());
                failures.push((*id, error));
            }
        }
        self.refresh(world);
        if failures.is_empty() { Ok(()) } else { Err(HealError { failures }) }
    }

    /// Asks the world again what each fault hit. Called when faults end and at calm; call it once more at the end of a
    /// run, since some hits come late.
    pub fn refresh(&mut self, world: &dyn World) {
        for (id, book) in self.books.iter_mut().filter(|(_, book)| book.begun_at.is_some()) {
            book.hits = world.hits(*id);
        }
    }

    /// The faults that are on, in order of their ids.
    #[must_use]
    pub fn open(&self) -> BTreeSet<FaultId> {
        self.books.iter().filter(|(_, book)| book.open).map(|(id, _)| *id).collect()
    }

    /// What became of every fault, in order of their ids; hits are those of the last [`refresh`](Injector::refresh).
    #[must_use]
    pub fn records(&self) -> Vec<FaultRecord> {
        let record = |(id, book): (&FaultId, &Book)| FaultRecord {
            id: *id,
            text: book.fault.to_string(),
            struck: book.resolved.as_ref().map(Fault::to_string),
            kind: book.fault.kind(),
            family: book.fault.family(),
            begun_at: book.begun_at,
            ended_at: book.ended_at,
            hits: book.hits.clone(),
            vacuous: book.begun_at.is_some() && book.hits.total() == 0,
            must_hit: book.fault.is_must_hit(),
            refused: book.refused.clone(),
        };
        self.books.iter().map(record).collect()
    }
}

/// Ends what a fault holds and notes when, and what it hit by then.
fn end(world: &mut dyn World, id: FaultId, book: &mut Book) -> Result<(), WorldError> {
    world.end(id)?;
    book.open = false;
    book.ended_at = Some(world.now());
    book.hits = world.hits(id);
    Ok(())
}

/// Adds a reason to those that are there, once: a flap may be refused at each of its turns.
fn note(refused: &mut Option<String>, reason: &str) {
    match refused {
        Some(reasons) if reasons.contains(reason) => {}
        Some(reasons) => {
            reasons.push_str("; ");
            reasons.push_str(reason);
        }
        None => *refused = Some(reason.to_owned()),
    }
}

/// Whether the world has what a fault names and needs.
fn possible(id: FaultId, fault: &Fault, world: &dyn World) -> Result<(), InjectError> {
    let nodes = world.nodes();
    let named = fault.action().nodes().into_iter().chain(fault.trigger().and_then(crate::Trigger::node));
    let unknown = |node: &&NodeName| !nodes.contains(node) && !is_placeholder(node);
    if let Some(node) = named.into_iter().find(unknown) {
        return Err(InjectError::UnknownNode { id, text: fault.to_string(), node: node.clone(), nodes });
    }
    for effect in fault.effects() {
        world.can(&effect).map_err(|error| match error {
            WorldError::Unsupported { effect, available } => {
                InjectError::Unsupported { id, text: fault.to_string(), effect, available }
            }
            other => InjectError::Impossible { id, text: fault.to_string(), reason: other.to_string() },
        })?;
    }
    Ok(())
}
