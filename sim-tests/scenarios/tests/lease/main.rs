//! A lock with a lease, and clocks that do not run alike.

mod exclusion;

stormglass::main!();
