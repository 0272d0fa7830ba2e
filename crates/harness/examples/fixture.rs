//! Scenarios that are pure functions of their seed, one for each way in which a case can end. The end-to-end tests of the
//! harness and of the command line run this binary as they would run a real one.

use std::{
    fs::File,
    hint::black_box,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use stormglass_harness::{
    Defaults, FaultRecord, Refusal, RunRecord, RunRequest, ScenarioDef, TraceError, TraceLines, Verdict, register,
    watch_polls, watchdog,
};

fn main() -> ExitCode {
    stormglass_harness::main()
}

/// A scenario of this file: everything but its name and its run is the same for all.
const fn scenario(
    name: &'static str,
    doc: &'static str,
    line: u32,
    run: fn(&RunRequest) -> Result<RunRecord, Refusal>,
) -> ScenarioDef {
    ScenarioDef {
        name,
        doc,
        file: file!(),
        line,
        defaults: Defaults {
            virtual_time: Duration::from_secs(60),
            families: &["network", "process"],
            features: &["reads"],
            profiles: &["calm", "storm"],
            ..Defaults::NONE
        },
        tags: &["fixture"],
        prepare: || {},
        run,
        render_trace,
    }
}

register!(PASSES = scenario("passes", "Passes on every seed.\n\nAnd says so.", line!(), passes));
register!(FAILS_ON_SEVENS = scenario("fails_on_sevens", "Fails on every seventh seed.", line!(), fails_on_sevens));
register!(RUNS_OUT = scenario("runs_out", "Runs out of events on every fifth seed.", line!(), runs_out));
register!(ABORTS = scenario("aborts", "Aborts on odd seeds.", line!(), aborts));
register!(PANICS = scenario("panics", "Panics on odd seeds.", line!(), panics));
register!(OVERFLOWS = scenario("overflows", "Overflows its stack on odd seeds.", line!(), overflows));
register!(LOOPS = scenario("loops", "Never ends on odd seeds.", line!(), loops));
register!(BOMBS = scenario("bombs", "Takes all the memory there is on odd seeds.", line!(), bombs));
register!(IS_KILLED = scenario("is_killed", "Is killed from outside on odd seeds.", line!(), is_killed));
register!(EXITS = scenario("exits", "Ends its process on odd seeds.", line!(), exits));
register!(DIFFERS = scenario("differs", "Takes another path in each process on odd seeds.", line!(), differs));
register!(PLANTED = scenario("planted", "Fails where M02 is planted.", line!(), planted));

/// A cheap mixing of bits: what stands in for a simulation here.
fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn record(name: &str, request: &RunRequest) -> RunRecord {
    let draw = mixed(request.seed.0);
    let mut record = RunRecord::new(name, request.seed);
    record.digest = format!("{draw:016x}");
    record.virtual_ns = 1_000_000_000 + draw % 1_000_000_000;
    record.counters = [("events".to_owned(), draw % 1_000), ("polls".to_owned(), draw % 500)].into();
    record.families = vec![if draw.is_multiple_of(2) { "network" } else { "process" }.to_owned()];
    record.sometimes =
        [("a leader is deposed".to_owned(), draw.is_multiple_of(3)), ("the log wraps".to_owned(), false)].into();
    record.plan = "partition-1 partition n1 from n2,n3 at 2s for 3s\n".to_owned();
    let fault = |id: &str, text: &str, family: &str, kind: &str, hits| FaultRecord {
        id: id.to_owned(),
        text: text.to_owned(),
        family: family.to_owned(),
        kind: kind.to_owned(),
        hits,
        vacuous: hits == 0,
        refused: String::new(),
    };
    record.faults = vec![
        fault("partition-1", "partition n1 from n2,n3 at 2s for 3s", "network", "partition", draw % 4),
        fault("crash-2", "crash n2 at 4s", "process", "crash", 1),
    ];
    record.faults.retain(|fault| !request.drop.contains(&fault.id));
    if request.logs.is_some() {
        eprintln!("INFO n1: elected leader in term {}", draw % 10);
    }
    if let Some(path) = &request.trace_to {
        trace(path, draw).expect("the trace is written");
    }
    record
}

fn trace(path: &Path, draw: u64) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for event in 0..20 {
        writeln!(file, "{event} n{} poll task {}", event % 3, mixed(event) % 100)?;
    }
    writeln!(file, "20 n1 deliver {draw:016x}")
}

fn render_trace(path: &Path) -> Result<TraceLines, TraceError> {
    let failed =
        |error: std::io::Error, path: &Path| TraceError { path: path.display().to_string(), what: error.to_string() };
    let file = File::open(path).map_err(|error| failed(error, path))?;
    let path = path.to_owned();
    Ok(Box::new(BufReader::new(file).lines().map(move |line| line.map_err(|error| failed(error, &path)))))
}

fn odd(request: &RunRequest) -> bool {
    request.seed.0 % 2 == 1
}

fn passes(request: &RunRequest) -> Result<RunRecord, Refusal> {
    // What a service prints must never be taken for an answer of the worker.
    println!("{{\"ended\":\"a lie on standard output\"}}");
    if let Some(unknown) = request.overrides.iter().find(|set| !set.starts_with("net.")) {
        return Err(Refusal {
            what: format!("no decision has the key of `{unknown}`"),
            hint: "keys begin with a domain, such as `net.`".to_owned(),
        });
    }
    Ok(record("passes", request))
}

fn fails_on_sevens(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let mut record = record("fails_on_sevens", request);
    if request.seed.0.is_multiple_of(7) && !request.drop.iter().any(|id| id == "partition-1") {
        record.verdict = Verdict::Fail;
        record.oracle = "linearizable".to_owned();
        record.evidence = vec![
            format!("key k{}: read returned 3 after 5 was acknowledged", request.seed.0),
            "client 2: get(k) -> 3 at 2.5s..2.6s".to_owned(),
        ];
        record.waiting = vec!["n2: put(k, 5) waits for a reply from n1".to_owned()];
        eprintln!("n1: stepping down");
    }
    Ok(record)
}

fn runs_out(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let mut record = record("runs_out", request);
    if request.seed.0.is_multiple_of(5) {
        record.verdict = Verdict::Unknown;
        record.oracle = "events".to_owned();
        record.evidence = vec![format!("more than {} events", request.limits.events)];
    }
    Ok(record)
}

fn aborts(request: &RunRequest) -> Result<RunRecord, Refusal> {
    if odd(request) {
        eprintln!("about to abort");
        std::process::abort();
    }
    Ok(record("aborts", request))
}

fn panics(request: &RunRequest) -> Result<RunRecord, Refusal> {
    assert!(!odd(request), "seed {} is odd", request.seed);
    Ok(record("panics", request))
}

fn overflows(request: &RunRequest) -> Result<RunRecord, Refusal> {
    #[allow(unconditional_recursion)]
    fn deeper(depth: u64) -> u64 {
        let room = black_box([depth; 512]);
        deeper(depth + 1) + room[(depth % 512) as usize]
    }
    if odd(request) {
        black_box(deeper(0));
    }
    Ok(record("overflows", request))
}

fn loops(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let mut turns = 0_u64;
    let _watching = request.params.contains_key("watched").then(|| {
        watchdog::poll_begins();
        watch_polls(&request.limits).expect("the watchdog starts")
    });
    while odd(request) {
        turns = black_box(turns.wrapping_add(1));
    }
    Ok(record("loops", request))
}

fn bombs(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    while odd(request) {
        held.push(black_box(vec![1; 16 << 20]));
    }
    Ok(record("bombs", request))
}

fn is_killed(request: &RunRequest) -> Result<RunRecord, Refusal> {
    if odd(request) {
        // The shell stands for whoever kills from outside: the out-of-memory killer, an operator.
        let pid = std::process::id().to_string();
        let _ = std::process::Command::new("sh").args(["-c", "kill -9 $0", &pid]).status();
    }
    Ok(record("is_killed", request))
}

fn exits(request: &RunRequest) -> Result<RunRecord, Refusal> {
    if odd(request) {
        std::process::exit(3);
    }
    Ok(record("exits", request))
}

fn differs(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let mut record = record("differs", request);
    if odd(request) {
        let pid = u64::from(std::process::id());
        record.digest = format!("{:016x}", mixed(pid));
        if let Some(path) = &request.trace_to {
            trace(path, mixed(pid)).expect("the trace is written");
        }
    }
    Ok(record)
}

fn planted(request: &RunRequest) -> Result<RunRecord, Refusal> {
    let mut record = record("planted", request);
    match request.params.get("planted").map(String::as_str) {
        None => {}
        Some("M02") => {
            record.verdict = Verdict::Fail;
            record.oracle = "election-safety".to_owned();
            record.evidence = vec!["two leaders in term 3: n1 and n2".to_owned()];
        }
        Some(other) => {
            return Err(Refusal { what: format!("no bug `{other}` is planted here"), hint: "try M02".to_owned() });
        }
    }
    Ok(record)
}
