//! The behaviours, by kind of socket.

mod tcp;
mod udp;
mod unix;

use super::Behaviour;

/// A list of behaviours: `name: |folder| { statements; text }`.
macro_rules! behaviours {
    ($($name:ident: |$folder:ident| $body:block)*) => {
        pub(super) fn all() -> Vec<super::Behaviour> {
            vec![$((stringify!($name), |$folder: std::path::PathBuf| Box::pin(async move { let _ = &$folder; $body }))),*]
        }
    };
}
use behaviours;

pub(super) fn all() -> Vec<Behaviour> {
    [tcp::all(), udp::all(), unix::all()].concat()
}

/// A result as text: the value, or the error's kind and number.
fn text<T: std::fmt::Debug>(result: std::io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?} {:?}", error.kind(), error.raw_os_error()),
    }
}
