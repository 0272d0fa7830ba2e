//! What a user depends on.
