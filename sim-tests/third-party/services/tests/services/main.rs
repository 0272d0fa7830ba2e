//! tonic, tokio-util's codecs and openraft as they come from the registry, in simulated clusters.

mod codec;
mod grpc;
mod raft;

stormglass::main!();
