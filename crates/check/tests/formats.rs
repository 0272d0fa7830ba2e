//! The three file formats: what is written is read back, what is foreign is understood, and what is wrong is refused
//! with its line, its column and what was expected there.

use proptest::prelude::*;
use stormglass_check::format::{CheckOptions, ModelName, Notation, check_text, read_jepsen_register};
use stormglass_check::model::{Bytes, Compare, Expect, KvOp, KvRet, RegisterOp, RegisterRet};
use stormglass_check::{Clock, History, Operation, Outcome, Process, Verdict, check_file};

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        "[a-z\"\\\\\n\u{e9}\u{1f600}]{0,4}".prop_map(Bytes::from),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from),
    ]
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        Just(Expect::Absent),
        bytes().prop_map(Expect::Value),
        any::<u64>().prop_map(Expect::Revision),
        (bytes(), any::<u64>()).prop_map(|(value, revision)| Expect::Both { value, revision }),
    ]
}

fn op() -> impl Strategy<Value = KvOp> {
    let plain = prop_oneof![
        bytes().prop_map(|key| KvOp::Get { key }),
        bytes().prop_map(|key| KvOp::Delete { key }),
        (bytes(), bytes()).prop_map(|(key, value)| KvOp::Put { key, value }),
        (bytes(), bytes()).prop_map(|(key, value)| KvOp::Append { key, value }),
        (bytes(), expect(), bytes()).prop_map(|(key, expect, value)| KvOp::Cas { key, expect, value }),
    ];
    plain.prop_recursive(2, 8, 3, |inner| {
        let compare = (bytes(), proptest::option::of(bytes())).prop_map(|(key, value)| Compare { key, value });
        (
            proptest::collection::vec(compare, 0..3),
            proptest::collection::vec(inner.clone(), 0..3),
            proptest::collection::vec(inner, 0..3),
        )
            .prop_map(|(compare, success, failure)| KvOp::Txn { compare, success, failure })
    })
}

fn ret() -> impl Strategy<Value = KvRet> {
    let revision = || proptest::option::of(any::<u64>());
    let plain = prop_oneof![
        (proptest::option::of(bytes()), revision()).prop_map(|(value, revision)| KvRet::Value { value, revision }),
        revision().prop_map(|revision| KvRet::Done { revision }),
        (proptest::option::of(any::<bool>()), revision())
            .prop_map(|(existed, revision)| KvRet::Deleted { existed, revision }),
        (any::<bool>(), revision()).prop_map(|(swapped, revision)| KvRet::Cas { swapped, revision }),
    ];
    plain.prop_recursive(2, 8, 3, move |inner| {
        (any::<bool>(), proptest::collection::vec(inner, 0..3), revision())
            .prop_map(|(succeeded, results, revision)| KvRet::Txn { succeeded, results, revision })
    })
}

fn operation() -> impl Strategy<Value = Operation<KvOp, KvRet>> {
    let process = prop_oneof![any::<u32>().prop_map(Process::from), "[a-z 0-9]{0,3}".prop_map(Process::from)];
    let ended = prop_oneof![
        (ret(), any::<u32>()).prop_map(|(ret, after)| (Outcome::Ok(ret), Some(after))),
        any::<u32>().prop_map(|after| (Outcome::Fail, Some(after))),
        proptest::option::of(any::<u32>()).prop_map(|after| (Outcome::Indeterminate, after)),
    ];
    (process, any::<u64>(), op(), ended).prop_map(|(process, call, op, (outcome, after))| {
        let returned = after.map(|after| call.saturating_add(u64::from(after)));
        Operation { process, call, returned, op, outcome }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_history_survives_json_lines(operations in proptest::collection::vec(operation(), 0..12), lines: bool) {
        let clock = if lines { Clock::Lines } else { Clock::Nanoseconds };
        let mut history = History::with_clock(clock);
        for operation in operations {
            history.push(operation).expect("the strategy makes well-formed operations");
        }
        let mut text = Vec::new();
        history.write_json_lines("kv", &mut text).expect("a vector takes every byte");
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        prop_assert_eq!(text.lines().count(), history.len() + 1);
        let back = History::<KvOp, KvRet>::read_json_lines("memory", &text, "kv").expect("what was written is read");
        prop_assert_eq!(back, history);
    }
}

#[test]
fn json_lines_look_as_documented() -> Result<(), Box<dyn std::error::Error>> {
    let mut history = History::new();
    let put = history.invoke(0, 10, KvOp::put("x", "1"));
    history.ok(put, 20, KvRet::done())?;
    let get = history.invoke("b", 15, KvOp::get("x"));
    history.ok(get, 30, KvRet::absent())?;
    history.invoke(2, 40, KvOp::delete("x"));
    let mut text = Vec::new();
    history.write_json_lines("kv", &mut text)?;
    let expected = r#"{"history":1,"model":"kv","clock":"nanoseconds"}
{"process":0,"call":10,"return":20,"op":{"put":{"key":"x","value":"1"}},"outcome":{"ok":{"done":{}}}}
{"process":"b","call":15,"return":30,"op":{"get":{"key":"x"}},"outcome":{"ok":{"value":{"value":null}}}}
{"process":2,"call":40,"return":null,"op":{"delete":{"key":"x"}},"outcome":"info"}
"#;
    assert_eq!(String::from_utf8(text)?, expected);
    Ok(())
}

fn error(text: &str, model: ModelName) -> String {
    match check_text("h", text, model, CheckOptions::default()) {
        Ok(verdict) => format!("no error but {verdict}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_bad_json_line_is_named_with_line_column_and_what_was_expected() {
    let header = r#"{"history":1,"model":"kv"}"#;
    let good = r#"{"process":0,"call":10,"return":20,"op":{"get":{"key":"x"}},"outcome":"fail"}"#;
    let cases = [
        (format!("{header}\n{good}\n{{\"process\":0,"), "h:3:13: EOF while parsing a value"),
        (
            format!("{header}\n\n{}", good.replace("\"get\"", "\"got\"")),
            "h:3:46: unknown variant `got`, expected one of `get`, `put`, `delete`, `cas`, `append`, `txn`",
        ),
        (
            format!("{header}\n{}", good.replace("\"call\":10", "\"call\":-1")),
            "h:2:22: invalid value: integer `-1`, expected u64",
        ),
        (
            format!("{header}\n{}", good.replace("\"call\"", "\"coll\"")),
            "h:2:19: unknown field `coll`, expected one of `process`, `call`, `return`, `op`, `outcome`",
        ),
        (
            format!("{header}\n{}", good.replace(":20,", ":9,")),
            "h:2:1: operation 0 returns at 9, before its call at 10",
        ),
        (
            format!("{header}\n{}", good.replace(":20,", ":null,")),
            "h:2:1: operation 0 has a definite outcome but no return instant",
        ),
        ("{\"history\":2,\"model\":\"kv\"}".to_owned(), "h:1:1: history format 2 is unknown, expected 1"),
        ("{\"history\":1,\"model\":\"queue\"}".to_owned(), "h:1:1: the history is of model \"queue\", expected \"kv\""),
        ("hello\n".to_owned(), "h:1:1: this is no history: expected a header line"),
        (String::new(), "h:1:1: this is no history: expected a header line"),
    ];
    for (text, expected) in cases {
        let found = error(&text, ModelName::Kv);
        assert!(found.starts_with(expected), "{text}\n expected {expected}\n    found {found}");
    }
}

const JEPSEN: &str = "INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO\tjepsen.util\t-\t1\t:invoke\t:cas\t[nil 2]
INFO  jepsen.util - 2 :invoke :write 2
INFO  jepsen.util - 0\t:ok\t:read\t2
INFO  jepsen.util - 1\t:fail\t:cas\t[nil 2]
INFO  jepsen.util - 2\t:info\t:write\t:timed-out
";

#[test]
fn a_jepsen_register_log_is_understood() -> Result<(), Box<dyn std::error::Error>> {
    let history = read_jepsen_register("h", JEPSEN, Notation::Log)?;
    let two = || Some(Bytes::from("2"));
    let ops: Vec<_> = history.operations().iter().map(|op| (op.call, op.returned, &op.op, &op.outcome)).collect();
    assert_eq!(
        ops,
        [
            (1, Some(5), &RegisterOp::Read, &Outcome::Ok(RegisterRet::Value(two()))),
            (3, Some(6), &RegisterOp::Cas { from: None, to: two() }, &Outcome::Ok(RegisterRet::Swapped(false))),
            (4, Some(7), &RegisterOp::Write(two()), &Outcome::Indeterminate),
        ]
    );
    let verdict = check_text("h", JEPSEN, ModelName::CasRegister, CheckOptions::default())?;
    assert!(verdict.is_pass(), "{verdict}");
    Ok(())
}

#[test]
fn what_else_a_whole_log_of_jepsen_holds_is_passed_over() -> Result<(), Box<dyn std::error::Error>> {
    let middle = JEPSEN.find("INFO  jepsen.util - 0\t:ok").expect("it is there");
    let log = format!(
        "lein test jepsen.system.etcd-test\n\nINFO  jepsen.system.etcd - :n1 starting etcd\n{}WARN  jepsen.client - timed out\n\
         java.net.SocketTimeoutException: Read timed out\n\tat java.net.SocketInputStream.read(SocketInputStream.java:170)\n{}\
         INFO  jepsen.core - Analyzing\n{{:valid? true}}\n",
        &JEPSEN[..middle],
        &JEPSEN[middle..]
    );
    let whole = read_jepsen_register("h", &log, Notation::Log)?;
    let bare = read_jepsen_register("h", JEPSEN, Notation::Log)?;
    let events = |history: &History<RegisterOp, RegisterRet>| -> Vec<_> {
        history.operations().iter().map(|op| (op.op.clone(), op.outcome.clone())).collect()
    };
    assert_eq!(events(&whole), events(&bare));
    assert!(check_text("h", &log, ModelName::CasRegister, CheckOptions::default())?.is_pass(), "its format is guessed");
    let found = error(&log.replace("- 0\t:ok", "- O\t:ok"), ModelName::CasRegister);
    assert!(found.starts_with("h:11:21: expected a process number"), "{found}");
    for cut in ["INFO", "INFO  jepsen.ut", "INFO  jepsen.util - 0\t:inv"] {
        let found = error(&format!("{JEPSEN}{cut}"), ModelName::CasRegister);
        assert!(found.starts_with("h:8:"), "a log that is cut off at {cut}: {found}");
    }
    let none = read_jepsen_register("h", "\nlein test\n", Notation::Log).err().map(|e| e.to_string());
    assert!(none.is_some_and(|e| e.starts_with("h:2:1: expected `INFO jepsen.util")), "a log without an operation");
    Ok(())
}

#[test]
fn a_bad_jepsen_line_is_named_with_line_column_and_what_was_expected() {
    let cases = [
        (
            JEPSEN.replace("[nil 2]\nINFO  jepsen.util - 2", "[nil x]\nINFO  jepsen.util - 2"),
            "h:3:40: expected a value or `nil`, found \"x]\"",
        ),
        (
            JEPSEN.replace(" - 2 :invoke :write", " - 2 :invoke :wrote"),
            "h:4:31: :wrote is not known here, expected :read, :write or :cas",
        ),
        (
            JEPSEN.replace(" - 2 :invoke", " - 0 :invoke"),
            "h:4:21: process 0 is busy with a :read, expected its completion first",
        ),
        (JEPSEN.replace("0\t:ok", "7\t:ok"), "h:5:21: process 7 has no operation open, expected :invoke before :ok"),
        (
            JEPSEN.replace(":ok\t:read", ":ok\t:write"),
            "h:5:27: process 0 invoked :read, expected that instead of :write",
        ),
        (JEPSEN.replace("0\t:ok\t:read\t2", "0\t:ok\t:read\t2 3"), "h:5:35: expected the end of the line, found \"3\""),
        (
            format!("{JEPSEN}INFO  jepsen.util - 2\t:invoke\t:read\tnil"),
            "h:8:21: process 2 ended with :info, expected it never to be used again",
        ),
        (format!("{JEPSEN}WARN  jepsen.util - 2\t:invoke\t:read\tnil"), "h:8:1: expected `INFO`, found \"WARN"),
    ];
    for (text, expected) in cases {
        let found = error(&text, ModelName::CasRegister);
        assert!(found.starts_with(expected), "expected {expected}\n   found {found}");
    }
}

const PORCUPINE: &str = "{:process 0, :type :invoke, :f :append, :key \"a\", :value \"x\\\"\"}
{:process 1, :type :invoke, :f :get, :key \"a\", :value nil}
{:process 1, :type :ok, :f :get, :key \"a\", :value \"\"}
{:process 0, :type :ok, :f :append, :key \"a\", :value \"x\\\"\"}
{:process 1, :type :invoke, :f :get, :key \"a\", :value nil}
{:process 1, :type :ok, :f :get, :key \"a\", :value \"x\\\"\"}
";

#[test]
fn a_porcupine_history_is_understood() -> Result<(), Box<dyn std::error::Error>> {
    let options = CheckOptions::default();
    assert!(check_text("h", PORCUPINE, ModelName::Kv, options.clone())?.is_pass());
    let last = PORCUPINE.rfind("\"x").expect("it is there");
    let bad = format!("{}\"\"}}\n", &PORCUPINE[..last]);
    match check_text("h", &bad, ModelName::Kv, options)? {
        Verdict::Fail(evidence) => assert_eq!(evidence.operations.len(), 2, "{evidence}"),
        other => panic!("the append was over before the second read began: {other}"),
    }
    Ok(())
}

#[test]
fn a_bad_porcupine_line_is_named_with_line_column_and_what_was_expected() {
    let cases = [
        (PORCUPINE.replacen(":f :get", ":f :pop", 1), "h:2:32: expected `:get`, `:put` or `:append`, found \":pop"),
        (PORCUPINE.replacen(":process 1", ":process x", 1), "h:2:11: expected a number, a keyword, a string or `nil`"),
        (PORCUPINE.replacen(":process 1, ", "", 1), "h:2:1: :process is missing"),
        (PORCUPINE.replacen(":value nil}", ":value nil, :value nil}", 1), "h:2:60: :value is given twice"),
        (PORCUPINE.replacen(":value nil}", ":value nil", 1), "h:2:58: expected a value, found the end of the line"),
        (PORCUPINE.replacen("\"a\", :value nil}", "\"a, :value nil}", 1), "h:2:58: expected the closing double quote"),
        (
            PORCUPINE.replacen("{:process 1, :type :ok", "{:process 3, :type :ok", 1),
            "h:3:1: process 3 has no operation open",
        ),
    ];
    for (text, expected) in cases {
        let found = error(&text, ModelName::Kv);
        assert!(found.starts_with(expected), "expected {expected}\n   found {found}");
    }
}

#[test]
fn bytes_that_are_not_text_are_named_with_line_and_column() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history.jsonl");
    std::fs::write(&path, b"{\"history\":1,\"model\":\"kv\"}\nab\xff")?;
    let error = check_file(&path, ModelName::Kv, CheckOptions::default()).expect_err("a byte is not text");
    assert_eq!(error.to_string(), format!("{}:2:3: this is not UTF-8, expected text", path.display()));
    Ok(())
}

#[test]
fn models_are_known_by_name() {
    for model in ModelName::ALL {
        assert_eq!(model.as_str().parse(), Ok(model));
    }
    let error = "flux".parse::<ModelName>().expect_err("there is no such model");
    let all = ModelName::ALL.map(ModelName::as_str).join(", ");
    assert_eq!(error.to_string(), format!("there is no model \"flux\": expected one of {all}"));
}
