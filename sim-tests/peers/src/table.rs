//! The table: a row per kind of work, a column per runtime, and the ratio that matters.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use measure::Row;

use crate::arms::{ARMS, OURS, Source};

/// One row: the median of each runtime.
pub(crate) struct Line {
    row: Row,
    medians: BTreeMap<&'static str, f64>,
}

impl Line {
    pub(crate) fn new(row: Row, rates: BTreeMap<&'static str, Vec<f64>>) -> Self {
        Self { row, medians: rates.into_iter().map(|(arm, rates)| (arm, median(rates))).collect() }
    }

    /// Stormglass's figure over the best of the others; `None` where there is no other.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let best = self.medians.iter().filter(|(arm, _)| **arm != OURS).map(|(_, &rate)| rate).reduce(f64::max)?;
        Some(self.medians.get(OURS)? / best)
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The table as text that is Markdown too.
pub(crate) fn render(lines: &[Line]) -> Table {
    let names = ARMS.iter().map(Source::name);
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let header = ["per CPU second"].into_iter().chain(names.clone()).chain(["ahead of the best other"]);
    table.set_header(header.collect::<Vec<_>>());
    for line in lines {
        let rates = names.clone().map(|arm| line.medians.get(arm).map_or("–".to_owned(), |&rate| short(rate)));
        let ratio = line.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2}×"));
        table.add_row([line.row.title().to_owned()].into_iter().chain(rates).chain([ratio]).collect::<Vec<_>>());
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// Three digits and a unit.
fn short(rate: f64) -> String {
    let (scaled, unit) = match rate {
        r if r >= 1e9 => (r / 1e9, " G"),
        r if r >= 1e6 => (r / 1e6, " M"),
        r if r >= 1e3 => (r / 1e3, " k"),
        r => (r, ""),
    };
    let digits = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    format!("{scaled:.digits$}{unit}")
}
