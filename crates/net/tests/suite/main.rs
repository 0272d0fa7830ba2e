//! The network as programs on simulated nodes see it.

mod capture;
mod causality;
mod closing;
mod common;
mod crash;
mod crowd;
mod firewall;
mod impairments;
mod memory;
mod opening;
mod pressure;
mod properties;
mod udp;
mod weather;
