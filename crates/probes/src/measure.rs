//! Quantities whose distance from a limit can be told.

use std::time::Duration;

/// A quantity that numeric properties compare. Durations count in nanoseconds; what does not fit 64 bits is cut to what does.
pub trait Measure {
    /// The quantity as a number.
    fn measure(&self) -> i128;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Measure for $integer {
            fn measure(&self) -> i128 {
                i128::try_from(*self).unwrap_or(i128::MAX)
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl Measure for Duration {
    fn measure(&self) -> i128 {
        i128::try_from(self.as_nanos()).unwrap_or(i128::MAX)
    }
}

impl<M: Measure + ?Sized> Measure for &M {
    fn measure(&self) -> i128 {
        (**self).measure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_nanoseconds_and_wide_numbers_are_cut() {
        assert_eq!(Duration::from_micros(3).measure(), 3_000);
        assert_eq!((-7_i8).measure(), -7);
        assert_eq!(u128::MAX.measure(), i128::MAX);
        assert_eq!((&&5_u8).measure(), 5);
    }
}
