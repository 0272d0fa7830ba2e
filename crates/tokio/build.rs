//! Whether the simulated parts are built: where the feature `sim` asks for them, unless the tokio beneath already is this
//! very source in tokio's place. Then there is one simulated tokio in the program, and this crate re-exports it.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(simulated)");
    println!("cargo::rerun-if-changed=build.rs");
    let asked = std::env::var_os("CARGO_FEATURE_SIM").is_some();
    let swapped = std::env::var_os("DEP_STORMGLASS_SWAPPED_TOKIO_SWAPPED").is_some();
    if asked && !swapped {
        println!("cargo::rustc-cfg=simulated");
    }
}
