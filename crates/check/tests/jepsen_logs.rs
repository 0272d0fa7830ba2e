//! The logs that Jepsen writes, in their three forms, with whatever else is in them.

use stormglass_check::format::{
    CheckOptions, Format, ModelName, Notation, check_text, read_jepsen_kv, read_jepsen_register,
};
use stormglass_check::model::{Bytes, RegisterOp, RegisterRet};
use stormglass_check::{History, Outcome};

type Whatever = Result<(), Box<dyn std::error::Error>>;

/// A log of the console as it was in 2014, with the report of Knossos.
const CONSOLE: &str = "
lein test jepsen.system.etcd-test
INFO  jepsen.system.etcd - :n4 etcd ready
INFO  jepsen.core - Worker 0 starting
INFO  jepsen.util - 0\t:invoke\t:write\t1
INFO  jepsen.util - 0\t:ok\t:write\t1
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\t2
INFO  jepsen.core - Run complete, writing
INFO  jepsen.core - Analyzing
INFO  jepsen.core - Analysis complete

FAIL in (register-test) (etcd_test.clj:45)
  actual: false
Not linearizable. Linearizable prefix was:
0\t:invoke\t:write\t1
0\t:ok\t:write\t1

led to state: 
{:value 1}

with pending operations:
1\t:invoke\t:read\t2
";

const DATED: &str =
    "2021-02-26 23:39:01,100{GMT}\tINFO\t[jepsen test runner] jepsen.core: Running test:\n {:name \"etcd\"}
2021-02-26 23:39:01,290{GMT}\tINFO\t[jepsen worker nemesis] jepsen.util: :nemesis\t:info\t:start\t{\"n1\" :cut}
2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:write\t[0 2]
2021-02-26 23:39:01,303{GMT}\tWARN\t[jepsen worker 1] jepsen.util: Retrying after a :conn-closed
2021-02-26 23:39:01,303{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:ok\t:write\t[0 2]
2021-02-26 23:39:01,400{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:invoke\t:cas\t[0 [2 3]]
2021-02-26 23:39:01,410{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:fail\t:cas\t[0 [2 3]]\t:conn-closed
2021-02-26 23:39:01,526{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:read\t[0 nil]
2021-02-26 23:39:01,527{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:ok\t:read\t[0 2]
2021-02-26 23:39:02,000{GMT}\tINFO\t[jepsen test runner] jepsen.core: Run complete, writing
0\t:invoke\t:read\t[0 7]
";

fn judged(text: &str, model: ModelName) -> String {
    match check_text("h", text, model, CheckOptions::default()) {
        Ok(verdict) => verdict.to_string(),
        Err(error) => error.to_string(),
    }
}

fn shown(history: &History<RegisterOp, RegisterRet>) -> Vec<(u64, RegisterOp, Outcome<RegisterRet>)> {
    history.operations().iter().map(|op| (op.call, op.op.clone(), op.outcome.clone())).collect()
}

#[test]
fn what_the_analysis_tells_again_is_no_part_of_the_history() -> Whatever {
    let history = read_jepsen_register("h", CONSOLE, Notation::Log)?;
    let one = || Some(Bytes::from("1"));
    let expected = [
        (5, RegisterOp::Write(one()), Outcome::Ok(RegisterRet::Written)),
        (7, RegisterOp::Read, Outcome::Ok(RegisterRet::Value(Some(Bytes::from("2"))))),
    ];
    assert_eq!(shown(&history), expected);
    assert_eq!(Format::guess(CONSOLE), Some(Format::JepsenLog));
    assert!(judged(CONSOLE, ModelName::CasRegister).starts_with("fail"), "{}", judged(CONSOLE, ModelName::CasRegister));
    // Before the run is over there is no such thing.
    let early = CONSOLE.replace("INFO  jepsen.core - Worker 0 starting", "0\t:invoke\t:write\t7");
    assert_eq!(
        judged(&early, ModelName::CasRegister),
        "h:5:1: expected `0 :invoke …`, found \"INFO  jepsen.util - 0\\t:i\""
    );
    let late = CONSOLE.replace("INFO  jepsen.core - Worker 0 starting", "INFO  jepsen.util - 0\t:invoke\t:write\t7");
    let late = late.replacen("INFO  jepsen.util - 0\t:invoke\t:write\t1", "0\t:ok\t:write\t1", 1);
    assert_eq!(
        judged(&late, ModelName::CasRegister),
        "h:5:1: expected `INFO jepsen.util - 0 :invoke …`, found \"0\\t:ok\\t:write\\t1\""
    );
    let twice = format!("{CONSOLE}{CONSOLE}");
    let found = judged(&twice, ModelName::CasRegister);
    assert_eq!(found, "h:28:1: another run's history begins here, expected one: cut the log in two");
    Ok(())
}

#[test]
fn a_dated_log_is_read_with_its_keys() -> Whatever {
    let history = read_jepsen_kv("h", DATED, Notation::Log)?;
    let calls: Vec<_> =
        history.operations().iter().map(|op| (op.call, op.returned, op.outcome == Outcome::Fail)).collect();
    assert_eq!(calls, [(4, Some(6), false), (7, Some(8), true), (9, Some(10), false)]);
    assert_eq!(judged(DATED, ModelName::Kv), "pass");
    assert!(
        judged(&DATED.replace("[0 2]\n2021-02-26 23:39:02", "[0 3]\n2021-02-26 23:39:02"), ModelName::Kv)
            .starts_with("fail")
    );
    let found = judged(&DATED.replace("1\t:ok\t:write", "1\t:oks\t:write"), ModelName::Kv);
    assert_eq!(found, "h:6:68: expected `:invoke`, `:ok`, `:fail` or `:info`, found \":oks\\t:write\\t[0 2]\"");
    let found = judged(DATED, ModelName::CasRegister);
    assert_eq!(found, "h:4:83: expected a single value; if it is a key and a value, choose --model kv");
    Ok(())
}

/// Only on the console of old does a compare-and-swap that failed say that it compared unequal.
#[test]
fn why_a_swap_failed_is_not_guessed() {
    let told = ["0 :invoke :write 1", "0 :ok :write 1", "0 :invoke :cas [1 2]", "0 :fail :cas [1 2]"];
    let log = |prefix: &str| -> String { told.iter().map(|line| format!("{prefix}{line}\n")).collect() };
    assert!(judged(&log("INFO jepsen.util - "), ModelName::CasRegister).starts_with("fail"));
    assert_eq!(judged(&log(""), ModelName::CasRegister), "pass");
    assert_eq!(judged(&log("2021-02-26 23:39:01,300{GMT} INFO [w] jepsen.util: "), ModelName::CasRegister), "pass");
    let reasoned = log("INFO jepsen.util - ").replace(":fail :cas [1 2]", ":fail :cas [1 2] :conn-closed");
    assert_eq!(judged(&reasoned, ModelName::CasRegister), "pass");
    let instead = log("INFO jepsen.util - ").replace(":fail :cas [1 2]", ":fail :cas :timed-out");
    assert_eq!(judged(&instead, ModelName::CasRegister), "pass");
}

#[test]
fn histories_of_any_model_are_read_from_lines() {
    let list = "0\t:invoke\t:txn\t[[:append 1 5] [:r 1 nil]]\n0\t:ok\t:txn\t[[:append 1 5] [:r 1 [5]]]\n";
    assert_eq!(judged(list, ModelName::ListAppend), "pass");
    let lost = format!("{list}1\t:invoke\t:txn\t[[:r 1 nil]]\n1\t:ok\t:txn\t[[:r 1 [6]]]\n");
    assert!(judged(&lost, ModelName::ListAppend).starts_with("fail"));
    let set = "0 :invoke :add 5\n0 :ok :add 5\n:nemesis :info :start nil\n1 :invoke :read nil\n1 :ok :read #{5}\n";
    assert_eq!(judged(set, ModelName::Set), "pass");
    assert!(judged(&set.replace("#{5}", "#{}"), ModelName::Set).starts_with("fail"));
    let queue = "0\t:invoke\t:enqueue\t5\n0\t:ok\t:enqueue\t5\n1\t:invoke\t:dequeue\tnil\n1\t:ok\t:dequeue\t6\n";
    assert!(judged(queue, ModelName::Queue).starts_with("fail"));
    assert!(judged(set, ModelName::Log).contains("do not hold histories of model log"));
    // A completion alone tells nothing of when it was called.
    let alone = "0\t:ok\t:txn\t[[:append 1 5]]\n";
    let found = judged(alone, ModelName::ListAppend);
    assert_eq!(found, "h:1:1: process 0 has no operation open, expected :invoke before :ok");
}

#[test]
fn reasons_may_go_on_for_lines() {
    let text = "0\t:invoke\t:write\t1\n0\t:info\t:write\t1\tjava.lang.Exception: no\n  at a.b.c\n\n1\t:invoke\t:read\tnil\n1\t:ok\t:read\t1\n";
    assert_eq!(judged(text, ModelName::CasRegister), "pass");
    let found = judged(&text.replace(":info\t:write\t1\tjava", ":ok\t:write\t1\tjava"), ModelName::CasRegister);
    assert_eq!(found, "h:2:16: expected the end of the line, found \"java.lang.Exception: no\"");
    let found = judged(&text.replace("1\t:ok\t:read\t1\n", "1\t:ok\t:read\t1\nand so on\n"), ModelName::CasRegister);
    assert_eq!(found, "h:7:1: expected a process number or `:nemesis`, found \"and so on\"");
    for (line, expected) in [
        ("1 :ok", "h:7:6: expected what was done, as `:read`, found the end of the line"),
        ("1 :ok :read", "h:7:12: expected a value or `nil`, found the end of the line"),
        ("1 :ok :read [1", "h:7:15: expected `]`, found the end of the line"),
        ("1 :ok :read 1x", "h:7:13: expected a value or `nil`, found \"1x\""),
        ("-1 :ok :read 1", "h:7:1: expected a process number or `:nemesis`, found \"-1 :ok :read 1\""),
    ] {
        let found = judged(&text.replace("1\t:ok\t:read\t1\n", &format!("\n{line}")), ModelName::CasRegister);
        assert_eq!(found, expected, "{line}");
    }
}
