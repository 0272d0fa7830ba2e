//! Histories in EDN: what Jepsen, Knossos and Elle write is understood, and what is wrong is refused with line and column.

use stormglass_check::format::{CheckOptions, Format, ModelName, Objects, judge_text};
use stormglass_check::{AnomalyKind, Isolation, Verdict};

fn judge(text: &str, model: ModelName) -> Verdict {
    let judgement = judge_text("h.edn", text, model, CheckOptions::default());
    let judgement = judgement.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(judgement.format, Format::Edn.as_str());
    judgement.verdict
}

fn refused(text: &str, model: ModelName, reason: &str) {
    let options = CheckOptions { format: Some(Format::Edn), ..CheckOptions::default() };
    match judge_text("h.edn", text, model, options) {
        Ok(judgement) => panic!("{:?}", judgement.verdict),
        Err(error) => assert_eq!(error.to_string(), reason),
    }
}

#[test]
fn a_register_is_read_event_by_event_or_as_one_vector() {
    let events = "{:process 0, :type :invoke, :f :write, :value 1, :time 10, :index 0}
                  #jepsen.history.Op{:process 1, :type :invoke, :f :cas, :value [1 2]} ; a record
                  {:process :nemesis, :type :info, :f :start, :value nil}
                  {:process 0, :type :ok, :f :write, :value 1}
                  {:process 1, :type :ok, :f :cas, :value [1 2]} #_{:process 9}
                  {:process 0, :type :invoke, :f :read, :value nil}
                  {:process 0, :type :ok, :f :read, :value VALUE}";
    for (value, passes) in [("2", true), ("1", false), ("nil", false)] {
        let lines = events.replace("VALUE", value);
        assert_eq!(judge(&lines, ModelName::CasRegister).is_pass(), passes, "{value}");
        assert_eq!(judge(&format!("[{lines}]"), ModelName::CasRegister).is_pass(), passes, "{value}");
    }
}

#[test]
fn keys_stand_beside_the_value_or_in_it() {
    let text = "{:process 0, :type :invoke, :f :write, :value [:x 1]}
                {:process 0, :type :ok, :f :write, :value [:x 1]}
                {:process 0, :type :invoke, :f :cas, :value [:x [1 3]]}
                {:process 0, :type :ok, :f :cas, :value [:x [1 3]]}
                {:process 1, :type :invoke, :f :read, :value [:y nil]}
                {:process 1, :type :ok, :f :read, :value [:y nil]}
                {:process 1, :type :invoke, :f :read, :value [:x nil]}
                {:process 1, :type :ok, :f :read, :value [:x 3]}";
    assert!(judge(text, ModelName::Kv).is_pass());
    assert!(judge(&text.replace("[:x 3]}", "[:x 1]}"), ModelName::Kv).is_fail());
}

#[test]
fn queues_sets_counters_and_locks_are_understood() {
    let queue = "{:process 0 :type :invoke :f :enqueue :value 1} {:process 0 :type :ok :f :enqueue :value 1}
                 {:process 0 :type :invoke :f :enqueue :value 2} {:process 0 :type :ok :f :enqueue :value 2}
                 {:process 0 :type :invoke :f :dequeue :value nil} {:process 0 :type :ok :f :dequeue :value 1}";
    assert!(judge(queue, ModelName::Queue).is_pass());
    assert!(judge(queue, ModelName::Stack).is_fail());
    let set = "{:process 0 :type :invoke :f :add :value 1} {:process 0 :type :ok :f :add :value 1}
               {:process 0 :type :invoke :f :add :value 2} {:process 0 :type :info :f :add :value 2}
               {:process 1 :type :invoke :f :read :value nil} {:process 1 :type :ok :f :read :value #{1 2}}";
    assert!(judge(set, ModelName::Set).is_pass());
    assert!(judge(&set.replace("#{1 2}", "[2]"), ModelName::Set).is_fail(), "1 is lost");
    let counter = "{:process 0 :type :invoke :f :add :value 5} {:process 0 :type :ok :f :add :value 5}
                   {:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value 5}";
    assert!(judge(counter, ModelName::Counter).is_pass());
    assert!(judge(&counter.replace(":f :read :value 5", ":f :read :value 4"), ModelName::Counter).is_fail());
    let lock = "{:process 0 :type :invoke :f :acquire} {:process 0 :type :ok :f :acquire}
                {:process 1 :type :invoke :f :acquire} {:process 1 :type :ok :f :acquire}";
    assert!(judge(lock, ModelName::Lock).is_fail(), "two hold it");
}

#[test]
fn transactions_are_understood() {
    let text = "{:process 0 :type :invoke :f :txn :value [[:r :x nil] [:append :y 1]]}
                {:process 1 :type :invoke :f :txn :value [[:r :y nil] [:append :x 1]]}
                {:process 0 :type :ok :f :txn :value [[:r :x []] [:append :y 1]]}
                {:process 1 :type :ok :f :txn :value [[:r :y []] [:append :x 1]]}
                {:process 0 :type :invoke :f :txn :value [[:r :x nil] [:r :y nil]]}
                {:process 0 :type :ok :f :txn :value [[:r :x [1]] [:r :y [1]]]}";
    let judgement =
        judge_text("h.edn", text, ModelName::ListAppend, CheckOptions::default()).expect("it is well-formed");
    assert!(judgement.verdict.is_fail());
    assert_eq!(judgement.strongest, Some(Isolation::SnapshotIsolation));
    assert_eq!(judgement.anomalies.iter().map(|anomaly| anomaly.kind).collect::<Vec<_>>(), [AnomalyKind::G2Item]);
    let registers = "{:process 0 :type :invoke :f :txn :value [[:w :x 1]]}
                     {:process 1 :type :invoke :f :txn :value [[:r :x nil]]}
                     {:process 0 :type :fail :f :txn :value [[:w :x 1]]}
                     {:process 1 :type :ok :f :txn :value [[:r :x 1]]}";
    assert!(judge(registers, ModelName::RwRegister).is_fail(), "an aborted write was read");
}

#[test]
fn what_is_wrong_is_named_with_line_column_and_what_was_expected() {
    let register = ModelName::CasRegister;
    refused("{:process 0\n :type", register, "h.edn:2:7: expected `}`, found the end of the file");
    refused("{:process 0 :type}", register, "h.edn:1:1: a map has a key without a value");
    refused("\n {:process 0 :f :read}", register, "h.edn:2:2: :type is missing, expected a map with it");
    refused(
        "{:process 0 :type :ok :f :read}",
        register,
        "h.edn:1:1: process 0 has no operation open, expected :invoke before :ok",
    );
    refused(
        "{:process 0 :type :invoke :f :fly}",
        register,
        "h.edn:1:30: :fly is not known here, expected :read, :write or :cas",
    );
    refused("{:process 0 :type :invoke :f :cas :value [1]}", register, "h.edn:1:42: expected a vector of two");
    refused(
        "{:process 0 :type \"x",
        register,
        "h.edn:1:21: expected the closing double quote, found the end of the file",
    );
    refused("7", register, "h.edn:1:1: :process is missing, expected a map with it");
    let deep = "[".repeat(100_000);
    refused(&deep, register, "h.edn:1:66: forms are nested more than 64 deep");
    refused(&"#_".repeat(100_000), register, "h.edn:1:131: forms are nested more than 64 deep");
    refused(&"#a ".repeat(100_000), register, "h.edn:1:196: forms are nested more than 64 deep");
}

#[test]
fn what_a_history_by_hand_leaves_out_is_understood() {
    let transactions = [
        // Without `:f`, as Elle's own tests have it; without a process; and without a place for an answer that is nothing.
        "{:type :invoke :process 0 :value [[:append :x 1]]} {:type :ok :process 0 :value [[:append :x 1]]}",
        "{:type :invoke :f :txn :value [[:append :x 1]]} {:type :ok :f nil :value [[:append :x 1]]}",
        "{:type :ok :process 0 :f nil :value [[:append :x 1] [:r :y]]}",
        "{:type :ok :value [[:append [:anti 1] {:a \"b\"}] [:r [:anti 1] [{:a \"b\"}]]]}",
    ];
    for text in transactions {
        assert!(judge(text, ModelName::ListAppend).is_pass(), "{text}");
    }
    let other = "{:type :ok :value [[:append [:anti 1] {:a \"b\"}]]} {:type :ok :value [[:r [:anti 1] [{:a \"c\"}]]]}";
    assert!(judge(other, ModelName::ListAppend).is_fail(), "values are told apart whole");
    let seen = "{:type :ok :process 0 :value [[:w :x 1]]} {:type :ok :process 1 :value [[:r :x]]}";
    assert!(judge(seen, ModelName::RwRegister).is_pass());
    refused(
        "{:type :ok :process 0 :value 1}",
        ModelName::CasRegister,
        "h.edn:1:1: :f is missing, expected a map with it",
    );
    refused("{:type :ok :f :read}", ModelName::CasRegister, "h.edn:1:1: :process is missing, expected a map with it");
}

/// The read that shows it is the evidence, and not a mistake of the file's.
#[test]
fn an_account_below_zero_is_a_failure() {
    let text = "{:process 0 :type :invoke :f :read :value nil} {:process 0 :type :ok :f :read :value {0 10, 1 A}}";
    let objects = Objects { accounts: [("0".to_owned(), 10), ("1".to_owned(), 1)].into(), ..Objects::default() };
    for (told, passes) in [("1", true), ("-1", false), ("0", false), ("1, 2 0", false)] {
        let options = CheckOptions { objects: objects.clone(), ..CheckOptions::default() };
        let judgement = judge_text("h.edn", &text.replace('A', told), ModelName::Bank, options);
        assert_eq!(judgement.unwrap_or_else(|error| panic!("{error}")).verdict.is_pass(), passes, "{told}");
    }
}

#[test]
fn a_register_may_hold_something_at_first() {
    let text = "{:process 0 :type :invoke :f :cas :value [0 1]} {:process 0 :type :ok :f :cas :value [0 1]}
                {:process 1 :type :invoke :f :read :value nil} {:process 1 :type :ok :f :read :value 1}";
    for (initial, passes) in [(Some("0"), true), (Some("2"), false), (None, false)] {
        let objects = Objects { initial: initial.map(Into::into), ..Objects::default() };
        let options = CheckOptions { objects, ..CheckOptions::default() };
        let judgement = judge_text("h.edn", text, ModelName::CasRegister, options);
        assert_eq!(judgement.unwrap_or_else(|error| panic!("{error}")).verdict.is_pass(), passes, "{initial:?}");
    }
}
