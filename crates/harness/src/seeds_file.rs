//! Seeds files: `seeds/<scenario>.toml`, the seeds a project has decided to keep. People edit them, so every mistake is
//! answered with its place and with what was expected, and pinning a seed leaves comments and layout as they were.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::Seed;

/// The version of the format that this crate reads and writes.
pub const SEEDS_FORMAT: i64 = 1;

/// What a pinned seed is expected to come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// It passes: a regression, or a seed worth keeping for what it covers.
    #[default]
    Pass,
    /// It fails: a known bug, or a planted one that must be found.
    Fail,
}

impl Expectation {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Expectation::Pass => "pass",
            Expectation::Fail => "fail",
        }
    }
}

/// One `[[seed]]` of a seeds file: a seed, and what else the run is a function of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedSeed {
    /// The seed.
    pub seed: Seed,
    /// Why it is kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Decisions pinned by key, each `KEY=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Faults left out of the plan, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Named parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// What it is expected to come to.
    #[serde(default)]
    pub expect: Expectation,
    /// The digest at the time of pinning, in hex. It belongs to the binary of that day, so it is kept for the reader
    /// and never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The day it was pinned, as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
}

impl PinnedSeed {
    /// `seed` with nothing else, expected to pass.
    pub fn new(seed: Seed) -> Self {
        PinnedSeed {
            seed,
            note: String::new(),
            overrides: Vec::new(),
            drop: Vec::new(),
            params: BTreeMap::new(),
            expect: Expectation::Pass,
            digest: None,
            added: None,
        }
    }

    /// Whether `other` asks for the same run.
    pub fn same_run(&self, other: &PinnedSeed) -> bool {
        self.seed == other.seed
            && self.overrides == other.overrides
            && self.drop == other.drop
            && self.params == other.params
    }
}

/// What is wrong with a seeds file.
#[derive(Debug, thiserror::Error)]
pub enum SeedsFileError {
    /// It could not be read or written.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// The file.
        path: String,
        /// `read it` or `write it`.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A line is not what the format allows.
    #[error("{path}:{line}:{column}: {what}\n  {text}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong, and what was expected.
        what: String,
        /// The line itself.
        text: String,
    },
    /// It has another format version.
    #[error("{path}: this is version {found} of the seeds format and this program reads version {SEEDS_FORMAT}")]
    Version {
        /// The file.
        path: String,
        /// The version it states.
        found: i64,
    },
    /// It states no format version.
    #[error("{path}:1:1: expected `format = {SEEDS_FORMAT}` before the first [[seed]]")]
    NoVersion {
        /// The file.
        path: String,
    },
    /// Two entries ask for one run.
    #[error("{path}: seed {seed} is pinned twice with the same overrides, drops and parameters; remove one entry")]
    Twice {
        /// The file.
        path: String,
        /// The seed.
        seed: Seed,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    // Read and checked on its own, before anything else is looked at.
    #[serde(rename = "format")]
    _format: toml::Spanned<i64>,
    #[serde(default)]
    seed: Vec<PinnedSeed>,
}

/// Where the seeds file of `scenario` lies in the folder `seeds`.
pub fn seeds_path(seeds: &Path, scenario: &str) -> PathBuf {
    seeds.join(format!("{scenario}.toml"))
}

/// The pinned seeds of a file, in the file's order; `None` where there is no such file.
///
/// # Errors
///
/// [`SeedsFileError`] with file, line, column and expectation. No line is ever skipped.
pub fn read_seeds(path: &Path) -> Result<Option<Vec<PinnedSeed>>, SeedsFileError> {
    match fs::read_to_string(path) {
        Ok(text) => parse_seeds(path, &text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SeedsFileError::Io { path: path.display().to_string(), doing: "read it", source }),
    }
}

/// The pinned seeds in `text`, which came from `path`.
///
/// # Errors
///
/// As [`read_seeds`].
pub fn parse_seeds(path: &Path, text: &str) -> Result<Vec<PinnedSeed>, SeedsFileError> {
    let shown = || path.display().to_string();
    // The version comes first: a file of another version may be wrong in every other way and still be a good file.
    let table: toml::Table = toml::from_str(text).map_err(|error| at_line(path, text, &error))?;
    match table.get("format") {
        Some(toml::Value::Integer(version)) if *version == SEEDS_FORMAT => {}
        Some(toml::Value::Integer(version)) => {
            return Err(SeedsFileError::Version { path: shown(), found: *version });
        }
        Some(_) => {} // The typed parse below names the place.
        None => return Err(SeedsFileError::NoVersion { path: shown() }),
    }
    let contents: Contents = toml::from_str(text).map_err(|error| at_line(path, text, &error))?;
    for (index, pinned) in contents.seed.iter().enumerate() {
        if contents.seed[..index].iter().any(|earlier| earlier.same_run(pinned)) {
            return Err(SeedsFileError::Twice { path: shown(), seed: pinned.seed });
        }
    }
    Ok(contents.seed)
}

fn at_line(path: &Path, text: &str, error: &toml::de::Error) -> SeedsFileError {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..offset).unwrap_or("");
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or("").chars().count();
    SeedsFileError::Line {
        path: path.display().to_string(),
        line: line + 1,
        column: column + 1,
        what: error.message().replace('\n', "; "),
        text: text.lines().nth(line).unwrap_or("").to_owned(),
    }
}

/// Adds `pinned` at the end of the file at `path`, making the file if there is none, and leaves all else byte for byte
/// as it was. `Ok(false)` where the same run is pinned already.
///
/// # Errors
///
/// Where the file as it stands cannot be read, or the new one cannot be written. The old one then stays.
pub fn pin(path: &Path, pinned: &PinnedSeed) -> Result<bool, SeedsFileError> {
    let io_error = |doing, source| SeedsFileError::Io { path: path.display().to_string(), doing, source };
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("format = {SEEDS_FORMAT}\n"),
        Err(source) => return Err(io_error("read it", source)),
    };
    if parse_seeds(path, &text)?.iter().any(|known| known.same_run(pinned)) {
        return Ok(false);
    }
    let entry = toml::to_string(pinned).map_err(|error| io_error("write it", io::Error::other(error)))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    // A table of its own would end the entry early, so parameters are written inline.
    text.push_str("\n[[seed]]\n");
    text.push_str(&inline_params(&entry, &pinned.params));
    // What is about to replace a file that people edit must itself be readable.
    parse_seeds(path, &text)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|source| io_error("write it", source))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|source| io_error("write it", source))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|source| io_error("write it", source))?;
    file.persist(path).map_err(|error| io_error("write it", error.error))?;
    Ok(true)
}

fn inline_params(entry: &str, params: &BTreeMap<String, String>) -> String {
    let mut lines: String = entry.split("\n[params]").next().unwrap_or(entry).trim_end().to_owned();
    if !params.is_empty() {
        // The serialiser knows how to quote; only the layout is ours.
        let pairs: Vec<String> = params
            .iter()
            .map(|(key, value)| {
                format!("{} = {}", toml::Value::String(key.clone()), toml::Value::String(value.clone()))
            })
            .collect();
        lines.push_str(&format!("\nparams = {{ {} }}", pairs.join(", ")));
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<PinnedSeed>, SeedsFileError> {
        parse_seeds(Path::new("seeds/kv.toml"), text)
    }

    #[test]
    fn a_full_entry_is_read_whole() {
        let text = "format = 1\n\n[[seed]]\nseed = \"0x2a\"\nnote = \"why\"\noverrides = [\"a=1\"]\ndrop = [\"f1\"]\nparams = { planted = \"M02\" }\nexpect = \"fail\"\ndigest = \"ab\"\nadded = \"2026-01-02\"\n";
        let seeds = parse(text).unwrap();
        assert_eq!(seeds.len(), 1);
        assert_eq!(seeds[0].seed, Seed(42));
        assert_eq!(seeds[0].params["planted"], "M02");
        assert_eq!(seeds[0].expect, Expectation::Fail);
    }

    #[test]
    fn every_mistake_names_file_line_column_and_expectation() {
        let cases = [
            ("format = 1\n[[seed]]\nseed = 7\n", "seeds/kv.toml:3:8: ", "expected a string"),
            ("format = 1\n[[seed]]\nseed = \"zz\"\n", "seeds/kv.toml:3:8: ", "`zz`"),
            ("format = 1\n[[seed]]\nseeed = \"1\"\n", "seeds/kv.toml:3:1: ", "`seed`"),
            ("format = 1\n[[seed]]\nseed = \"1\"\nexpect = \"maybe\"\n", "seeds/kv.toml:4:10: ", "`pass` or `fail`"),
            ("format = 1\n[[seed]]\nnote = \"no seed\"\n", "seeds/kv.toml:2:1: ", "missing field `seed`"),
            ("format = 1\n[[seed]\n", "seeds/kv.toml:2:", "]"),
            ("[[seed]]\nseed = \"1\"\n", "seeds/kv.toml:1:1: ", "format = 1"),
            ("format = 2\nwhatever = 3\n", "seeds/kv.toml: ", "version 2"),
            ("format = \"1\"\n", "seeds/kv.toml:1:10: ", "expected i64"),
        ];
        for (text, place, expectation) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{text:?}: {error}");
            assert!(error.contains(expectation), "{text:?}: {error}");
        }
    }

    #[test]
    fn one_run_is_pinned_once() {
        let error = parse("format = 1\n[[seed]]\nseed = \"1\"\n[[seed]]\nseed = \"0x1\"\n").unwrap_err();
        assert!(error.to_string().contains("pinned twice"), "{error}");
        assert_eq!(
            parse("format = 1\n[[seed]]\nseed = \"1\"\n[[seed]]\nseed = \"1\"\noverrides = [\"a=1\"]\n").unwrap().len(),
            2
        );
    }

    #[test]
    fn pinning_keeps_what_was_there_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv.toml");
        let before = "# ours\nformat = 1   # the first\n\n[[seed]]\nseed = \"1\" # kept for its partitions";
        fs::write(&path, before).unwrap();
        let mut pinned = PinnedSeed::new(Seed(2));
        pinned.note = "a \"quoted\" note".to_owned();
        pinned.overrides = vec!["net.delay n1>n3 tcp#4=5".to_owned()];
        pinned.params.insert("planted".to_owned(), "M02".to_owned());
        pinned.expect = Expectation::Fail;
        assert!(pin(&path, &pinned).unwrap());
        assert!(!pin(&path, &pinned).unwrap(), "the second time changes nothing");
        let after = fs::read_to_string(&path).unwrap();
        assert!(after.starts_with(before), "{after}");
        let seeds = read_seeds(&path).unwrap().unwrap();
        assert_eq!(seeds[1], pinned);
    }

    #[test]
    fn pinning_makes_the_file_and_refuses_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seeds/new.toml");
        assert_eq!(read_seeds(&path).unwrap(), None);
        assert!(pin(&path, &PinnedSeed::new(Seed(7))).unwrap());
        assert_eq!(read_seeds(&path).unwrap().unwrap(), [PinnedSeed::new(Seed(7))]);
        fs::write(&path, "format = 1\n[[seed]]\nseed = 7\n").unwrap();
        assert!(pin(&path, &PinnedSeed::new(Seed(8))).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "format = 1\n[[seed]]\nseed = 7\n");
    }
}
