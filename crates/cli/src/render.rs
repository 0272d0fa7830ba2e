//! How things look: the palette, errors and warnings, and the block of one seed.

use anstyle::{AnsiColor, Style};
use stormglass_harness::{BlockStyles, Status};

use crate::error::CliError;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const COMMAND: Style = AnsiColor::Cyan.on_default();
pub(crate) const LABEL: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// The colour of a status.
pub(crate) fn of_status(status: Status) -> Style {
    match status {
        Status::Pass => GOOD,
        Status::Fail | Status::Nondeterministic => BAD,
        Status::Unknown | Status::Killed => DOUBTFUL,
    }
}

/// The colours of a failure block.
pub(crate) fn block_styles(status: Status) -> BlockStyles {
    BlockStyles { verdict: of_status(status), label: LABEL, command: COMMAND, dim: DIM }
}

/// Prints an error and its hint.
pub(crate) fn error(error: &CliError) {
    anstream::eprintln!("{BAD}error:{BAD:#} {}", error.message);
    if !error.hint.is_empty() {
        anstream::eprintln!(" {COMMAND}hint:{COMMAND:#} {}", error.hint);
    }
}

/// Prints a warning.
pub(crate) fn warning(text: &str) {
    anstream::eprintln!("{DOUBTFUL}warning:{DOUBTFUL:#} {text}");
}

/// A duration in seconds as a person reads it: three significant digits and a fitting unit.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        v if v >= 7200.0 => format!("{:.1} h", v / 3600.0),
        v if v >= 120.0 => format!("{:.1} min", v / 60.0),
        v if v >= 1.0 => format!("{v:.2} s"),
        v if v >= 1e-3 => format!("{:.2} ms", v * 1e3),
        v => format!("{:.1} µs", v * 1e6),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn count(value: u128) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(seconds(0.000_012_34), "12.3 µs");
        assert_eq!(seconds(0.0123), "12.30 ms");
        assert_eq!(seconds(61.0), "61.00 s");
        assert_eq!(seconds(9000.0), "2.5 h");
        assert_eq!(mebibytes(3 << 20), "3.0 MiB");
    }
}
