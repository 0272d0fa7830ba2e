//! Documentation tests: programs that rustdoc builds and hands to cargo's runner one by one.
//!
//! Of edition 2024 on rustdoc merges the tests of a crate into one program. It is a harness, but its arguments are built
//! in, so that it lists nothing; it runs each test as a process of the binary that one environment variable names, with
//! another that says which test. rustdoc's own judge stays in place (`should_panic`, names, what is printed); what it
//! starts is us, and we start the test under every seed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::error::SwapError;

/// Names the binary that a merged program starts for each of its tests.
const MERGED_BINARY: &str = "RUSTDOC_DOCTEST_BIN_PATH";

/// Says to a merged program which of its tests to run.
const MERGED_TEST: &str = "RUSTDOC_DOCTEST_RUN_NB_TEST";

/// Whether rustdoc built `binary` from an example in a comment.
#[must_use]
pub(crate) fn is_documentation(binary: &Path) -> bool {
    let starts = |name: Option<&std::ffi::OsStr>, start: &str| {
        name.is_some_and(|name| name.as_encoded_bytes().starts_with(start.as_bytes()))
    };
    let folder = binary.parent().and_then(Path::file_name);
    starts(binary.file_name(), "rust_out") && starts(folder, "rustdoctest")
}

/// Whether `binary` holds several tests and was not told which to run.
pub(crate) fn is_merged(binary: &Path) -> Result<bool, SwapError> {
    if !is_documentation(binary) || env::var_os(MERGED_TEST).is_some() {
        return Ok(false);
    }
    let contents = fs::read(binary).map_err(SwapError::file("read", binary))?;
    Ok(contents.windows(MERGED_TEST.len()).any(|window| window == MERGED_TEST.as_bytes()))
}

/// Runs a merged program, which runs `runner` (a program, and what stands before the binary among its arguments) for each
/// of its tests.
pub(crate) fn run_merged(binary: &Path, runner: &[OsString]) -> Result<ExitStatus, SwapError> {
    let Some((program, before)) = runner.split_first() else {
        return Err(SwapError::Binary { path: binary.to_owned(), why: "nobody is named to run its tests".to_owned() });
    };
    // It hands on its own arguments, and looks at none.
    let status = Command::new(binary).args(before).arg(binary).env(MERGED_BINARY, program).status();
    status.map_err(SwapError::file("run", binary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rustdoc_built_is_known_by_its_place() {
        assert!(is_documentation(Path::new("/tmp/rustdoctestAb3/rust_out")));
        assert!(is_documentation(Path::new("/tmp/rustdoctestAb3/rust_out.exe")));
        assert!(!is_documentation(Path::new("/target/debug/deps/rust_out-0123456789abcdef")));
        assert!(!is_documentation(Path::new("/tmp/rustdoctestAb3/other")));
    }

    #[test]
    fn a_program_is_merged_when_it_asks_which_test_to_run() {
        let folder = tempfile::Builder::new().prefix("rustdoctest").tempdir().unwrap();
        let binary = folder.path().join("rust_out");
        fs::write(&binary, "one program").unwrap();
        assert!(!is_merged(&binary).unwrap());
        fs::write(&binary, format!("several{MERGED_TEST}\0")).unwrap();
        assert!(is_merged(&binary).unwrap());
    }
}
