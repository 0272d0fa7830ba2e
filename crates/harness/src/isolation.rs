//! How cases are kept apart from each other: which ways there are, and thread-locals of its own for each.
//!
//! The sealed way forks a child per case; the other gives each case a thread that is new or made as new, for tiny simulations
//! and for platforms without fork, and is not sealed against statics.

use std::{
    any::Any,
    io,
    panic::{self, AssertUnwindSafe},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use stormglass_sys::process::{Leg, relay};

use crate::{
    case::{Cost, Ending, ended, run_case},
    worker::{Asked, Talk, Wanted},
};

/// Which isolation a worker uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IsolationKind {
    /// A forked child per case: statics, addresses, leaks and limits are the case's own, and an abort costs one case.
    #[default]
    Fork,
    /// A thread per case, or one whose thread-locals are made as new after a case that passed: cheap and portable, but statics
    /// are shared, no limit of the machine is enforced, and an abort takes the worker along.
    Thread,
}

/// Not an isolation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an isolation: give `fork` or `thread`")]
pub struct IsolationKindError(String);

impl IsolationKind {
    /// The word that names it on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            IsolationKind::Fork => "fork",
            IsolationKind::Thread => "thread",
        }
    }
}

impl FromStr for IsolationKind {
    type Err = IsolationKindError;

    fn from_str(text: &str) -> Result<Self, IsolationKindError> {
        match text {
            "fork" => Ok(IsolationKind::Fork),
            "thread" => Ok(IsolationKind::Thread),
            other => Err(IsolationKindError(other.to_owned())),
        }
    }
}

/// The stack of a thread that runs cases: as large as simulations ask for.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// Serves with fresh thread-locals for each case, until the front end hangs up. See [`IsolationKind::Thread`] for what this
/// does not give.
///
/// # Errors
///
/// Those of the talk, and where no thread can be had.
pub(crate) fn serve_on_threads(talk: Talk) -> io::Result<()> {
    let end = Arc::new(Mutex::new(Ok(())));
    relay(STACK_BYTES, leg(talk, None, Arc::clone(&end)))?;
    // The threads are gone.
    Arc::into_inner(end).map_or(Ok(()), |end| end.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The answer of a case, and how long it took.
type Answered = (Duration, Vec<u8>);

/// What a case left.
struct Left {
    /// What is yet to be told.
    answered: Option<Answered>,
    /// Whether nothing went wrong, so that its thread may go on.
    passed: bool,
}

/// Tells of the case before, while its thread ends if it does, and runs the next one.
fn leg(mut talk: Talk, last: Option<Answered>, end: Arc<Mutex<io::Result<()>>>) -> Leg {
    Leg::new(move |before| {
        let told = last.map_or(Ok(()), |(cpu, answer)| talk.returned(&Cost { cpu, ..Cost::default() }, &answer, false));
        let wanted = told.and_then(|()| talk.next());
        before.wait();
        let done = wanted.and_then(|wanted| match wanted {
            None => Ok(None),
            Some(Wanted::Case(asked)) => run(&mut talk, &asked).map(Some),
            Some(Wanted::Answer(message)) => talk.answer(message).map(|()| Some(Left { answered: None, passed: true })),
        });
        match done {
            Ok(Some(Left { answered, passed })) => {
                let next = leg(talk, answered, end);
                Some(if passed { next } else { next.on_new_thread() })
            }
            Ok(None) => None,
            Err(error) => {
                *end.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                None
            }
        }
    })
}

/// Runs one case. The answer is for the next leg to give; one that panicked is told of here.
fn run(talk: &mut Talk, asked: &Asked) -> io::Result<Left> {
    let started = Instant::now();
    let mut answer = Vec::new();
    let case = AssertUnwindSafe(|| run_case(talk.scenarios(), talk.body(asked), &mut answer));
    match panic::catch_unwind(case) {
        Ok(written) => written.map(|passed| Left { answered: Some((started.elapsed(), answer)), passed }),
        Err(payload) => {
            let ending = Ending::Panicked(panic_text(&*payload));
            let cost = Cost { cpu: started.elapsed(), ..Cost::default() };
            talk.reply(asked, |run| ended(&run.scenario, run.request.seed, &run.request.limits, ending, &cost))?;
            Ok(Left { answered: None, passed: false })
        }
    }
}

/// The message of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned())
}
