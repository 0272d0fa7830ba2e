//! ChainFire under storms: every scenario of the system's catalogue in its strong form.

mod attribution;
mod cluster;
mod conformance;
mod disks;
mod elections;
mod expect;
mod figure_8;
mod mixed;
mod oracle;
mod partitions;
mod primitives;
mod recovery;
mod replication;
mod unrest;
mod workload;
mod worst_moments;

stormglass::main!();
