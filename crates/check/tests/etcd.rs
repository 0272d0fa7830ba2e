//! Reports of etcd's robustness tests: what their clients did is linearizable or not, watches keep their promises or not,
//! reads of the past read what was then; and a line that is none is refused with its place.

use serde_json::{Value, json};
use stormglass_check::Verdict;
use stormglass_check::format::{CheckOptions, Format, ModelName, judge_file, judge_text};

/// A put, or with no value a delete.
fn step(key: &str, value: Option<&str>) -> Value {
    match value {
        Some(value) => json!({"Type": "put-operation", "Put": {"Key": key, "Value": {"Value": value}, "LeaseID": 0}}),
        None => json!({"Type": "delete-operation", "Delete": {"Key": key}}),
    }
}

fn request(conditions: &Value, success: &[Value], failure: &[Value]) -> Value {
    json!({"Type": "txn", "Range": null, "Txn":
        {"Conditions": conditions, "OperationsOnSuccess": success, "OperationsOnFailure": failure}})
}

fn put(key: &str, value: &str) -> Value {
    request(&Value::Null, &[step(key, Some(value))], &[])
}

fn delete(key: &str) -> Value {
    request(&Value::Null, &[step(key, None)], &[])
}

fn done(revision: u64, results: &[Value]) -> Value {
    json!({"Txn": {"Failure": false, "Results": results}, "Range": null, "Revision": revision, "Error": ""})
}

/// The answer of a step that found nothing to tell.
fn nothing() -> Value {
    json!({"KVs": null, "Count": 0, "Deleted": 0})
}

fn range(start: &str, end: &str, limit: u32, at: u64) -> Value {
    json!({"Type": "range", "Range": {"Start": start, "End": end, "Limit": limit, "Revision": at}, "Txn": null})
}

fn found(revision: u64, count: u64, entries: &[(&str, &str, u64)]) -> Value {
    let entry =
        |(key, value, at): &(&str, &str, u64)| json!({"Key": key, "Value": {"Value": value}, "ModRevision": at});
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    json!({"Txn": null, "Range": {"KVs": entries, "Count": count}, "Revision": revision, "Error": ""})
}

fn failed() -> Value {
    json!({"Txn": null, "Range": null, "Revision": 0, "Error": "request timed out"})
}

fn asked(client: u32, (call, returned): (u64, u64), input: Value, output: Value) -> String {
    // As they are written: the fields in this order.
    format!("{{\"ClientId\":{client},\"Input\":{input},\"Call\":{call},\"Output\":{output},\"Return\":{returned}}}")
}

fn judge(lines: &[String]) -> Verdict {
    let judgement = judge_text("report", &lines.join("\n"), ModelName::Etcd, CheckOptions::default());
    let judgement = judgement.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(judgement.format, Format::EtcdReport.as_str());
    judgement.verdict
}

fn oracle(verdict: &Verdict) -> &str {
    verdict.evidence().map_or("", |evidence| evidence.oracle.as_str())
}

#[test]
fn what_clients_did_is_in_order_or_not() {
    let writes = |read: Value| {
        let swap = request(&json!([{"Key": "a", "ExpectedRevision": 2}]), &[step("a", None)], &[step("b", Some("9"))]);
        let version = request(
            &json!([{"Key": "b", "ExpectedVersion": 2}]),
            &[step("b", None)],
            &[json!({"Type": "range-operation", "Range": {"Start": "b", "End": "", "Limit": 0}})],
        );
        let b = json!({"KVs": [{"Key": "b", "Value": {"Value": "x"}, "ModRevision": 3, "Version": 1}], "Count": 1});
        let refused = json!({"Txn": {"Failure": true, "Results": [b]}, "Range": null, "Revision": 4, "Error": ""});
        judge(&[
            asked(0, (1, 2), range("a", "z", 0, 0), found(1, 0, &[])),
            asked(0, (10, 20), put("a", "1"), done(2, &[nothing()])),
            asked(1, (11, 30), put("b", "x"), done(3, &[nothing()])),
            asked(0, (40, 50), swap, done(4, &[json!({"KVs": null, "Count": 0, "Deleted": 1})])),
            asked(1, (60, 70), version, refused),
            asked(0, (60, 80), read, found(4, 1, &[("b", "x", 3)])),
        ])
    };
    assert!(writes(range("a", "c", 0, 0)).is_pass());
    assert!(writes(range("b", "", 0, 0)).is_pass(), "one key alone");
    assert_eq!(oracle(&writes(range("a", "b", 0, 0))), "linearizability", "b is beyond");
    assert_eq!(oracle(&writes(range("a", "c", 0, 4))), "", "as of now");
    assert_eq!(oracle(&writes(range("a", "c", 0, 3))), "reads of the past", "a was there then");
    let two = |first, second| {
        judge(&[
            asked(0, (1, 2), put("a", "1"), done(first, &[nothing()])),
            asked(1, (3, 4), put("b", "1"), done(second, &[nothing()])),
        ])
    };
    assert!(two(2, 3).is_pass());
    assert_eq!(oracle(&two(3, 2)), "linearizability", "revisions go against time");
    assert_eq!(oracle(&two(2, 4)), "linearizability", "a revision that nobody made");
    let limited = |count, entries: &[(&str, &str, u64)]| {
        judge(&[
            asked(
                0,
                (1, 2),
                request(&Value::Null, &[step("a", Some("1")), step("b", Some("2"))], &[]),
                done(2, &[nothing(), nothing()]),
            ),
            asked(1, (3, 4), range("a", "z", 1, 0), found(2, count, entries)),
        ])
    };
    assert!(limited(2, &[("a", "1", 2)]).is_pass(), "a limit does not lessen the count");
    assert!(limited(1, &[("a", "1", 2)]).is_fail());
    assert!(limited(2, &[("a", "1", 2), ("b", "2", 2)]).is_fail(), "more than asked for");
    assert!(limited(2, &[("b", "2", 2)]).is_fail(), "the first come first");
}

#[test]
fn requests_without_an_answer_happened_or_not() {
    let run = |read: Value, more: &[String]| {
        let mut lines = vec![
            asked(0, (1, 10), put("a", "1"), failed()),
            asked(0, (5, 6), range("a", "", 0, 0), failed()),
            asked(1, (20, 30), range("a", "", 0, 0), read),
        ];
        lines.extend_from_slice(more);
        judge(&lines)
    };
    assert!(run(found(2, 1, &[("a", "1", 2)]), &[]).is_pass());
    assert!(run(found(1, 0, &[]), &[]).is_pass());
    assert!(run(found(2, 0, &[]), &[]).is_fail(), "something happened, and nothing else was asked");
    let watched = watch("a", false, 1, &[&[event("a", Some("1"), 2)]], None);
    assert!(run(found(2, 1, &[("a", "1", 2)]), std::slice::from_ref(&watched)).is_pass());
    let late = asked(1, (40, 50), put("b", "1"), done(2, &[nothing()]));
    assert!(run(found(1, 0, &[]), std::slice::from_ref(&late)).is_pass(), "it never happened");
    assert!(run(found(1, 0, &[]), &[late.clone(), watched]).is_fail(), "a watch saw another at 2");
    let kept = format!("{}", put("b", "1"));
    assert!(run(found(1, 0, &[]), &[late.clone(), kept.clone()]).is_pass());
    let other = asked(1, (40, 50), put("b", "1"), done(3, &[nothing()]));
    assert!(run(found(1, 0, &[]), std::slice::from_ref(&other)).is_pass());
    assert!(run(found(1, 0, &[]), &[other, kept]).is_fail(), "the store did not keep it");
}

#[test]
fn leases_take_their_keys_along() {
    let lease = |kind: &str, id: i64| match kind {
        "leaseGrant" => json!({"Type": kind, "LeaseGrant": {"LeaseID": id}}),
        _ => json!({"Type": kind, "LeaseRevoke": {"LeaseID": id}}),
    };
    let on = |key: &str, id: i64| {
        let put = json!({"Type": "put-operation", "Put": {"Key": key, "Value": {"Value": "1"}, "LeaseID": id}});
        request(&Value::Null, &[put], &[])
    };
    let granted = |revision: u64| json!({"LeaseGrant": {"LeaseID": 7}, "Txn": null, "Range": null, "Revision": revision, "Error": ""});
    let run = |id, count, revision| {
        judge(&[
            asked(0, (1, 2), lease("leaseGrant", 7), granted(1)),
            asked(0, (3, 4), on("a", id), done(if id == 8 { 1 } else { 2 }, &[nothing()])),
            asked(0, (5, 6), lease("leaseRevoke", 7), granted(revision)),
            asked(
                0,
                (7, 8),
                range("a", "", 0, 0),
                found(revision, count, if count == 1 { &[("a", "1", 2)] } else { &[] }),
            ),
        ])
    };
    assert!(run(7, 0, 3).is_pass());
    assert!(run(7, 1, 2).is_fail(), "the key hung on the lease");
    assert!(run(0, 1, 2).is_pass());
    assert!(run(8, 0, 1).is_pass(), "there is no such lease");
}

fn event(key: &str, value: Option<&str>, revision: u64) -> Value {
    match value {
        Some(value) => json!({"Type": "put-operation", "Key": key, "Value": {"Value": value}, "Revision": revision}),
        None => json!({"Type": "delete-operation", "Key": key, "Value": {}, "Revision": revision}),
    }
}

/// Responses, and at their end a bookmark.
fn watch(key: &str, prefix: bool, from: u64, responses: &[&[Value]], bookmark: Option<u64>) -> String {
    let mut told: Vec<Value> =
        responses.iter().map(|events| json!({"Events": events, "IsProgressNotify": false, "Revision": 0})).collect();
    told.extend(bookmark.map(|at| json!({"Events": null, "IsProgressNotify": true, "Revision": at})));
    format!(
        "{{\"Request\":{},\"Responses\":{}}}",
        json!({"Key": key, "Revision": from, "WithPrefix": prefix, "WithPrevKV": true}),
        json!(told)
    )
}

#[test]
fn watches_keep_their_promises_or_not() {
    let kept = [put("a", "1"), put("ab", "2"), put("a", "3"), delete("a")].map(|request| request.to_string());
    let told = |watch: String| {
        let mut lines = vec![watch];
        lines.extend_from_slice(&kept);
        oracle(&judge(&lines)).to_owned()
    };
    let [a2, ab3, a4, a5] = [("a", Some("1"), 2), ("ab", Some("2"), 3), ("a", Some("3"), 4), ("a", None, 5)]
        .map(|(key, value, revision)| event(key, value, revision));
    let (a2, ab3, a4, a5) = (&a2, &ab3, &a4, &a5);
    let all = |events: &[&Value]| -> Vec<Value> { events.iter().map(|event| (*event).clone()).collect() };
    assert_eq!(told(watch("", true, 0, &[&all(&[a2, ab3]), &all(&[a4, a5])], Some(5))), "");
    assert_eq!(told(watch("a", false, 0, &[&all(&[a2, a4])], Some(4))), "");
    assert_eq!(told(watch("a", true, 3, &[&all(&[ab3, a4])], None)), "");
    assert_eq!(told(watch("", true, 0, &[&all(&[ab3])], None)), "", "from now on");
    assert_eq!(told(watch("", true, 0, &[], Some(5))), "", "nothing since");
    assert_eq!(told(watch("", true, 2, &[&all(&[ab3])], None)), "watch: resumable");
    assert_eq!(told(watch("", true, 2, &[], Some(4))), "watch: reliable");
    assert_eq!(told(watch("a", true, 0, &[&all(&[a2, a4])], None)), "watch: reliable");
    assert_eq!(told(watch("a", false, 0, &[&all(&[a2, ab3])], None)), "watch: filtered");
    assert_eq!(told(watch("", true, 0, &[&all(&[ab3, a2])], None)), "watch: ordered");
    assert_eq!(told(watch("", true, 0, &[&all(&[a2, a2])], None)), "watch: unique");
    assert_eq!(told(watch("", true, 0, &[&all(&[a2, ab3])], Some(2))), "watch: bookmarkable");
    assert_eq!(told(watch("", true, 0, &[&all(&[&event("a", Some("9"), 2)])], None)), "watch: genuine");
    let with = |event: &Value, field: &str, value: Value| {
        let mut event = event.clone();
        event[field] = value;
        event
    };
    let before = |value: &str, at: u64| json!({"Value": {"Value": value}, "ModRevision": at});
    let alone = |event: Value, from| told(watch("a", false, from, &[&[event]], None));
    assert_eq!(alone(with(a4, "PrevValue", before("1", 2)), 3), "");
    assert_eq!(alone(with(a4, "PrevValue", before("2", 2)), 3), "watch: previous value");
    assert_eq!(alone(with(a5, "PrevValue", before("3", 3)), 5), "watch: previous value");
    assert_eq!(alone(with(a4, "IsCreate", json!(false)), 3), "");
    assert_eq!(alone(with(a4, "IsCreate", json!(true)), 3), "watch: creation");
    let both = request(&Value::Null, &[step("x", Some("1")), step("y", Some("1"))], &[]).to_string();
    let parts = [event("x", Some("1"), 2), event("y", Some("1"), 2)];
    let halves = watch("", true, 0, &[&parts[..1], &parts[1..]], None);
    assert_eq!(oracle(&judge(&[halves, both.clone()])), "watch: atomic");
    assert!(judge(&[watch("", true, 0, &[&parts], Some(2)), both]).is_pass());
}

#[test]
fn without_the_requests_that_were_kept_answers_and_watches_tell_what_happened() {
    let a = asked(0, (1, 2), put("a", "1"), done(2, &[nothing()]));
    let b = asked(0, (3, 4), put("b", "1"), done(3, &[nothing()]));
    let (a2, b3) = (event("a", Some("1"), 2), event("b", Some("1"), 3));
    let missed = watch("", true, 2, &[std::slice::from_ref(&b3)], None);
    assert_eq!(oracle(&judge(&[a.clone(), b, missed.clone()])), "watch: resumable", "an answer tells of 2");
    let other = watch("", true, 2, &[&[a2, b3]], None);
    assert_eq!(oracle(&judge(&[missed.clone(), other])), "watch: resumable", "another watch tells of it");
    assert!(judge(&[missed]).is_pass(), "nobody knows of 2");
}

#[test]
fn a_folder_of_clients_is_one_report() {
    let folder = tempfile::tempdir().expect("there is room");
    let client = |name: &str, file: &str, text: String| {
        let folder = folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("there is room");
        std::fs::write(folder.join(file), text + "\n").expect("there is room");
    };
    client("client-1", "watch.json", watch("", true, 0, &[&[event("a", Some("1"), 2)]], Some(2)));
    client("client-2", "operations.json", asked(0, (1, 2), put("a", "1"), done(2, &[nothing()])));
    let judged = || judge_file(folder.path(), ModelName::Etcd, CheckOptions::default());
    assert!(judged().expect("it is a report").verdict.is_pass());
    client("client-1", "watch.json", watch("", true, 0, &[&[event("a", Some("2"), 2)]], Some(2)));
    assert_eq!(oracle(&judged().expect("it is a report").verdict), "watch: genuine");
    let error = judge_file(folder.path(), ModelName::Kv, CheckOptions::default()).expect_err("it is etcd's");
    assert!(error.to_string().contains("choose --model etcd"), "{error}");
    client("client-3", "operations.json", "{\"ClientId\":0,\"Input\":{}}".to_owned());
    let error = judged().expect_err("it has no type").to_string();
    assert!(error.ends_with("client-3/operations.json:1:24: missing field `Type`"), "{error}");
    let empty = tempfile::tempdir().expect("there is room");
    let error = judge_file(empty.path(), ModelName::Etcd, CheckOptions::default()).expect_err("there is nothing");
    assert!(error.to_string().contains("expected client-0/operations.json"), "{error}");
}

#[test]
fn what_is_no_line_of_a_report_is_refused_with_its_place() {
    let refused = |text: &str| {
        let options = CheckOptions { format: Some(Format::EtcdReport), ..CheckOptions::default() };
        judge_text("r", text, ModelName::Etcd, options).expect_err("it is none").to_string()
    };
    assert_eq!(refused("\n  {\"Type\":\"fly\"}").split(':').take(3).collect::<Vec<_>>(), ["r", "2", "15"]);
    assert!(refused("{\"Type\":\"txn\"}").contains("a request of type txn has no Txn"));
    assert!(refused("{\"a\":1}").contains("expected an operation with ClientId"), "{}", refused("{\"a\":1}"));
    assert!(
        refused("{\"Request\":{\"Key\":1}}").contains("expected a string"),
        "{}",
        refused("{\"Request\":{\"Key\":1}}")
    );
    let answer = asked(0, (1, 2), range("a", "", 0, 0), done(1, &[]));
    assert!(refused(&answer).contains("the answer to a range has no Range"));
    let backwards = asked(0, (2, 1), put("a", "1"), done(2, &[nothing()]));
    assert!(refused(&backwards).contains("before its call"), "{}", refused(&backwards));
}

/// The same in our own form.
#[test]
fn what_clients_did_may_be_written_as_json_lines() {
    let lines = |at: &str, found: &str| {
        let ops = [
            r#"{"process":0,"call":1,"return":2,"op":{"lease_grant":7},"outcome":{"ok":{"done":{}}}}"#.to_owned(),
            r#"{"process":0,"call":3,"return":6,"op":{"txn":{"compare":[{"key":"a","expect":{"revision":0}}],"success":[{"put":{"key":"a","value":"1"}},{"range":{"start":"a"}}]}},"outcome":{"ok":{"txn":{"failed":false,"results":[{},{"entries":[{"key":"a","value":"1","revision":2}],"count":1}],"revision":2}}}}"#.to_owned(),
            r#"{"process":1,"call":4,"return":null,"op":{"txn":{"success":[{"put":{"key":"b","value":"x","lease":7}}]}},"outcome":"info"}"#.to_owned(),
            r#"{"process":0,"call":7,"return":8,"op":{"txn":{"compare":[{"key":"a","expect":{"version":2}}],"success":[{"delete":"b"}],"failure":[{"delete":"a"}]}},"outcome":{"ok":{"txn":{"failed":true,"results":[{"deleted":1}],"revision":3}}}}"#.to_owned(),
            format!(
                r#"{{"process":0,"call":9,"return":10,"op":{{"range":{{"range":{{"start":"a","end":"z"}}{at}}}}},"outcome":{{"ok":{{"found":{{"found":{found},"revision":3}}}}}}}}"#
            ),
        ];
        let text = format!("{{\"history\":1,\"model\":\"etcd\"}}\n{}\n", ops.join("\n"));
        let judgement = judge_text("h.jsonl", &text, ModelName::Etcd, CheckOptions::default());
        let judgement = judgement.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((judgement.format, judgement.model), (Format::JsonLines.as_str(), "etcd"));
        judgement.verdict
    };
    let a = r#"{"entries":[{"key":"a","value":"1","revision":2,"version":1}],"count":1}"#;
    assert!(lines("", "{}").is_pass());
    assert_eq!(oracle(&lines("", a)), "linearizability", "it was removed before");
    assert!(lines(",\"at\":2", a).is_pass(), "as it was");
    assert_eq!(oracle(&lines(",\"at\":2", "{}")), "reads of the past");
    let wrong = "{\"history\":1,\"model\":\"etcd\"}\n{\"process\":0,\"call\":1,\"op\":{\"compact\":true},\"outcome\":\"info\"}\n";
    let error = judge_text("h.jsonl", wrong, ModelName::Etcd, CheckOptions::default()).expect_err("it is none");
    assert!(error.to_string().starts_with("h.jsonl:2:"), "{error}");
}
