//! What an animal is: a small program, and what is claimed of it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

/// What a program saw, as text.
pub(crate) type Seen = Vec<String>;

/// One life of an animal.
pub(crate) type Life = Pin<Box<dyn Future<Output = Seen>>>;

/// What is claimed of an animal. Every claim is judged both ways: an animal that turns out better than its claim is as
/// wrong as one that turns out worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Deterministic, and what another node does on the same thing changes nothing.
    Stable,
    /// Deterministic, but nodes share it.
    Shared,
    /// Refused, by one of these symbols.
    Refused(&'static [&'static str]),
    /// Past libc: a plain run does not see it; a determinism check does, under one of these names.
    PastLibc(&'static [&'static str]),
}

/// One small program.
pub(crate) struct Animal {
    pub(crate) name: &'static str,
    pub(crate) nature: Nature,
    /// Whether another seed is to show something else.
    pub(crate) varies: bool,
    /// Whether it goes by addresses: those are the same only where their randomisation is off.
    pub(crate) by_address: bool,
    pub(crate) live: fn() -> Life,
}

/// What `value` looks like.
pub(crate) fn seen(value: impl Debug) -> String {
    format!("{value:?}")
}

/// Lists animals: a name, its claim, whether it varies with the seed, and the body of an `async` program that gives the
/// list of what it saw.
macro_rules! animals {
    ($($name:ident: $nature:expr, $varies:ident, $(($by_address:ident),)? $life:block;)+) => {
        /// The animals of this file.
        pub(crate) const ANIMALS: &[$crate::animal::Animal] = &[$(
            $crate::animal::Animal {
                name: stringify!($name),
                nature: $nature,
                varies: $crate::animal::animals!(@varies $varies),
                by_address: $crate::animal::animals!(@by_address $($by_address)?),
                live: || Box::pin(async move { $life.into_iter().map($crate::animal::seen).collect() }),
            },
        )+];
    };
    (@varies varies) => { true };
    (@varies constant) => { false };
    (@by_address by_address) => { true };
    (@by_address) => { false };
}
pub(crate) use animals;
