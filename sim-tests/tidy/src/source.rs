//! A source file: its text, and its code with comments and the insides of strings blanked out.

use std::fs;
use std::io;
use std::path::Path;

/// Folders of the workspace that hold Rust.
const FOLDERS: [&str; 2] = ["crates", "sim-tests"];

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path relative to the workspace, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// The same, byte for byte as long, with spaces for comments and for what is between quotes.
    pub code: String,
}

impl Source {
    /// A file with this text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { path: path.into(), code: code_of(&text), text }
    }

    /// The line, from 1, that a byte of the text is in.
    pub fn line_at(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// The name of its package's folder, such as `crates/kernel`.
    pub fn package(&self) -> &str {
        let roots = ["/src/", "/tests/", "/benches/", "/examples/"];
        let end = roots.iter().filter_map(|root| self.path.find(root)).min();
        &self.path[..end.unwrap_or(0)]
    }

    /// Whether the whole file is for tests.
    pub fn is_test(&self) -> bool {
        let rest = &self.path[self.package().len()..];
        !rest.starts_with("/src/") || rest.ends_with("/tests.rs") || rest.ends_with("/testing.rs")
    }

    /// Where `#[cfg(test)]` modules are, as ranges of bytes.
    pub fn test_ranges(&self) -> Vec<std::ops::Range<usize>> {
        let mut ranges = Vec::new();
        let mut from = 0;
        while let Some(found) = self.code[from..].find("#[cfg(test)]") {
            let start = from + found;
            let Some(open) = self.code[start..].find(['{', ';']).map(|at| start + at) else { break };
            let end = if self.code.as_bytes()[open] == b'{' { closing(&self.code, open) } else { open };
            ranges.push(start..end);
            from = end.max(start + 1);
        }
        ranges
    }
}

/// The end of the block that opens at `open`.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    code.len()
}

/// Every Rust file of the workspace at `root`, in order.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn workspace(root: &Path) -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        collect(root, folder, &mut sources)?;
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn collect(root: &Path, folder: &str, sources: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                collect(root, &path, sources)?;
            }
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(entry.path())?;
            sources.push(Source::new(path, text));
        }
    }
    Ok(())
}

/// Blanks out comments, and what is between quotes.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
            b'r' if !is_word_before(bytes, at) || bytes.get(at.wrapping_sub(1)) == Some(&b'b') => {
                raw_string_end(bytes, at)
            }
            b'"' => string_end(bytes, at),
            b'\'' => char_end(bytes, at),
            _ => at,
        };
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Whole characters are blanked out, never parts of one, so that this stays text.
    String::from_utf8_lossy(&code).into_owned()
}

fn is_word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |n| at + n)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut at) = (0, at);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// The end of a raw string that begins at `at`; `at` itself where none does.
fn raw_string_end(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return at;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let inside = at + 2 + hashes;
    let found = bytes[inside..].windows(close.len()).position(|window| window == close);
    found.map_or(bytes.len(), |n| inside + n + close.len())
}

/// The end of a character that begins at `at`; `at` itself where it is a lifetime.
fn char_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let end = bytes[at + 3..].iter().position(|&byte| byte == b'\'');
        return end.map_or(bytes.len(), |n| at + 4 + n);
    }
    // A character is at most four bytes; a lifetime has no quote behind it.
    let width = bytes[at + 1..].iter().skip(1).take_while(|&&byte| byte & 0xC0 == 0x80).count() + 1;
    if bytes.get(at + 1 + width) == Some(&b'\'') { at + width + 2 } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("crates/x/src/lib.rs", text).code
    }

    #[test]
    fn comments_and_strings_are_blanked_and_code_is_not() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code(r#"f("x\"y", z)"#), "f(      , z)");
        assert_eq!(code("f(r#\"x\"y\"#, z)"), "f(        , z)");
        assert_eq!(code("for x in y"), "for x in y");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        assert_eq!(code("['\"', 'a', '\\'', 'é']").trim_matches(['[', ']']).replace([',', ' '], ""), "");
        assert_eq!(code("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
        assert_eq!(code("&'static \"x\""), "&'static    ");
    }

    #[test]
    fn modules_for_tests_are_found_to_their_end() {
        let source =
            Source::new("crates/x/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}");
        let [range] = &source.test_ranges()[..] else { panic!("one module") };
        assert!(source.text[range.clone()].contains("fn b") && !source.text[range.clone()].contains("fn c"));
    }
}
