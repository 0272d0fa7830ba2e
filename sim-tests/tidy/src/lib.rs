//! House rules that a machine can check: the source files of this workspace, and what is wrong with them.
//!
//! It reads text and not syntax trees: comments and strings are blanked out first, and the rest is matched by words. That
//! is enough for the rules there are, and keeps them fast. What it is *not*: a linter for others.

#![forbid(unsafe_code)]

mod banned;
mod files;
mod finding;
mod modules;
mod source;

pub use banned::banned_calls;
pub use files::{HARD_CEILING, NOTED_CEILING, file_rules, long_files};
pub use finding::Finding;
pub use modules::dead_files;
pub use source::{Source, workspace};
