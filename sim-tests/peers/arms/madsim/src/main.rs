//! madsim, under its own `--cfg madsim`. Without it there is nothing to measure.

#![forbid(unsafe_code)]

#[cfg(not(madsim))]
fn main() {
    eprintln!("build with RUSTFLAGS='--cfg madsim'");
    std::process::exit(2);
}

#[cfg(madsim)]
mod arm;

#[cfg(madsim)]
fn main() {
    arm::main();
}
