//! Panics inside a simulated program are printed as outside one: whoever reads a test's output expects them there.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use stormglass_kernel as kernel;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Installs a panic hook, once per process, that prints as the present one does and notes the place for the kernel.
pub(crate) fn print_panics() {
    INSTALLED.call_once(|| {
        let printing = panic::take_hook();
        kernel::install_panic_hook();
        let noting = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if kernel::is_held() {
                noting(info);
                LAST.set(Some(info.payload_as_str().unwrap_or("a panic whose payload is not text").to_owned()));
            }
            printing(info);
        }));
    });
}

/// What this thread panicked with last inside a simulation.
pub(crate) fn last_panic() -> Option<String> {
    LAST.take()
}
