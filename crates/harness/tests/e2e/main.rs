//! The harness end to end, on the fixture: processes are started, killed and resumed as users' are.

mod endings;
mod ledgers;
mod libtest;
mod support;
