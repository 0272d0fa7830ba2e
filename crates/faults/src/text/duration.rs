//! Durations in plans: exact to the nanosecond, with the unit that reads best.

use std::time::Duration;

const UNITS: [(&str, u128, usize); 7] = [
    ("ns", 1, 0),
    ("us", 1_000, 3),
    ("µs", 1_000, 3),
    ("ms", 1_000_000, 6),
    ("s", 1_000_000_000, 9),
    ("m", 60_000_000_000, 9),
    ("h", 3_600_000_000_000, 9),
];

/// Reads `3.2s`, `150ms`, `2m`; `None` if it is none, finer than a nanosecond or too long for a [`Duration`].
pub(super) fn read(text: &str) -> Option<Duration> {
    let unit_at = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let (_, nanos, decimals_max) = *UNITS.iter().find(|(name, ..)| *name == unit)?;
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals.trim_end_matches('0')),
        Some(_) => return None,
        None => (number, ""),
    };
    if decimals.len() > decimals_max || decimals.contains('.') {
        return None;
    }
    // A unit is a multiple of the power of ten that its decimals need, so that the division is exact.
    let fraction = if decimals.is_empty() { 0 } else { decimals.parse::<u128>().ok()? };
    let fraction = fraction.checked_mul(nanos)? / 10u128.pow(decimals.len() as u32);
    let total = whole.parse::<u128>().ok()?.checked_mul(nanos)?.checked_add(fraction)?;
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (total % 1_000_000_000) as u32))
}

/// Writes in the largest unit of which there is at least one: `3.2s`, `150ms`, `12.5us`.
pub(super) fn write(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 3, 0, "us"),
        1_000_000..1_000_000_000 => decimal(nanos, 6, 0, "ms"),
        _ => decimal(nanos, 9, 0, "s"),
    }
}

/// Writes an instant in seconds with at least milliseconds, so that the instants of a plan can be compared at a glance.
pub(super) fn write_instant(instant: Duration) -> String {
    decimal(instant.as_nanos(), 9, 3, "s")
}

fn decimal(nanos: u128, digits: usize, digits_min: usize, unit: &str) -> String {
    let scale = 10u128.pow(digits as u32);
    let mut decimals = format!("{:0digits$}", nanos % scale);
    let used = decimals.trim_end_matches('0').len().max(digits_min);
    decimals.truncate(used);
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{point}{decimals}{unit}", nanos / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_in_the_unit_that_reads_best_and_parse_back() {
        for (nanos, text) in [
            (0, "0s"),
            (7, "7ns"),
            (20_000, "20us"),
            (12_500, "12.5us"),
            (150_000_000, "150ms"),
            (150_250_001, "150.250001ms"),
            (3_200_000_000, "3.2s"),
            (3_600_000_000_000, "3600s"),
        ] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(write(duration), text);
            assert_eq!(read(text), Some(duration));
            assert_eq!(read(&write_instant(duration)), Some(duration));
        }
        assert_eq!(write_instant(Duration::from_millis(12_400)), "12.400s");
        assert_eq!(read(&write(Duration::MAX)), Some(Duration::MAX));
    }

    #[test]
    fn minutes_hours_and_the_greek_letter_are_read() {
        assert_eq!(read("2m"), Some(Duration::from_secs(120)));
        assert_eq!(read("1.5h"), Some(Duration::from_secs(5_400)));
        assert_eq!(read("5µs"), read("5us"));
        assert_eq!(read("0.000000001m"), Some(Duration::from_nanos(60)));
    }

    #[test]
    fn what_is_no_exact_duration_is_none() {
        for text in ["", "s", "5", "5 s", ".5s", "5.s", "1.2.3s", "0.5ns", "-1s", "1x", "18446744073709551616s"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
