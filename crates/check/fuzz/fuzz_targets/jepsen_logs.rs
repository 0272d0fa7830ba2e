//! Any text, read as a log of Jepsen and judged against every model: no panic, no unbounded memory, and an error that names
//! its place.
#![no_main]

#[path = "../../tests/noise/answered.rs"]
mod answered;

use libfuzzer_sys::fuzz_target;
use stormglass_check::format::Format;

fuzz_target!(|text: &str| {
    answered::in_format(text, Some(Format::JepsenLog));
});
