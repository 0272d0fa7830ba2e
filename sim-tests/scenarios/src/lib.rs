//! Scenarios for the services under test. They live in the test targets, one folder per system; this library is empty.
#![forbid(unsafe_code)]
