//! A lock with a lease: an ordinary tokio service in which clocks matter.
//!
//! What it is: a server that grants one lock for a while, under a token that grows with every grant, and a holder that knows
//! by its own clock how long it may go on. The server forgets its grant when it dies, so it grants nothing until a lease's
//! time has passed after its start; its tokens are on disk.
//!
//! What it is not: a lock for production. The resource that the lock guards does not look at tokens, so that all depends on
//! the holder's and the server's clocks running alike. That is what it is here for: [`Trust::OwnClock`] is the bug of every
//! client that takes its own clock for the server's, and [`Trust::Within`] the cure, a bound on how far rates may differ.
#![forbid(unsafe_code)]

mod holder;
mod server;
mod wire;

pub use holder::{Holder, Trust};
pub use server::{GrantSink, Granted, serve};
pub use wire::{LeaseError, PORT};
