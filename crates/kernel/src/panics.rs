//! Where a panic happened: the hook that notes it quietly while a simulation runs. One that ends a thread of a program by itself
//! is no failure of the run, so it is told where a machine tells it: on standard error.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Installs, once per process, a panic hook that notes the place of a panic inside a simulation and prints nothing;
/// panics elsewhere go to the hook that was there before. For whoever prints those of a simulation too.
pub fn install_hook() {
    install(false);
}

/// As [`install_hook`], but that the panic of a thread which a program started goes to the hook that was there before, too: it may
/// be that nobody joins that thread, and then nobody else tells of it.
pub(crate) fn install_telling_of_threads() {
    install(true);
}

fn install(tells_of_threads: bool) {
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if crate::universe::is_held() {
                let place = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
                let panics = |u: &mut crate::universe::Universe| u.kernel.thread_panics(place.as_deref());
                let of_thread = crate::universe::try_with(panics).unwrap_or(false);
                LAST.with_borrow_mut(|last| *last = place);
                if of_thread && tells_of_threads {
                    before(info);
                }
            } else {
                before(info);
            }
        }));
    });
}

pub(crate) fn take_location() -> String {
    LAST.take().unwrap_or_else(|| "an unknown place".to_owned())
}
