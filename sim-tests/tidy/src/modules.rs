//! Files that no `mod` leads to: code that nobody compiles.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::closing;
use crate::{Finding, Source};

/// Every file that is no root of a target and that no other file declares as its module.
pub fn dead_files(sources: &[Source]) -> Vec<Finding> {
    let by_path: BTreeMap<&str, &Source> = sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<(String, bool)> =
        sources.iter().filter(|source| is_root(source)).map(|source| (source.path.clone(), true)).collect();
    while let Some((path, is_root)) = next.pop() {
        let Some(source) = by_path.get(path.as_str()) else { continue };
        if reached.insert(path) {
            let declared = declarations(source, is_root);
            next.extend(declared.into_iter().map(|file| (file, false)));
        }
    }
    let dead = sources.iter().filter(|source| !reached.contains(&source.path));
    dead.map(|source| Finding {
        path: source.path.clone(),
        line: 1,
        what: "no `mod` leads to this file".to_owned(),
        instead: "declare it or delete it".to_owned(),
    })
    .collect()
}

/// Whether cargo takes a file for the root of a target.
fn is_root(source: &Source) -> bool {
    let rest = source.path[source.package().len()..].trim_start_matches('/');
    let parts: Vec<&str> = rest.split('/').collect();
    match parts[..] {
        ["src", "lib.rs" | "main.rs"] | ["build.rs"] => true,
        ["src", "bin", _] | ["tests" | "benches" | "examples", _] => true,
        ["src", "bin", _, "main.rs"] | ["tests" | "benches" | "examples", _, "main.rs"] => true,
        // A path without any of these folders: a build script, or a target of cargo-fuzz.
        _ => source.path.ends_with("/build.rs") || source.path.contains("/fuzz/fuzz_targets/"),
    }
}

/// The files that a file's `mod name;` stand for; each may be in either of two places.
fn declarations(source: &Source, is_root: bool) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let own = match file {
        "mod.rs" => folder.to_owned(),
        _ if is_root => folder.to_owned(),
        file => format!("{folder}/{}", file.trim_end_matches(".rs")),
    };
    let mut files = Vec::new();
    within(source, 0..source.code.len(), folder, &own, &mut files);
    files
}

/// Looks for declarations in a part of a file whose modules are in `own`; a `#[path]` counts from `folder`.
fn within(source: &Source, range: std::ops::Range<usize>, folder: &str, own: &str, files: &mut Vec<String>) {
    let code = &source.code;
    let mut at = range.start;
    while let Some(found) = code[at..range.end].find("mod ") {
        let start = at + found;
        at = start + 4;
        if code[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let after = at + name.len();
        let rest = code[after..].trim_start();
        if rest.starts_with('{') {
            let open = code.len() - rest.len();
            let end = closing(code, open);
            let inner = format!("{own}/{name}");
            within(source, open..end, &inner, &inner, files);
            at = end;
        } else if rest.starts_with(';') && !name.is_empty() {
            match path_attribute(source, start) {
                Some(path) => files.push(normal(&format!("{folder}/{path}"))),
                None => files.extend([format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")]),
            }
            // Where only one of two platforms has a `#[path]`, both files are declared under one name.
        }
    }
}

/// What `#[path = "…"]` says among the attributes before a declaration.
fn path_attribute(source: &Source, before: usize) -> Option<String> {
    let item = source.code[..before].rfind([';', '}', '{']).map_or(0, |end| end + 1);
    let attribute = item + source.code[item..before].find("#[path")?;
    let (_, text) = source.text[attribute..].split_once('"')?;
    Some(text.split_once('"')?.0.to_owned())
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(*path, *text)).collect();
        dead_files(&sources).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_file_that_nobody_declares_is_dead_and_so_is_what_it_declares() {
        let lib = ("crates/x/src/lib.rs", "//! X.\nmod a;\n// mod b;\npub(crate) mod c { mod d; }");
        let files = [
            lib,
            ("crates/x/src/a.rs", "mod e;"),
            ("crates/x/src/a/e.rs", ""),
            ("crates/x/src/b.rs", "mod f;"),
            ("crates/x/src/b/f.rs", ""),
            ("crates/x/src/c/d.rs", ""),
            ("crates/x/tests/suite/main.rs", "mod common;"),
            ("crates/x/tests/suite/common.rs", ""),
            ("crates/x/tests/suite/left.rs", ""),
        ];
        assert_eq!(dead(&files), ["crates/x/src/b.rs", "crates/x/src/b/f.rs", "crates/x/tests/suite/left.rs"]);
    }

    #[test]
    fn a_path_attribute_leads_elsewhere() {
        let files = [
            ("crates/x/src/lib.rs", "#[cfg(unix)]\nmod a;\n#[cfg(not(unix))]\n#[path = \"no_a.rs\"]\nmod a;"),
            ("crates/x/src/a.rs", ""),
            ("crates/x/src/no_a.rs", ""),
            ("crates/x/tests/t.rs", "#[path = \"../far/away.rs\"]\nmod away;"),
            ("crates/x/far/away.rs", ""),
        ];
        assert_eq!(dead(&files), [""; 0]);
    }
}
