//! How cases are kept apart from each other: which ways there are, and a thread for each.
//!
//! The sealed way forks a child per case; the other gives each case a fresh thread, for tiny simulations and for
//! platforms without fork, and is not sealed against statics.

use std::{
    any::Any,
    io,
    panic::{self, AssertUnwindSafe},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use stormglass_sys::process::{Leg, relay};

use crate::{
    case::{Cost, Ending, ended, run_case},
    worker::{Asked, Talk},
};

/// Which isolation a worker uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IsolationKind {
    /// A forked child per case: statics, addresses, leaks and limits are the case's own, and an abort costs one case.
    #[default]
    Fork,
    /// A fresh thread per case: cheap and portable, but statics are shared, no limit of the machine is enforced, and an
    /// abort takes the worker along.
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

/// Serves with each case on a fresh thread, until the front end hangs up. See [`IsolationKind::Thread`] for what this
/// does not give.
///
/// # Errors
///
/// Those of the talk, and where no thread can be had.
pub(crate) fn serve_on_threads(mut talk: Talk) -> io::Result<()> {
    let Some(asked) = talk.next()? else { return Ok(()) };
    let end = Arc::new(Mutex::new(Ok(())));
    relay(STACK_BYTES, leg(talk, asked, Arc::clone(&end)))?;
    // The threads are gone.
    Arc::into_inner(end).map_or(Ok(()), |end| end.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One case, which answers with the next.
fn leg(mut talk: Talk, asked: Asked, end: Arc<Mutex<io::Result<()>>>) -> Leg {
    Leg::new(move || {
        let next = run(&mut talk, &asked).and_then(|()| talk.next());
        match next {
            Ok(Some(asked)) => Some(leg(talk, asked, end)),
            Ok(None) => None,
            Err(error) => {
                *end.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                None
            }
        }
    })
}

fn run(talk: &mut Talk, asked: &Asked) -> io::Result<()> {
    let started = Instant::now();
    let mut answer = Vec::new();
    let case = AssertUnwindSafe(|| run_case(talk.scenarios(), talk.body(asked), &mut answer));
    let ran = panic::catch_unwind(case);
    let cost = Cost { cpu: started.elapsed(), ..Cost::default() };
    match ran {
        Ok(written) => written.and_then(|()| talk.returned(&cost, &answer, false)),
        Err(payload) => {
            let ending = Ending::Panicked(panic_text(&*payload));
            talk.reply(asked, |run| ended(&run.scenario, run.request.seed, &run.request.limits, ending, &cost))
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
