//! Calls that are banned, where, and what to write instead.

use crate::{Finding, Source};

/// Something that may not be written.
struct Ban {
    /// Alternatives, each matched as whole words.
    words: &'static [&'static str],
    instead: &'static str,
    /// Beginnings of paths that it holds for; empty for all.
    within: &'static [&'static str],
    /// Beginnings of paths that are spared, each for a reason.
    spared: &'static [&'static str],
    /// Whether it holds for tests too.
    tests: bool,
}

/// Crates whose code runs inside a simulation, or decides what happens there.
const SIMULATED: &[&str] = &[
    "crates/kernel/",
    "crates/net/",
    "crates/disk/",
    "crates/faults/",
    "crates/check/",
    "crates/program/",
    "crates/stormglass/",
    "crates/macros/",
];

/// Libraries; what prints is a program.
const LIBRARIES: &[&str] = &["crates/"];

const BANS: &[Ban] = &[
    Ban {
        words: &["todo!", "unimplemented!"],
        instead: "write it, or answer with an error that says what is missing",
        within: &[],
        spared: &[],
        tests: true,
    },
    Ban { words: &["dbg!"], instead: "take it out, or use `tracing`", within: &[], spared: &[], tests: true },
    Ban {
        words: &["#[ignore"],
        instead: "mend the test or delete it: a test that does not run proves nothing",
        within: &[],
        spared: &[],
        tests: true,
    },
    Ban {
        words: &["println!", "print!"],
        instead: "give the text back to the caller; the command line alone prints",
        within: LIBRARIES,
        spared: &["crates/cli/"],
        tests: false,
    },
    Ban {
        words: &["HashMap::new", "HashMap::with_capacity", "HashSet::new", "HashSet::with_capacity", "RandomState"],
        instead: "use BTreeMap or BTreeSet, or a fixed hasher and no iteration: a random order or a draw of entropy would \
                  be part of the run",
        within: SIMULATED,
        // It has std draw the keys of its hash maps, from the seed.
        spared: &["crates/program/src/hooks.rs"],
        tests: false,
    },
    Ban {
        words: &["rand::rng", "thread_rng", "ThreadRng", "rand::random", "from_os_rng", "OsRng"],
        instead: "draw a keyed decision (`kernel.decisions()`, `Sim::choose`, a `Stream` of the seed)",
        within: LIBRARIES,
        spared: &[],
        tests: true,
    },
    Ban {
        words: &["std::time::Instant", "SystemTime::now"],
        instead: "use virtual time (`kernel.now()`, `Sim::now`): the machine's clock is no part of a run",
        within: SIMULATED,
        // It keeps an instant for the façade and asks no clock. Benchmarks measure the machine.
        spared: &[
            // What a sealed clock shows is what these look at.
            "crates/program/tests/",
            "crates/kernel/src/universe.rs",
            "crates/kernel/benches/",
            "crates/net/benches/",
            "crates/disk/benches/",
            "crates/check/benches/",
        ],
        tests: true,
    },
    Ban {
        words: &["thread::sleep"],
        instead: "wait for the thing itself, or use virtual time",
        within: &[],
        spared: &[
            // It tests that the seal catches sleeps.
            "crates/sys/",
            // Threads of a node sleep in virtual time, and these test that they do.
            "crates/tokio/tests/blocked.rs",
            "crates/tokio/tests/threads.rs",
            "crates/tokio/tests/thread_panics.rs",
            "sim-tests/parity/tests/",
            // It leaks on purpose.
            "sim-tests/scenarios/tests/selftest/leaks.rs",
            "sim-tests/leak-zoo/",
            // A child's end has no other signal there that works for any descriptor.
            "crates/harness/src/client.rs",
        ],
        tests: true,
    },
    Ban {
        words: &["unsafe"],
        instead: "put it into crates/sys, which alone may hold unsafe code, or find a safe way",
        within: &[],
        spared: &["crates/sys/"],
        tests: true,
    },
];

/// Every banned call, and every hash map of simulated crates that is not given a hasher.
pub fn banned_calls(source: &Source) -> Vec<Finding> {
    let tests = source.test_ranges();
    let in_test = |at: usize| source.is_test() || tests.iter().any(|range| range.contains(&at));
    let mut findings = Vec::new();
    for ban in BANS.iter().filter(|ban| holds_for(ban, &source.path)) {
        for word in ban.words {
            let places = occurrences(&source.code, word).into_iter().filter(|&at| ban.tests || !in_test(at));
            findings.extend(places.map(|at| Finding {
                path: source.path.clone(),
                line: source.line_at(at),
                what: format!("`{word}` is banned here"),
                instead: ban.instead.to_owned(),
            }));
        }
    }
    if begins_with_any(&source.path, SIMULATED) {
        let unhashed = [("HashMap", 3), ("HashSet", 2)].into_iter().flat_map(|(name, arguments)| {
            let places = occurrences(&source.code, name).into_iter();
            places.filter(move |&at| generic_arguments(&source.code[at + name.len()..]).is_some_and(|n| n < arguments))
        });
        findings.extend(unhashed.filter(|&at| !in_test(at)).map(|at| Finding {
            path: source.path.clone(),
            line: source.line_at(at),
            what: "a hash table with std's random hasher".to_owned(),
            instead: "use BTreeMap or BTreeSet, or name a fixed hasher".to_owned(),
        }));
    }
    findings.sort();
    findings
}

fn begins_with_any(path: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| path.starts_with(beginning))
}

fn holds_for(ban: &Ban, path: &str) -> bool {
    (ban.within.is_empty() || begins_with_any(path, ban.within)) && !begins_with_any(path, ban.spared)
}

/// Where `word` stands as words of its own.
fn occurrences(code: &str, word: &str) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_in_word = word.chars().next_back().is_some_and(is_word);
    let begins_in_word = word.chars().next().is_some_and(is_word);
    let apart = |&(at, _): &(usize, &str)| {
        let before = code[..at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !(begins_in_word && before || ends_in_word && after)
    };
    code.match_indices(word).filter(apart).map(|(at, _)| at).collect()
}

/// How many generic arguments `code` begins with; `None` if it does not begin with any.
fn generic_arguments(code: &str) -> Option<usize> {
    let inside = code.strip_prefix("::<").or_else(|| code.strip_prefix('<'))?;
    let (mut depth, mut arguments, mut empty) = (0_usize, 1, true);
    let mut before = ' ';
    for c in inside.chars() {
        match c {
            '>' if before == '-' => {}
            '>' if depth == 0 => return Some(if empty { arguments - 1 } else { arguments }),
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => (arguments, empty) = (arguments + 1, true),
            _ => {}
        }
        if !(c.is_whitespace() || c == ',' && depth == 0) {
            empty = false;
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        banned_calls(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_ban_is_seen_where_it_holds_and_nowhere_else() {
        let all = ["crates/kernel/src/a.rs", "sim-tests/services/x/src/a.rs", "crates/disk/tests/a.rs"];
        for path in all {
            for text in
                ["todo!()", "unimplemented!(\"x\")", "dbg!(1)", "#[ignore]", "unsafe { }", "std::thread::sleep(d)"]
            {
                assert_eq!(found(path, text).len(), 1, "{text} in {path}");
            }
        }
        for text in
            ["println!(\"x\")", "HashMap::new()", "rand::rng()", "rand::thread_rng()", "std::time::Instant::now()"]
        {
            assert_eq!(found("crates/kernel/src/a.rs", text).len(), 1, "{text}");
        }
        assert_eq!(found("crates/cli/src/a.rs", "println!(\"x\"); HashMap::new()"), [""; 0]);
        assert_eq!(found("crates/sys/src/a.rs", "unsafe { }"), [""; 0]);
        assert_eq!(found("crates/kernel/src/a.rs", "// unsafe\nlet s = \"todo!()\"; my_todo!(); eprintln!()"), [""; 0]);
        assert_eq!(found("crates/kernel/src/a.rs", "#[cfg(test)]\nmod tests { fn f() { HashSet::new(); } }"), [""; 0]);
    }

    #[test]
    fn a_finding_tells_the_place_the_fault_and_the_replacement() {
        let lines = found("crates/net/src/a.rs", "fn f() {\n    dbg!(1);\n}");
        assert_eq!(lines, ["crates/net/src/a.rs:2: `dbg!` is banned here; take it out, or use `tracing`"]);
    }

    #[test]
    fn a_hash_table_of_a_simulated_crate_names_its_hasher() {
        for bad in ["HashMap<u32, (A, B)>", "HashSet<Vec<u8>>", "HashMap::<A, fn(B) -> C>::default()"] {
            assert_eq!(found("crates/check/src/a.rs", bad).len(), 1, "{bad}");
        }
        for good in
            ["HashMap<(A, B), C, Fixed>", "HashSet<A, Fixed>", "use std::collections::HashMap;", "BTreeMap<A, B>"]
        {
            assert_eq!(found("crates/check/src/a.rs", good), [""; 0], "{good}");
        }
    }
}
