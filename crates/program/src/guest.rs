//! A thread that becomes its program's: a plain test, or a `main` without an attribute, that builds a runtime itself.
//!
//! Outside a simulation the test's thread is the thread at the top of the program, and blocks on what it runs. So it is
//! here: with the first runtime that it builds its thread becomes one of a simulated machine's, while the simulation has a
//! thread of its own; with the last runtime dropped it is nobody's again. What the test does before and after is done outside.

use std::cell::{Cell, RefCell};
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use stormglass_kernel as kernel;
use stormglass_sys::seal;

use crate::asked::Asked;
use crate::ended::{Begun, Ended, How};
use crate::hooks::seal_guest;
use crate::printing::{last_panic, print_panics};
use crate::simulate::{account, is_to_be_simulated, run, tell};
use crate::surroundings::Surroundings;

/// The simulation's own stack, on which its tasks run.
const STACK_BYTES: usize = 16 << 20;

/// How a program ends that panicked.
pub(crate) const FAILED: i32 = 101;

/// One process, one simulation at a time.
static ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    static INSIDE: RefCell<Option<Inside>> = const { RefCell::new(None) };
    /// Made after everything that leaving needs, and so gone before it.
    static AT_END: Cell<Option<AtEnd>> = const { Cell::new(None) };
}

/// Leaves for good when its thread ends.
#[derive(Debug)]
struct AtEnd;

impl Drop for AtEnd {
    fn drop(&mut self) {
        let inside = INSIDE.try_with(RefCell::take);
        if let Ok(Some(mut inside)) = inside {
            inside.leave(true);
        }
    }
}

/// While one of them lives, the thread that the first was made on is part of a simulation. Runtimes hold them.
#[derive(Debug)]
pub struct Stay(Arc<AtomicUsize>);

/// This thread's part in a simulation.
#[derive(Debug)]
struct Inside {
    stays: Arc<AtomicUsize>,
    left: Arc<Mutex<Left>>,
    sealed: Option<seal::Entered>,
    guest: Option<kernel::Guest>,
    simulation: Option<JoinHandle<()>>,
}

/// How the thread left.
#[derive(Debug, Default)]
struct Left {
    /// It did.
    gone: bool,
    /// The thread itself ended, and a runtime was still there: nothing waits for it outside any more.
    for_good: bool,
    /// What it panicked with.
    panicked: Option<String>,
}

/// To be called by whatever is to become a runtime: makes this thread part of a simulation, if the process was asked for
/// one and the thread is in none.
///
/// # Panics
/// When another thread of this process is in a simulation already, or the system has no thread to give.
#[must_use]
pub fn stay(surroundings: Surroundings) -> Option<Stay> {
    let known = INSIDE.with_borrow(|inside| inside.as_ref().map(|inside| Arc::clone(&inside.stays)));
    if let Some(stays) = known {
        stays.fetch_add(1, Ordering::Relaxed);
        return Some(Stay(stays));
    }
    if !is_to_be_simulated() {
        return None;
    }
    let asked = Asked::of_process()?;
    assert!(
        !ON.swap(true, Ordering::Relaxed),
        "two threads of this process build runtimes of their own at a time; a simulation has one program"
    );
    let inside = enter(asked, surroundings);
    let stays = Arc::clone(&inside.stays);
    INSIDE.set(Some(inside));
    let _ = last_panic();
    AT_END.set(Some(AtEnd));
    Some(Stay(stays))
}

impl Clone for Stay {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        // On another thread, or while this one ends: the thread leaves when it ends.
        let inside = INSIDE.try_with(|inside| match inside.try_borrow_mut() {
            Ok(mut inside) if inside.as_ref().is_some_and(|inside| Arc::ptr_eq(&inside.stays, &self.0)) => {
                inside.take()
            }
            _ => None,
        });
        if let Ok(Some(mut inside)) = inside {
            inside.leave(false);
            // While the thread ends there is nothing left to take back.
            let _ = AT_END.try_with(Cell::take);
        }
    }
}

impl Inside {
    fn leave(&mut self, for_good: bool) {
        let Some(guest) = self.guest.take() else { return };
        drop(self.sealed.take());
        let panicked = (thread::panicking() || for_good).then(last_panic).flatten();
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Left { gone: true, for_good, panicked };
        drop(guest);
        // The account is written before anything else happens outside.
        if let Some(simulation) = self.simulation.take() {
            let _ = simulation.join();
        }
        ON.store(false, Ordering::Relaxed);
    }
}

fn enter(asked: Asked, surroundings: Surroundings) -> Inside {
    tell(&asked, |file| Begun { seed: asked.seed }.tell(file));
    if asked.listing {
        exit(0);
    }
    print_panics();
    let (invitation, seat) = kernel::invite();
    let left = Arc::new(Mutex::new(Left::default()));
    let (seed, told) = (asked.seed, Arc::clone(&left));
    let simulation = thread::Builder::new()
        .name("simulation".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || conduct(&asked, surroundings, seat, &told));
    let simulation = match simulation {
        Ok(simulation) => simulation,
        Err(error) => panic!("no thread for the simulation of this program: {error}"),
    };
    let Some(guest) = invitation.accept() else {
        let _ = simulation.join();
        panic!("the simulation of this program ended before it began");
    };
    let sealed = seal_guest(seed);
    Inside {
        stays: Arc::new(AtomicUsize::new(1)),
        left,
        sealed: Some(sealed),
        guest: Some(guest),
        simulation: Some(simulation),
    }
}

/// The simulation's thread.
fn conduct(
    asked: &Asked,
    surroundings: Surroundings,
    seat: impl Future<Output = ()> + Send + 'static,
    left: &Mutex<Left>,
) {
    // A task of its own: it goes on while this thread is blocked by another one.
    let program = move || async move { _ = kernel::spawn(seat).await };
    let (report, output) = run(asked, surroundings, false, program);
    let left = std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
    let mut ended = account(&report, output.as_ref());
    if let (How::Returned, Some(message)) = (ended.how, &left.panicked) {
        ended = Ended { how: How::Panicked, why: message.clone(), ..ended };
    }
    tell(asked, |file| ended.tell(file));
    if !ended.why.is_empty() && ended.how != How::Panicked {
        eprintln!("stormglass: seed {}: {}", asked.seed, ended.why);
    }
    // A thread that caught what was to unwind it, or that waits where nothing unwinds, would go on outside or for ever.
    if !left.gone {
        exit(FAILED);
    }
    // Its own thread waits for what the test told it, in a world that is gone.
    if left.for_good {
        exit(if ended.how == How::Returned { 0 } else { FAILED });
    }
}
