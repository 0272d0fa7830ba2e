//! Scenarios with mini-redis, tonic, tokio-util's codecs and openraft as they come from the registry.

#![forbid(unsafe_code)]
