//! What every file must have, and how long it may be.

use crate::{Finding, Source};

/// No file is longer, in lines.
pub const HARD_CEILING: usize = 1_000;
/// A longer file wants to be two, and is noted.
pub const NOTED_CEILING: usize = 500;

/// `//!` at the top, the ceiling, and `#![forbid(unsafe_code)]` in the roots of libraries and programs.
pub fn file_rules(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line, what: String, instead: &str| {
        findings.push(Finding { path: source.path.clone(), line, what, instead: instead.to_owned() });
    };
    if !source.text.starts_with("//! ") {
        find(1, "it does not begin with `//!`".to_owned(), "say in its first line why it exists");
    }
    let lines = source.text.lines().count();
    if lines > HARD_CEILING {
        find(lines, format!("{lines} lines, and {HARD_CEILING} are the most"), "split it by concern");
    }
    let is_root = source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs");
    if is_root && source.package() != "crates/sys" && !source.code.contains("#![forbid(unsafe_code)]") {
        find(
            1,
            "the root of a crate without `#![forbid(unsafe_code)]`".to_owned(),
            "add it; unsafe code is for crates/sys",
        );
    }
    findings
}

/// Files past the length at which a file wants to be two.
pub fn long_files(sources: &[Source]) -> Vec<String> {
    let lines = sources.iter().map(|source| (source.text.lines().count(), &source.path));
    let mut long: Vec<_> = lines.filter(|(lines, _)| *lines > NOTED_CEILING).collect();
    long.sort_by(|a, b| b.cmp(a));
    long.into_iter().map(|(lines, path)| format!("{path}: {lines} lines")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        file_rules(&Source::new(path, text)).len()
    }

    #[test]
    fn a_file_says_why_it_exists_and_ends_in_time() {
        assert_eq!(found("crates/x/src/a.rs", "//! Why.\n"), 0);
        assert_eq!(found("crates/x/src/a.rs", "// Why.\n"), 1);
        assert_eq!(found("crates/x/src/a.rs", &format!("//! Why.\n{}", "\n".repeat(HARD_CEILING))), 1);
        assert_eq!(found("crates/x/src/a.rs", &format!("//! Why.\n{}", "\n".repeat(HARD_CEILING - 1))), 0);
    }

    #[test]
    fn the_root_of_a_crate_forbids_unsafe_code() {
        assert_eq!(found("crates/x/src/lib.rs", "//! Why.\n"), 1);
        assert_eq!(found("crates/x/src/lib.rs", "//! Why.\n#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(found("crates/x/src/lib.rs", "//! Why.\n// #![forbid(unsafe_code)]\n"), 1);
        assert_eq!(found("crates/sys/src/lib.rs", "//! Why.\n"), 0);
    }

    #[test]
    fn long_files_are_noted_longest_first() {
        let of = |path: &str, lines| Source::new(path, "\n".repeat(lines));
        let noted = long_files(&[of("a", NOTED_CEILING), of("b", NOTED_CEILING + 1), of("c", NOTED_CEILING + 2)]);
        assert_eq!(noted, ["c: 502 lines", "b: 501 lines"]);
    }
}
