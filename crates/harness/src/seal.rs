//! What a process must be before it may run a sealed case, and what it says where it cannot be.

use std::env::consts::{ARCH, OS};

use stormglass_sys::{
    process::Aslr,
    seal::{MapKeys, SelfTestError, libraries_with_state, second_layer, selftest},
};

/// Readies this process, which was executed without address randomisation where that was possible, for running cases: tests
/// the interposition on itself. The answer is what a user should know before trusting a run; empty in the sealed tier.
///
/// # Errors
///
/// The words of a self-test that failed: a binary of the sealed tier that is not sealed must not run at all.
pub(crate) fn prepare(aslr: Aslr) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    match aslr {
        Aslr::Off => {}
        Aslr::On { reason } => {
            warnings.push(format!("addresses differ from run to run, and with them what depends on them: {reason}"));
        }
        _ => warnings.push("whether addresses differ from run to run is not known".to_owned()),
    }
    if cfg!(madsim) {
        // madsim's runtime interposes what it needs, and this process defines none of our symbols.
        return Ok(warnings);
    }
    match selftest() {
        Ok(()) => {}
        Err(error @ SelfTestError::NotSealed { .. }) => warnings.push(error.to_string()),
        Err(error) => return Err(error.to_string()),
    }
    Ok(warnings)
}

/// What a sealed process still does not see or hold: said at its start, so that nobody trusts in it.
///
/// Asked by every worker, whatever else it has to say: it takes a thread, and programs see the number of theirs.
pub(crate) fn gaps() -> Vec<String> {
    if cfg!(madsim) {
        return Vec::new();
    }
    let mut gaps = second_layer().gaps();
    if !hash_maps_are_keyed() {
        gaps.push(
            "the order of hash maps is deterministic but not causally stable: the keys of this standard library were not \
             found"
                .to_owned(),
        );
    }
    // Also read here so that no case has to.
    if libraries_with_state().is_none() {
        gaps.push(
            "rand's ThreadRng and futures' select! are deterministic but not causally stable: this binary has \
             no symbols"
                .to_owned(),
        );
    }
    gaps
}

/// Whether each node can have keys of its own for `std`'s hash maps. Asked on a thread of its own, whose keys do not
/// matter.
fn hash_maps_are_keyed() -> bool {
    let found = std::thread::spawn(|| MapKeys::find().is_some()).join();
    found.unwrap_or(false)
}

/// The target that this binary was built for, as ledgers name it.
pub(crate) fn target() -> String {
    let libc = if cfg!(target_env = "gnu") {
        "gnu"
    } else if cfg!(target_env = "musl") {
        "musl"
    } else {
        "other"
    };
    format!("{ARCH}-{OS}-{libc}")
}
