//! How behaviours say what they saw, and the runtimes that most of them run on.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use stormglass_tokio::runtime::Builder;

/// Lists behaviours: `name => [what is seen], |saw| { program }`.
#[macro_export]
macro_rules! behaviours {
    ($($name:ident => [$($expected:expr),* $(,)?], |$saw:ident| $body:block)*) => {
        pub(crate) const BEHAVIOURS: &[$crate::Behaviour] = &[$((stringify!($name), &[$($expected),*], $name)),*];
        $(fn $name() -> Vec<String> {
            let mut $saw: Vec<String> = Vec::new();
            $body
            $saw
        })*
    };
}

/// Notes what something is, as its `Debug` shows it.
#[macro_export]
macro_rules! saw {
    ($saw:ident, $($value:expr),+ $(,)?) => {{
        $($saw.push(format!("{:?}", $value));)+
    }};
}

/// A runtime of one thread, with everything.
pub(crate) fn one<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// As [`one`], with its clock paused.
pub(crate) fn paused<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime").block_on(future)
}

/// A runtime of two threads, with everything.
pub(crate) fn several<F: Future>(future: F) -> F::Output {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime").block_on(future)
}

/// What a panic said.
pub(crate) fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_default())
}

/// What `f` panics with; the beginning of it, up to the first full stop.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => "no panic".to_owned(),
        Err(payload) => words(&*payload).split(". ").next().unwrap_or_default().to_owned(),
    }
}

/// Panics that are expected print nothing.
pub(crate) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // The test's own thread has the test's name; programs run on nameless ones, and on tokio's.
            if std::thread::current().name().is_some_and(|name| name.starts_with("programs_")) {
                before(info);
            }
        }));
    });
}
