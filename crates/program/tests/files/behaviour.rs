//! What a behaviour is: a name, and what it sees, in words.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// One behaviour of a file system.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Path) -> Vec<String>,
}

/// A list of behaviours, each a function of an empty directory that gives what it saw.
macro_rules! behaviours {
    ($($name:ident |$dir:ident, $saw:ident| $body:block)*) => {
        pub(crate) const ALL: &[$crate::behaviour::Behaviour] =
            &[$($crate::behaviour::Behaviour { name: stringify!($name), run: $name }),*];
        $(fn $name($dir: &std::path::Path) -> Vec<String> {
            let mut $saw = $crate::behaviour::Saw::default();
            $body
            $saw.0
        })*
    };
}
pub(crate) use behaviours;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Saw(pub(crate) Vec<String>);

impl Saw {
    /// Notes a value.
    pub(crate) fn value(&mut self, value: impl Debug) {
        self.0.push(format!("{value:?}"));
    }

    /// Notes a result: the value, or the number of the error.
    pub(crate) fn io<T: Debug>(&mut self, result: io::Result<T>) {
        self.0.push(match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => word(&error),
        });
    }

    /// Notes whether it worked, or the number of the error.
    pub(crate) fn done<T>(&mut self, result: io::Result<T>) {
        self.io(result.map(drop));
    }

    /// Notes what libc said.
    pub(crate) fn libc<T: Debug>(&mut self, result: nix::Result<T>) {
        self.0.push(match result {
            Ok(value) => format!("{value:?}"),
            Err(errno) => format!("errno {}", errno as i32),
        });
    }

    /// As [`Saw::libc`], of a value that is not the same everywhere.
    pub(crate) fn libc_done<T>(&mut self, result: nix::Result<T>) {
        self.libc(result.map(drop));
    }

    /// Notes a file's bytes as text.
    pub(crate) fn text(&mut self, path: impl AsRef<Path>) {
        self.io(std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }

    /// Notes a directory's names, in order.
    pub(crate) fn names(&mut self, dir: impl AsRef<Path>) {
        let names = std::fs::read_dir(dir).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect::<io::Result<Vec<String>>>()
        });
        self.io(names.map(|mut names| {
            names.sort();
            names
        }));
    }
}

fn word(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| format!("{:?}", error.kind()), |number| format!("errno {number}"))
}
