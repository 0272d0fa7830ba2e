//! The `cargo stormglass` binary.
fn main() {}
