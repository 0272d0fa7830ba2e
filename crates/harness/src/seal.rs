//! What a process must be before it may run a sealed case, and what it says where it cannot be.

use std::env::consts::{ARCH, OS};

use stormglass_sys::{
    process::{Aslr, reexec_without_aslr},
    seal::{SelfTestError, selftest},
};

/// Readies this process for running cases: executes it again without address randomisation, then tests the interposition
/// on itself. The answer is what a user should know before trusting a run; empty in the sealed tier.
///
/// Called first of all, while the process has one thread.
///
/// # Errors
///
/// The words of a self-test that failed: a binary of the sealed tier that is not sealed must not run at all.
pub(crate) fn prepare() -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    match reexec_without_aslr() {
        Aslr::Off => {}
        Aslr::On { reason } => {
            warnings.push(format!("addresses differ from run to run, and with them what depends on them: {reason}"));
        }
        _ => warnings.push("whether addresses differ from run to run is not known".to_owned()),
    }
    match selftest() {
        Ok(()) => {}
        Err(error @ SelfTestError::NotSealed { .. }) => warnings.push(error.to_string()),
        Err(error) => return Err(error.to_string()),
    }
    Ok(warnings)
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
