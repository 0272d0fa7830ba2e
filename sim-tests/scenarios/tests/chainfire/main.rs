//! ChainFire under storms: every scenario of the system's catalogue in its strong form.

mod cluster;
mod mixed;
mod oracle;
mod workload;

stormglass::main!();
