//! Whether an animal is what is claimed of it.

use std::collections::BTreeSet;

use stormglass::harness::{CaseReport, IsolationKind, LEAK, Status};

use crate::animal::{Animal, Nature};
use crate::animals;
use crate::habitat::{ABROAD, HOME, Habitat, OUTSPOKEN, SHUFFLED, STAYING};

/// Where the animals' own lines are.
const FOLDER: &str = "tests/zoo/";

pub(crate) fn judge(animal: &Animal) {
    match animal.nature {
        Nature::Stable | Nature::Shared => lives(animal),
        Nature::Refused(symbols) => is_refused(animal, symbols),
        Nature::PastLibc(names) => is_caught(animal, names),
    }
}

fn evidence(report: &CaseReport) -> String {
    let lines = report.record.evidence.iter().chain(&report.stderr);
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// What the animal saw in a run that passed.
fn seen(report: &CaseReport) -> &[String] {
    assert_eq!(report.status, Status::Pass, "{}: {}", report.record.oracle, evidence(report));
    let seen = &report.record.features;
    assert!(seen.len() > 2 && seen.iter().any(|line| line == "lived"), "it saw too little: {seen:?}");
    seen
}

fn lives(animal: &Animal) {
    let mut home = Habitat::new(&HOME);
    let first = home.run(animal.name, 1, false);
    let own = seen(&first).to_vec();
    println!("{}: {own:?}", animal.name);
    let mut others = vec![&ABROAD];
    if !animal.by_address {
        others.push(&SHUFFLED);
    }
    for place in others {
        let other = Habitat::new(place).run(animal.name, 1, false);
        assert_eq!(seen(&other), own, "another process");
        assert_eq!(other.record.digest, first.record.digest, "another process");
    }
    // The same worker, whose statics the first run has not touched.
    let second = home.run(animal.name, 2, false);
    assert_eq!(seen(&second) != own, animal.varies, "another seed saw {:?}", seen(&second));
    assert_eq!(seen(&home.run(animal.name, 1, false)), own, "the first seed once more, after another");
    // What is known to share says so.
    let says = first.record.counters.keys().any(|name| name.starts_with("shared by nodes: "));
    let shares = ["ahash", "hashbrown"].iter().any(|library| animal.name.starts_with(library));
    assert_eq!(says, shares, "{:?}", first.record.counters);
    let beside = home.run(animal.name, 1, true);
    match animal.nature {
        Nature::Stable => assert_eq!(seen(&beside), own, "beside a neighbour"),
        // Where memory happens to lie, one seed may not show it.
        _ => assert!(
            seen(&beside) != own || (2..=SHOWN_WITHIN_SEEDS).any(|seed| heeds_its_neighbour(&mut home, animal, seed)),
            "it is stable: beside a neighbour and alone it saw {own:?}"
        ),
    }
    assert_eq!(home.check(animal.name, first.clone()), first, "the second layer finds nothing");
}

/// Within how many seeds what nodes share must have shown.
const SHOWN_WITHIN_SEEDS: u64 = 20;

fn heeds_its_neighbour(home: &mut Habitat, animal: &Animal, seed: u64) -> bool {
    let [alone, beside] = [false, true].map(|neighbour| home.run(animal.name, seed, neighbour));
    seen(&alone) != seen(&beside)
}

fn is_refused(animal: &Animal, symbols: &[&str]) {
    let told = [&HOME, &ABROAD].map(|place| {
        let report = Habitat::new(place).run(animal.name, 1, false);
        let evidence = report.record.evidence.join("\n");
        assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, "seal"), "{evidence}");
        names(&evidence, symbols);
        evidence
    });
    assert_eq!(told[0], told[1], "another process");
}

fn is_caught(animal: &Animal, symbols: &[&str]) {
    let mut home = Habitat::new(&HOME);
    let first = home.run(animal.name, 1, false);
    assert_eq!(first.status, Status::Pass, "nothing sees it: {}", evidence(&first));
    let judged = home.check(animal.name, first);
    let evidence = judged.record.evidence.join("\n");
    let expected = (Status::Nondeterministic, LEAK);
    assert_eq!((judged.status, judged.record.oracle.as_str()), expected, "{evidence}");
    names(&evidence, symbols);
}

/// Whether the evidence has one of the symbols and a line of an animal.
fn names(evidence: &str, symbols: &[&str]) {
    println!("{evidence}");
    let calls = evidence.strip_prefix("refused: ").expect("a refusal").split("; ");
    let called: Vec<&str> = calls.filter_map(|call| call.split(['(', ' ']).next()).collect();
    assert!(symbols.iter().any(|symbol| called.contains(symbol)), "which of {symbols:?} was it? {evidence}");
    let line = evidence.split(FOLDER).nth(1).and_then(|rest| rest.split_once(".rs:"));
    let number = line.and_then(|(_, rest)| rest.chars().next());
    assert!(number.is_some_and(|c| c.is_ascii_digit()), "no line of {FOLDER} is named: {evidence}");
}

/// What is kept in thread-locals, and in nothing else: on one process's threads each seed finds it as in a process of its own.
const THREAD_LOCAL: &[&str] = &[
    "thread_local_counter",
    "thread_local_with_a_destructor",
    "pthread_key_with_a_destructor",
    "pthread_keys_of_threads",
    "std_thread_that_panics",
    "std_hash_map_order",
    "std_random_state_as_a_generator",
    "rand_0_8_thread_rng",
    "rand_0_9_thread_rng",
    "rand_0_10_thread_rng",
    "fastrand_global",
    "uuid_v4",
    "futures_select_of_ready_branches",
    "tokio_select_of_ready_branches",
    "tokio_spawn_blocking",
    "backtrace_text",
];

pub(crate) fn thread_locals_begin_anew_with_every_seed() {
    let mut alone = Habitat::new(&OUTSPOKEN);
    let mut together = Habitat::isolated(&OUTSPOKEN, IsolationKind::Thread);
    for name in THREAD_LOCAL {
        for seed in [1, 2, 1] {
            let reports = [&mut alone, &mut together].map(|habitat| habitat.run(name, seed, false));
            let digests = reports.each_ref().map(|report| &report.record.digest);
            if digests[0] != digests[1] {
                // Each of them once more, and after what it has run before.
                panic!("{name}, seed {seed}: {:?}", alone.parts_from(&mut together, name, seed));
            }
            assert_eq!(seen(&reports[1]), seen(&reports[0]), "{name}, seed {seed}");
        }
    }
}

/// Where the system has huge pages for whoever asks, a server's code is in some, and its cases are judged as all others of the
/// zoo; told to leave it, it does.
pub(crate) fn code_of_a_server_lies_in_huge_pages() {
    // Ranges of code of the executable's file, and of no file.
    let ranges = |place| {
        let code = Habitat::new(place).code();
        let of_file = code.iter().filter(|line| line.contains("/zoo-")).count();
        (of_file, code.iter().filter(|line| line.split_ascii_whitespace().count() < 6).count(), code)
    };
    let (of_file, own, code) = ranges(&STAYING);
    assert!(of_file > 0 && own == 0, "told to leave it: {code:?}");
    let wants = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if cfg!(target_arch = "x86_64") && (wants.contains("[always]") || wants.contains("[madvise]")) {
        let (of_file, own, code) = ranges(&HOME);
        assert!(of_file == 0 && own > 0, "moved: {code:?}");
    }
}

pub(crate) fn names_differ() {
    let names: Vec<_> = animals().map(|animal| animal.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(names.len() >= 40, "the zoo has lost animals: {names:?}");
}

/// The page of the book that claims what the zoo judges.
const PAGE: &str = include_str!("../../../../docs/src/reference/nondeterminism.md");

/// Every animal is in the row of the book that claims the same of it, and the book has no others.
pub(crate) fn the_book_says_the_same() {
    let mut in_book = BTreeSet::new();
    let mut section = "";
    for line in PAGE.lines() {
        section = line.strip_prefix("## ").unwrap_or(section);
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(last) = cells.len().checked_sub(2).map(|n| cells[n]).filter(|_| line.starts_with("| ")) else {
            continue;
        };
        let names = last.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'));
        for animal in names.filter_map(|name| animals().find(|animal| animal.name == name)) {
            let claimed = match animal.nature {
                Nature::Stable => cells[2] == "stable",
                Nature::Shared => cells[2] == "shared",
                Nature::Refused(symbols) => section == "Refused" && symbols.iter().any(|s| cells[2].contains(s)),
                Nature::PastLibc(names) => {
                    section.starts_with("Caught") && (cells[2] == "the system call" || cells[2].contains(names[0]))
                }
            };
            assert!(claimed, "{} is {:?}, and the book says: {line}", animal.name, animal.nature);
            assert!(in_book.insert(animal.name), "{} is in the book twice", animal.name);
        }
        assert!(names_are_known(last), "an animal of the book is not in the zoo: {line}");
    }
    let missing: Vec<_> = animals().map(|animal| animal.name).filter(|name| !in_book.contains(name)).collect();
    assert!(missing.is_empty(), "not in the book: {missing:?}");
}

fn names_are_known(cell: &str) -> bool {
    let mut names = cell.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'));
    names.all(|name| animals().any(|animal| animal.name == name))
}
