//! Where a panic happened: the hook that notes it quietly while a simulation runs.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Installs, once per process, a panic hook that notes the place of a panic inside a simulation and prints nothing;
/// panics elsewhere go to the hook that was there before.
pub fn install_hook() {
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if crate::universe::is_held() {
                let place = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
                LAST.with_borrow_mut(|last| *last = place);
            } else {
                before(info);
            }
        }));
    });
}

pub(crate) fn take_location() -> String {
    LAST.take().unwrap_or_else(|| "an unknown place".to_owned())
}
