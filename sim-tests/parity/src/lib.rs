//! The behaviours live in the test target `parity`; this library is empty.
#![forbid(unsafe_code)]
