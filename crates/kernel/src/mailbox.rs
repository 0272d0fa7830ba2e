//! A channel of one place between two threads, through which the baton goes.
//!
//! Not one of std: its channels park the thread, and a thread of a node may hand the baton over while it is about to park
//! for its program. A thread can be parked for one thing at a time; it can wait on any number of condition variables.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Place<T> {
    item: Option<T>,
    /// One of the ends is gone.
    closed: bool,
}

#[derive(Debug)]
struct Shared<T> {
    place: Mutex<Place<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.place().closed = true;
        self.changed.notify_all();
    }
}

/// Where items are put in.
#[derive(Debug)]
pub(crate) struct Inlet<T>(Arc<Shared<T>>);

/// Where items are taken out.
#[derive(Debug)]
pub(crate) struct Outlet<T>(Arc<Shared<T>>);

pub(crate) fn mailbox<T>() -> (Inlet<T>, Outlet<T>) {
    let place = Mutex::new(Place { item: None, closed: false });
    let shared = Arc::new(Shared { place, changed: Condvar::new() });
    (Inlet(Arc::clone(&shared)), Outlet(shared))
}

impl<T> Inlet<T> {
    /// Puts an item in, which nobody has to take. Gives it back where nobody can.
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        let mut place = self.0.place();
        if place.closed {
            return Err(item);
        }
        place.item = Some(item);
        drop(place);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl<T> Outlet<T> {
    /// Waits for an item; `None` when none will come.
    pub(crate) fn take(&self) -> Option<T> {
        let mut place = self.0.place();
        loop {
            if let Some(item) = place.item.take() {
                return Some(item);
            }
            if place.closed {
                return None;
            }
            place = self.0.changed.wait(place).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Waits for ever.
pub(crate) fn never() -> ! {
    let (_open, outlet) = mailbox::<()>();
    loop {
        outlet.take();
    }
}
