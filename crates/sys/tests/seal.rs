//! x
#[test]
fn selftest() { if let Err(e)=stormglass_sys::seal::selftest() { panic!("{e}"); } }
