//! The leak zoo lives in the test target `zoo`; this library is empty.
#![forbid(unsafe_code)]
