//! Scenarios of the etcd simulator that comes with madsim: see `tests`.

#![forbid(unsafe_code)]
