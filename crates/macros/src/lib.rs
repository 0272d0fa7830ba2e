//! The scenario attribute.
