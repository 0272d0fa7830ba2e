//! Decides in one place whether the target is of the sealed tier, where libc's symbols can be interposed: Linux with
//! glibc, linked dynamically (a static one defines the same symbols and has no `RTLD_NEXT`), on x86-64 and aarch64.

use std::env::var;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(sealed_tier)");
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, values: &[&str]| var(name).is_ok_and(|value| values.contains(&value.as_str()));
    let crt_static = var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|list| list.split(',').any(|f| f == "crt-static"));
    // madsim defines some of these symbols itself, and two definitions do not link.
    let madsim = std::env::var_os("CARGO_CFG_MADSIM").is_some();
    if !madsim
        && is("CARGO_CFG_TARGET_OS", &["linux"])
        && is("CARGO_CFG_TARGET_ENV", &["gnu"])
        && is("CARGO_CFG_TARGET_ARCH", &["x86_64", "aarch64"])
        && !crt_static
    {
        println!("cargo::rustc-cfg=sealed_tier");
    }
}
