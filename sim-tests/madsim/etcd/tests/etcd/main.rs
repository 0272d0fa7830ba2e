//! madsim's etcd simulator and its client, as madsim's users have them, under Stormglass's weather.

#![cfg_attr(not(madsim), allow(unused, reason = "there is no etcd outside madsim here"))]

#[cfg(madsim)]
mod storms;
#[cfg(madsim)]
mod workload;

stormglass::main!();
