//! Names the place in foreign code that a backtrace leads to.
//!
//! `std` offers a backtrace's frames only as text on stable Rust, so the text is what is read: one line
//! `  N: function` per frame, the number missing for inlined ones, each perhaps followed by `at file:line:column`.

use std::fmt;

/// A place in the code of somebody else than `std` and this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The function's demangled path.
    pub function: String,
    /// `file:line`, where the binary has line tables.
    pub location: Option<String>,
    /// Where that is in a crate that somebody else wrote: the innermost place with a line that is not.
    pub from: Option<Box<CallSite>>,
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        match &self.from {
            Some(from) => write!(f, ", called from {from}"),
            None => Ok(()),
        }
    }
}

/// Crates whose frames are the way to a leak and not its cause.
const NOT_A_CAUSE: [&str; 5] = ["std", "core", "alloc", "libc", "stormglass_sys"];

/// Where the sources of the standard library are: as it was built, and as the component `rust-src` has them.
const STD_SOURCES: [&str; 2] = ["/rustc/", "/rustlib/src/rust/library/"];

/// Where cargo keeps the sources of crates that are not the workspace's own.
const THEIR_SOURCES: [&str; 2] = ["/registry/src/", "/git/checkouts/"];

/// The files of this crate in which every backtrace of its own begins.
const OWN_BEGINNINGS: [&str; 4] = ["seal/leak.rs", "seal/standing.rs", "process/watchdog.rs", "process/blocked.rs"];

/// C functions around every Rust program; a backtrace that reaches them has run out of causes.
const OUTERMOST: [&str; 7] =
    ["main", "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3"];

/// A frame as printed. With `debug = "line-tables-only"` an inlined function has its last name only (`open`,
/// `{closure#0}`), so that its crate is told by the file; without debug information there is no file, and the name is
/// whole.
struct Frame<'a> {
    function: &'a str,
    location: Option<&'a str>,
}

/// The innermost frame of a printed backtrace which is neither in the standard library nor in this crate.
pub(crate) fn innermost_foreign(backtrace: &str) -> Option<CallSite> {
    let frames = frames(backtrace);
    let own_sources = frames.iter().find_map(|frame| {
        let file = file_of(frame.location?);
        OWN_BEGINNINGS.iter().find_map(|own| file.strip_suffix(own))
    });
    let mut causes = frames.iter().filter(|frame| is_foreign(frame, own_sources));
    let cause = causes.next()?;
    // Without a line it is in a dependency, which cargo may build without debug information, or nothing has lines.
    let from = if is_own(cause) { None } else { causes.find(|frame| is_own(frame)) };
    Some(CallSite { from: from.map(|frame| Box::new(site(frame))), ..site(cause) })
}

fn site(frame: &Frame<'_>) -> CallSite {
    CallSite { function: frame.function.to_owned(), location: frame.location.map(str::to_owned), from: None }
}

/// Whether the place is in the workspace, as far as its file tells.
fn is_own(frame: &Frame<'_>) -> bool {
    frame.location.is_some_and(|location| !THEIR_SOURCES.iter().any(|sources| location.contains(sources)))
}

fn frames(backtrace: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in backtrace.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (frames.last_mut(), line.strip_prefix("at ")) {
            (Some(frame), Some(location)) => frame.location = Some(without_column(location)),
            (None, Some(_)) => {}
            (_, None) => frames.push(Frame { function: without_number(line), location: None }),
        }
    }
    frames
}

fn without_number(line: &str) -> &str {
    match line.split_once(": ") {
        Some((number, rest)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => line,
    }
}

fn without_column(location: &str) -> &str {
    match location.rsplit_once(':') {
        Some((rest, column)) if rest.contains(':') && column.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => location,
    }
}

fn file_of(location: &str) -> &str {
    location.rsplit_once(':').map_or(location, |(file, _line)| file)
}

fn is_foreign(frame: &Frame<'_>, own_sources: Option<&str>) -> bool {
    if let Some(location) = frame.location {
        let std = STD_SOURCES.iter().any(|sources| location.contains(sources));
        let own = own_sources.is_some_and(|sources| location.starts_with(sources));
        if std || own {
            return false;
        }
    }
    let function = frame.function;
    // `<&mut std::fs::File as std::io::Read>::read` belongs to the crate of the type.
    let path = function.trim_start_matches(|c: char| !(c.is_alphanumeric() || c == '_' || c == '{'));
    let path =
        ["mut ", "dyn ", "const ", "impl "].iter().fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
    match path.split_once("::") {
        // One of ours by its last name, with what it is for: `futex<stormglass_sys::…>`.
        Some((root, _)) => !NOT_A_CAUSE.contains(&root) && !root.ends_with("<stormglass_sys"),
        // A Rust function by its last name is told by its file; a C function may be one of those that surround all.
        None => {
            let runtime = path.starts_with("__") || path.starts_with("rust_") || OUTERMOST.contains(&path);
            let ours = frame.location.is_none() && is_interposed(path);
            !(function == "<unknown>" || path.is_empty() || runtime || ours)
        }
    }
}

#[cfg(sealed_tier)]
fn is_interposed(function: &str) -> bool {
    super::symbols::table::names().any(|name| name == function)
}

#[cfg(not(sealed_tier))]
fn is_interposed(_function: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::innermost_foreign;

    #[test]
    fn skips_std_and_the_interposer_and_finds_the_line() {
        let text = "   0: std::backtrace::Backtrace::force_capture\n   1: stormglass_sys::seal::leak::record\n             \
                    at ./crates/sys/src/seal/leak.rs:60:9\n   2: <std::fs::File>::open::<&str>\n      std::fs::File::open\n   3: \
                    raft::log::open\n             at ./raft/src/log.rs:41:17\n   4: main\n";
        let site = innermost_foreign(text).expect("a foreign frame");
        assert_eq!(site.to_string(), "raft::log::open at ./raft/src/log.rs:41");
    }

    #[test]
    fn a_trait_method_belongs_to_the_crate_of_its_type() {
        let text = "   0: <&mut alloc::vec::Vec<raft::Entry> as core::iter::Iterator>::next\n   1: <raft::Log as std::io::Write>::write\n   2: \
                    kv::main\n";
        assert_eq!(innermost_foreign(text).expect("a frame").function, "<raft::Log as std::io::Write>::write");
    }

    #[test]
    fn c_code_is_a_cause_too() {
        let text = "   0: stormglass_sys::seal::leak::record\n   1: sqlite3_open_v2\n   2: kv::open\n";
        assert_eq!(innermost_foreign(text).expect("a frame").function, "sqlite3_open_v2");
    }

    #[test]
    fn with_line_tables_alone_the_file_tells_the_crate() {
        let text = "   0: {closure#0}<stormglass_sys::x>\n             at /src/sys/src/seal/leak.rs:64:69\n   1: open64\n             \
                    at /src/sys/src/seal/symbols/files.rs:25:33\n   2: open<&str>\n             at \
                    /rustc/59807/library/std/src/fs.rs:571:39\n   3: open\n             at ./src/log.rs:4:42\n   4: main\n";
        assert_eq!(innermost_foreign(text).expect("a frame").to_string(), "open at ./src/log.rs:4");
    }

    #[test]
    fn a_cause_in_a_dependency_names_the_line_that_led_there() {
        let text = "   0: stormglass_sys::seal::leak::record\n   1: rayon_core::registry::Registry::new\n   2: init\n             \
                    at /home/me/.cargo/registry/src/index.crates.io-1/once-1.0.0/src/lib.rs:7:1\n   3: kv::sort\n             \
                    at ./src/sort.rs:12:9\n   4: main\n             at ./src/main.rs:1:1\n";
        assert_eq!(
            innermost_foreign(text).expect("a frame").to_string(),
            "rayon_core::registry::Registry::new, called from kv::sort at ./src/sort.rs:12"
        );
    }

    #[test]
    fn nothing_but_the_runtime_is_nobody() {
        assert_eq!(innermost_foreign("   0: std::rt::lang_start\n   1: main\n   2: _start\n"), None);
        assert_eq!(innermost_foreign(""), None);
        assert_eq!(innermost_foreign("   0: <unknown>\n").map(|site| site.function), None);
    }
}
