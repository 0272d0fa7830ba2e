//! Scenarios with hyper, hyper-util, axum and reqwest as they come from the registry.

#![forbid(unsafe_code)]
