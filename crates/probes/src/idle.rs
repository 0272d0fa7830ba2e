//! The macros, outside: type-checked, and nothing that runs.

#[doc(hidden)]
#[macro_export]
macro_rules! __unused {
    ($held:expr, $name:expr $(, $($detail:tt)+)?) => {
        if false {
            let _: bool = $held;
            let _: &'static ::core::primitive::str = $name;
            $(let _ = ::core::format_args!($($detail)+);)?
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __uncompared {
    ($left:expr, $operator:tt, $right:expr, $name:expr) => {
        if false {
            let (left, right) = (&$left, &$right);
            let _: bool = *left $operator *right;
            let _: (&dyn $crate::Measure, &dyn $crate::Measure) = (left, right);
            let _: &'static ::core::primitive::str = $name;
        }
    };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! always {
    ($held:expr, $name:expr $(,)?) => { $crate::__unused!($held, $name) };
    ($held:expr, $name:expr, $($detail:tt)+) => { $crate::__unused!($held, $name, $($detail)+) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! always_or_unreached {
    ($held:expr, $name:expr $(,)?) => { $crate::__unused!($held, $name) };
    ($held:expr, $name:expr, $($detail:tt)+) => { $crate::__unused!($held, $name, $($detail)+) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! sometimes {
    ($held:expr, $name:expr $(,)?) => { $crate::__unused!($held, $name) };
    ($held:expr, $name:expr, $($detail:tt)+) => { $crate::__unused!($held, $name, $($detail)+) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! reachable {
    ($name:expr $(,)?) => {
        $crate::__unused!(true, $name)
    };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! unreachable {
    ($name:expr $(,)?) => { $crate::__unused!(true, $name) };
    ($name:expr, $($detail:tt)+) => { $crate::__unused!(true, $name, $($detail)+) };
}

/// `false`: this build is no simulation's.
#[macro_export]
macro_rules! buggify {
    ($name:expr $(,)?) => {
        $crate::buggify!($name, 0.25)
    };
    ($name:expr, $probability:expr $(,)?) => {{
        $crate::__unused!($probability < 1.0_f64, $name);
        false
    }};
}

/// The default: this build is no simulation's.
#[macro_export]
macro_rules! knob {
    ($name:expr, $default:expr, [$($rare:expr),+ $(,)?] $(,)?) => {
        if false {
            let _: &'static ::core::primitive::str = $name;
            [$($rare),+][0]
        } else {
            $default
        }
    };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! always_less_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, <, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! always_at_most {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, <=, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! always_greater_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, >, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! always_at_least {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, >=, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! sometimes_less_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, <, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! sometimes_at_most {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, <=, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! sometimes_greater_than {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, >, $right, $name) };
}

/// Nothing: this build is no simulation's.
#[macro_export]
macro_rules! sometimes_at_least {
    ($left:expr, $right:expr, $name:expr $(,)?) => { $crate::__uncompared!($left, >=, $right, $name) };
}
