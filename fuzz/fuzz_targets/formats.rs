//! Any text, read in every format and judged against every model: no panic, no unbounded memory, and an error that
//! names its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stormglass_check::format::{CheckOptions, Format, FormatError, ModelName, judge_text};
use stormglass_check::Budget;

fuzz_target!(|text: &str| {
    let budget = Budget { steps: 2_000, bytes: 1 << 20 };
    for format in Format::ALL {
        for model in ModelName::ALL {
            let options = CheckOptions { budget, format: Some(format), ..CheckOptions::default() };
            if let Err(FormatError::Line { place, reason }) = judge_text("fuzz", text, model, options) {
                assert!(place.line >= 1 && place.column >= 1 && !reason.is_empty());
            }
        }
    }
});
