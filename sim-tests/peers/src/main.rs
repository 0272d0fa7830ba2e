//! Runs every arm on every row, several rounds in turn, and prints the table: units per CPU second, and how far Stormglass
//! is from the best of the others.
//!
//! Arms are built by cargo, each with the features and flags of its own. They take turns within a round, so that a busy
//! machine is busy for all of them, and the median of the rounds counts.

#![forbid(unsafe_code)]

mod arms;
mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser;
use measure::{Measured, Row};

use crate::arms::{ARMS, Arm, ArmError};

/// Stormglass beside the other simulation runtimes.
#[derive(Parser)]
struct Arguments {
    /// How often each arm does each row; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these rows.
    #[arg(long = "row", value_name = "ROW", value_parser = row)]
    rows: Vec<Row>,
    /// Exit with 1 unless Stormglass is ahead in every row.
    #[arg(long)]
    check: bool,
}

fn row(name: &str) -> Result<Row, String> {
    Row::named(name).ok_or_else(|| format!("one of {}", Row::ALL.map(Row::name).join(", ")))
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(70)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, ArmError> {
    let arms: Vec<Arm> = ARMS.iter().map(arms::build).collect::<Result<_, _>>()?;
    let rows = if arguments.rows.is_empty() { Row::ALL.to_vec() } else { arguments.rows.clone() };
    let mut behind = false;
    let mut lines = Vec::new();
    for row in rows {
        eprintln!("{}", row.title());
        let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for _ in 0..arguments.rounds.max(1) {
            for arm in &arms {
                if let Some(rate) = arm.measure(row)?.as_ref().map(Measured::rate) {
                    rates.entry(arm.name).or_default().push(rate);
                }
            }
        }
        let line = table::Line::new(row, rates);
        behind |= line.ratio().is_some_and(|ratio| ratio <= 1.0);
        lines.push(line);
    }
    println!("{}", table::render(&lines));
    Ok(if arguments.check && behind { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
