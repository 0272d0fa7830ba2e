//! What every text is owed, whatever it is: a verdict, or an error that names a place within it.

use stormglass_check::Budget;
use stormglass_check::format::{CheckOptions, Format, FormatError, ModelName, Objects, judge_text};

/// How a text was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// As histories, with a verdict.
    pub(crate) judged: u64,
    /// As no history.
    pub(crate) refused: u64,
}

/// Reads `text` in every format, and in the one it looks like, and judges it against every model.
pub(crate) fn in_every_format(text: &str) -> Answers {
    let mut answers = Answers::default();
    for format in Format::ALL.map(Some).into_iter().chain([None]) {
        let more = in_format(text, format);
        answers.judged += more.judged;
        answers.refused += more.refused;
    }
    answers
}

/// Reads `text` in this format, or in the one it looks like, and judges it against every model.
pub(crate) fn in_format(text: &str, format: Option<Format>) -> Answers {
    let mut answers = Answers::default();
    for model in ModelName::ALL {
        if judged(text, format, model) { answers.judged += 1 } else { answers.refused += 1 }
    }
    answers
}

fn judged(text: &str, format: Option<Format>, model: ModelName) -> bool {
    let budget = Budget { steps: 2_000, bytes: 1 << 20 };
    let objects = Objects {
        permits: Some(2),
        versions: Some(2),
        accounts: [("0".to_owned(), 10), ("a".to_owned(), 10)].into(),
        ..Objects::default()
    };
    let options = CheckOptions { budget, format, picture: true, revisions: true, objects, ..CheckOptions::default() };
    match judge_text("noise", text, model, options) {
        Ok(_) => true,
        Err(FormatError::Line { place, reason }) => {
            let lines: Vec<&str> = text.split('\n').collect();
            let width = lines.get(place.line - 1).map_or(0, |line| line.len());
            let within = place.line <= lines.len() + 1 && (1..=width + 2).contains(&place.column);
            assert!(within && !reason.is_empty(), "{}:{}: {reason}\n{text:?}", place.line, place.column);
            false
        }
        Err(_) => false,
    }
}
