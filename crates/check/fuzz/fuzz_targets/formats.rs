//! Any text, read in every format and judged against every model: no panic, no unbounded memory, and an error that
//! names its place.
#![no_main]

#[path = "../../tests/noise/answered.rs"]
mod answered;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    answered::in_every_format(text);
});
