//! What a behaviour is: a small program, and the words of all that it is to see.

use std::future::Future;
use std::pin::Pin;

/// One run of a behaviour, in a directory of its own.
pub(crate) type Behaviour = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// Lists behaviours: a name, what it sees, and the body of an `async` program.
macro_rules! behaviours {
    ($($name:ident => $expected:expr, |$dir:ident, $saw:ident| $body:block)*) => {
        /// The behaviours of this file.
        pub(crate) const BEHAVIOURS: &[(&str, &[&str], fn(PathBuf) -> Behaviour)] =
            &[$((stringify!($name), &$expected, $name)),*];
        $(fn $name($dir: PathBuf) -> Behaviour {
            Box::pin(async move {
                let mut $saw = Vec::new();
                $body
                $saw
            })
        })*
    };
}

macro_rules! saw {
    ($saw:ident, $result:expr) => {
        $saw.push(word($result))
    };
}
