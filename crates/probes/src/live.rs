//! The macros, in a simulation.

#[doc(hidden)]
#[macro_export]
macro_rules! __site {
    ($property:ident, $name:expr) => {{
        #[$crate::expansion::linkme::distributed_slice($crate::SITES)]
        #[linkme(crate = $crate::expansion::linkme)]
        static SITE: $crate::Site = $crate::Site {
            property: $crate::Property::$property,
            name: $name,
            module: ::core::module_path!(),
            file: ::core::file!(),
            line: ::core::line!(),
        };
        &SITE
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __compared {
    ($property:ident, $left:expr, $operator:tt, $right:expr, $name:expr) => {
        match (&$left, &$right) {
            (left, right) => $crate::expansion::observed(
                $crate::__site!($property, $name),
                *left $operator *right,
                ::core::option::Option::Some((left, right)),
                &|| ::std::format!("{left:?} {} {right:?} does not hold", ::core::stringify!($operator)),
            ),
        }
    };
}

/// It holds whenever it is looked at: `always!(condition, "name")`, and further arguments as `format!` takes them, said
/// where it does not. An observation that does not hold fails the run; a campaign that never looked has not tested it.
#[macro_export]
macro_rules! always {
    ($held:expr, $name:expr $(,)?) => {
        $crate::expansion::observed($crate::__site!(Always, $name), $held, ::core::option::Option::None, &|| {
            ::std::string::String::new()
        })
    };
    ($held:expr, $name:expr, $($detail:tt)+) => {
        $crate::expansion::observed($crate::__site!(Always, $name), $held, ::core::option::Option::None, &|| {
            ::std::format!($($detail)+)
        })
    };
}

/// As [`always!`], for a place that need not be reached.
#[macro_export]
macro_rules! always_or_unreached {
    ($held:expr, $name:expr $(,)?) => {
        $crate::expansion::observed($crate::__site!(AlwaysOrUnreached, $name), $held, ::core::option::Option::None, &|| {
            ::std::string::String::new()
        })
    };
    ($held:expr, $name:expr, $($detail:tt)+) => {
        $crate::expansion::observed($crate::__site!(AlwaysOrUnreached, $name), $held, ::core::option::Option::None, &|| {
            ::std::format!($($detail)+)
        })
    };
}

/// It holds at least once in some run: `sometimes!(condition, "name")`.
#[macro_export]
macro_rules! sometimes {
    ($held:expr, $name:expr $(,)?) => {
        $crate::expansion::observed($crate::__site!(Sometimes, $name), $held, ::core::option::Option::None, &|| {
            ::std::string::String::new()
        })
    };
    ($held:expr, $name:expr, $($detail:tt)+) => {
        $crate::expansion::observed($crate::__site!(Sometimes, $name), $held, ::core::option::Option::None, &|| {
            ::std::format!($($detail)+)
        })
    };
}

/// This place is reached in some run: `reachable!("name")`.
#[macro_export]
macro_rules! reachable {
    ($name:expr $(,)?) => {
        $crate::expansion::observed($crate::__site!(Reachable, $name), true, ::core::option::Option::None, &|| {
            ::std::string::String::new()
        })
    };
}

/// This place is never reached: `unreachable!("name")`, and further arguments as `format!` takes them. Unlike std's it does
/// not panic: it fails the run, and production goes on.
#[macro_export]
macro_rules! unreachable {
    ($name:expr $(,)?) => {
        $crate::expansion::observed($crate::__site!(Unreachable, $name), false, ::core::option::Option::None, &|| {
            ::std::string::String::new()
        })
    };
    ($name:expr, $($detail:tt)+) => {
        $crate::expansion::observed($crate::__site!(Unreachable, $name), false, ::core::option::Option::None, &|| {
            ::std::format!($($detail)+)
        })
    };
}

/// Whether to take a rare path on purpose: `buggify!("name")`, or `buggify!("name", 0.01)` for one call in a hundred instead
/// of one in four. A quarter of the runs that asked for it arm a place; in the others it is `false`.
#[macro_export]
macro_rules! buggify {
    ($name:expr $(,)?) => {
        $crate::buggify!($name, 0.25)
    };
    ($name:expr, $probability:expr $(,)?) => {
        $crate::expansion::armed($crate::__site!(Buggify, $name), $crate::expansion::millionths($probability))
    };
}

/// A limit: `knob!("name", default, [rare, sizes])`. In half of the runs that asked for it one of the rare sizes, the same
/// everywhere and throughout the run; otherwise the default.
#[macro_export]
macro_rules! knob {
    ($name:expr, $default:expr, [$($rare:expr),+ $(,)?] $(,)?) => {{
        let rare = [$($rare),+];
        match $crate::expansion::chosen($crate::__site!(Knob, $name), rare.len()) {
            ::core::option::Option::Some(chosen) => rare[chosen],
            ::core::option::Option::None => $default,
        }
    }};
}

/// As [`always!`]: the first is less than the second. Runs also say how close it came.
#[macro_export]
macro_rules! always_less_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Always, $left, <, $right, $name)
    };
}

/// As [`always!`]: the first is at most the second. Runs also say how close it came.
#[macro_export]
macro_rules! always_at_most {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Always, $left, <=, $right, $name)
    };
}

/// As [`always!`]: the first is greater than the second. Runs also say how close it came.
#[macro_export]
macro_rules! always_greater_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Always, $left, >, $right, $name)
    };
}

/// As [`always!`]: the first is at least the second. Runs also say how close it came.
#[macro_export]
macro_rules! always_at_least {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Always, $left, >=, $right, $name)
    };
}

/// As [`sometimes!`]: the first is less than the second. Runs also say how close it came.
#[macro_export]
macro_rules! sometimes_less_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Sometimes, $left, <, $right, $name)
    };
}

/// As [`sometimes!`]: the first is at most the second. Runs also say how close it came.
#[macro_export]
macro_rules! sometimes_at_most {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Sometimes, $left, <=, $right, $name)
    };
}

/// As [`sometimes!`]: the first is greater than the second. Runs also say how close it came.
#[macro_export]
macro_rules! sometimes_greater_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Sometimes, $left, >, $right, $name)
    };
}

/// As [`sometimes!`]: the first is at least the second. Runs also say how close it came.
#[macro_export]
macro_rules! sometimes_at_least {
    ($left:expr, $right:expr, $name:expr $(,)?) => {
        $crate::__compared!(Sometimes, $left, >=, $right, $name)
    };
}
