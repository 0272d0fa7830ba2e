//! hyper, hyper-util, axum and reqwest as they come from the registry, in simulated clusters.

mod axum_service;
mod hyper_echo;
mod reqwest_client;

stormglass::main!();
