//! `select!` with a starting branch that is a keyed decision of the task, where tokio draws from one generator per
//! thread, which all nodes of a simulation would share.

pub use real_tokio::macros::support;

/// Waits for the first of several branches, as `tokio::select!` does.
#[macro_export]
macro_rules! select {
    (biased; $($branches:tt)*) => { $crate::support::select!(biased; $($branches)*) };
    ($p:pat = $($branches:tt)*) => {
        $crate::support::select!(@{ start = $crate::support::branch(BRANCHES); () } $p = $($branches)*)
    };
    ($($other:tt)*) => { $crate::support::select!($($other)*) };
}

/// The branch to start with, of `count`.
#[doc(hidden)]
#[must_use]
pub fn branch(count: u32) -> u32 {
    let drawn = stormglass_kernel::try_with(|u| {
        let mut bytes = [0; 4];
        u.kernel.fill_entropy(&mut bytes);
        u32::from_le_bytes(bytes)
    });
    match drawn {
        Some(bits) => ((u64::from(bits) * u64::from(count)) >> 32) as u32,
        None => support::thread_rng_n(count),
    }
}
