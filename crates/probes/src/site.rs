//! A place in product code that has something to say.

use std::fmt;

/// What a place claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Property {
    /// It holds whenever it is looked at, and is looked at in some run.
    Always,
    /// It holds whenever it is looked at, if it ever is.
    AlwaysOrUnreached,
    /// It holds at least once in some run.
    Sometimes,
    /// The place is reached in some run.
    Reachable,
    /// The place is never reached.
    Unreachable,
    /// A rare path, taken on purpose.
    Buggify,
    /// A limit with rare sizes.
    Knob,
}

impl Property {
    /// The word for it in records and reports: the macro's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Property::Always => "always",
            Property::AlwaysOrUnreached => "always_or_unreached",
            Property::Sometimes => "sometimes",
            Property::Reachable => "reachable",
            Property::Unreachable => "unreachable",
            Property::Buggify => "buggify",
            Property::Knob => "knob",
        }
    }

    /// Whether a campaign that never met it has found something.
    #[must_use]
    pub const fn is_to_be_met(self) -> bool {
        matches!(self, Property::Always | Property::Sometimes | Property::Reachable)
    }

    /// Whether one observation that does not hold fails the run.
    #[must_use]
    pub const fn must_hold(self) -> bool {
        matches!(self, Property::Always | Property::AlwaysOrUnreached | Property::Unreachable)
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One such place. A static per macro call, collected when the binary is linked.
#[derive(Debug)]
pub struct Site {
    /// What it claims.
    pub property: Property,
    /// Its name: a sentence, the same in every version of the code. Places of one name and property count as one.
    pub name: &'static str,
    /// The module it is in.
    pub module: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line.
    pub line: u32,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.name)
    }
}
