//! Reading a report of etcd's robustness tests: a file of lines, or the folder that the tests leave, with `operations.json`
//! and `watch.json` of every client in a folder `client-N`.

use super::etcd::{EtcdReport, Line, line};
use super::judge::text_of;
use super::{FormatError, Place};
use crate::history::{Operation, Outcome};
use crate::model::EtcdRet;
use std::path::{Path, PathBuf};

/// Reads a report whose lines are operations, watches, or requests that the store kept, as etcd's tests write them.
/// `name` stands for the text in errors.
///
/// # Errors
/// The first line that is not as it must be, with line and column.
pub fn read_etcd_report(name: &str, text: &str) -> Result<EtcdReport, FormatError> {
    let mut report = EtcdReport::default();
    add(&mut report, name, text)?;
    Ok(report)
}

/// Reads the report in a folder: the files that end in `.json` there and in its folders `client-N`.
///
/// # Errors
/// A file or folder that cannot be read, and the first line that is not as it must be, with line and column.
pub fn read_etcd_folder(path: &Path) -> Result<EtcdReport, FormatError> {
    let mut report = EtcdReport::default();
    let mut folders: Vec<PathBuf> = entries(path)?.into_iter().filter(|path| path.is_dir()).collect();
    folders.retain(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("client-")));
    folders.push(path.to_owned());
    let mut found = false;
    for folder in folders {
        for file in entries(&folder)? {
            if file.extension().is_some_and(|extension| extension == "json") && file.is_file() {
                let name = file.display().to_string();
                let bytes =
                    std::fs::read(&file).map_err(|source| FormatError::Unreadable { file: name.clone(), source })?;
                add(&mut report, &name, &text_of(&name, bytes)?)?;
                found = true;
            }
        }
    }
    if found {
        return Ok(report);
    }
    let what = "the folder holds no report: expected client-0/operations.json, client-0/watch.json and the like";
    let source = std::io::Error::new(std::io::ErrorKind::NotFound, what);
    Err(FormatError::Unreadable { file: path.display().to_string(), source })
}

/// What a folder holds, in order of name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let unreadable = |source| FormatError::Unreadable { file: folder.display().to_string(), source };
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(unreadable)?.collect();
    let mut paths: Vec<PathBuf> = entries.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    Ok(paths)
}

fn add(report: &mut EtcdReport, name: &str, text: &str) -> Result<(), FormatError> {
    for (number, whole) in (1..).zip(text.lines()) {
        let json = whole.trim();
        if json.is_empty() {
            continue;
        }
        let before = whole.len() - whole.trim_start().len();
        let wrong = |(column, reason): (usize, String)| FormatError::Line {
            place: Place { file: name.to_owned(), line: number, column: before + column.max(1) },
            reason,
        };
        match line(json).map_err(wrong)? {
            None => {}
            Some(Line::Watch(watch)) => report.watches.push(watch),
            Some(Line::Persisted(op)) => report.persisted.get_or_insert_default().push(op),
            Some(Line::Operation(told)) => {
                let Some(outcome) = told.outcome else { continue };
                // What is known of an operation by other ways than its answer says nothing of when it ended.
                let returned = match &outcome {
                    Outcome::Ok(EtcdRet::Done { .. }) if told.op.is_txn() => Some(u64::MAX),
                    _ => Some(told.returned),
                };
                let process = told.client.into();
                let operation = Operation { process, call: told.call, returned, op: told.op, outcome };
                let pushed = report.operations.push(operation);
                pushed.map_err(|error| wrong((1, error.to_string())))?;
            }
        }
    }
    Ok(())
}
