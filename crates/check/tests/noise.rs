//! Texts that are nearly histories: whatever is changed in them, every reader answers with a verdict or with an error that
//! names its place, and never breaks. `STORMGLASS_NOISE` says how many texts, for as long a search as one likes, and
//! `STORMGLASS_NOISE_SEED` which. (The fuzz target `formats` asks the same of texts that a compiler's eye leads to.)

#[path = "noise/answered.rs"]
mod answered;

use answered::in_every_format;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A history or two of every format and model.
const TEXTS: [&str; 16] = [
    "{\"history\":1,\"model\":\"kv\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"put\":{\"key\":\"x\",\"value\":\"1\"}},\"outcome\":{\"ok\":{\"done\":{\"revision\":3}}}}\n{\"process\":1,\"call\":3,\"return\":4,\"op\":{\"get\":{\"key\":\"x\"}},\"outcome\":{\"ok\":{\"value\":{\"value\":\"1\",\"revision\":3}}}}\n",
    "{\"history\":1,\"model\":\"kv\",\"clock\":\"lines\"}\n{\"process\":\"a\",\"call\":1,\"return\":null,\"op\":{\"cas\":{\"key\":{\"hex\":\"ff\"},\"expect\":\"absent\",\"value\":\"1\"}},\"outcome\":\"info\"}\n{\"process\":\"b\",\"call\":1,\"return\":9,\"op\":{\"delete\":{\"key\":\"x\"}},\"outcome\":\"fail\"}\n",
    "{\"history\":1,\"model\":\"log\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"append\":{\"log\":\"a\",\"value\":\"1\"}},\"outcome\":{\"ok\":{\"appended\":18446744073709551615}}}\n{\"process\":0,\"call\":3,\"return\":4,\"op\":{\"poll\":{\"log\":\"a\",\"offset\":0}},\"outcome\":{\"ok\":{\"values\":[\"1\"]}}}\n",
    "{\"history\":1,\"model\":\"queue\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"put\":\"1\"},\"outcome\":{\"ok\":\"done\"}}\n{\"process\":0,\"call\":3,\"return\":4,\"op\":\"take\",\"outcome\":{\"ok\":{\"taken\":\"1\"}}}\n",
    "{\"history\":1,\"model\":\"lock\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"acquire\":{\"holder\":1}},\"outcome\":{\"ok\":{\"acquired\":7}}}\n{\"process\":0,\"call\":3,\"return\":4,\"op\":{\"write\":{\"token\":7}},\"outcome\":{\"ok\":\"done\"}}\n",
    "{\"history\":1,\"model\":\"set\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"add\":\"1\"},\"outcome\":{\"ok\":{\"truth\":true}}}\n{\"process\":0,\"call\":3,\"return\":4,\"op\":\"all\",\"outcome\":{\"ok\":{\"values\":[\"1\"]}}}\n",
    "{\"history\":1,\"model\":\"counter\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"add\":9223372036854775807},\"outcome\":{\"ok\":\"done\"}}\n{\"process\":0,\"call\":3,\"return\":4,\"op\":\"read\",\"outcome\":{\"ok\":{\"value\":-1}}}\n",
    "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 1 :invoke :read nil\nINFO  jepsen.util - 0\t:info\t:cas\t:timed-out\nINFO jepsen.util - 1 :ok :read 3\n",
    "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0\"}\n{:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0\"}\n",
    "[#op{:process 0 :type :invoke :f :txn :value [[:append 1 2] [:r 3 nil]]} {:process 0 :type :ok :f :txn :value [[:append 1 2] [:r 3 [4]]]}]",
    "{:type :invoke, :f :txn, :process 1, :value [[:w :x 1] [:r :y nil]], :time 5, :index 0}\n{:type :fail, :f :txn, :process 1, :value [[:w :x 1] [:r :y nil]], :time 7, :index 1}\n",
    "{:process 0, :type :invoke, :f :enqueue, :value 1}\n{:process 0, :type :ok, :f :enqueue, :value 1}\n{:process 1, :type :invoke, :f :dequeue, :value nil}\n{:process 1, :type :info, :f :dequeue, :value nil}\n",
    "{:process 0, :type :invoke, :f :acquire}\n{:process 0, :type :ok, :f :acquire}\n{:process :nemesis, :type :info, :f :start}\n{:process 0, :type :invoke, :f :release}\n",
    "; a comment\n({:process 0 :type :invoke :f :add :value 1} {:process 0 :type :ok :f :add :value 1} {:process 1 :type :invoke :f :read} {:process 1 :type :ok :f :read :value #{1 2}})",
    "{\"history\":1,\"model\":\"etcd\"}\n{\"process\":0,\"call\":3,\"return\":6,\"op\":{\"txn\":{\"compare\":[{\"key\":\"a\",\"expect\":{\"version\":0}}],\"success\":[{\"put\":{\"key\":\"a\",\"value\":\"1\"}},{\"range\":{\"start\":\"a\"}}]}},\"outcome\":{\"ok\":{\"txn\":{\"failed\":false,\"results\":[{},{\"entries\":[{\"key\":\"a\",\"value\":\"1\",\"revision\":2}],\"count\":1}],\"revision\":2}}}}\n{\"process\":1,\"call\":4,\"return\":null,\"op\":{\"lease_revoke\":7},\"outcome\":\"info\"}\n{\"process\":0,\"call\":9,\"return\":10,\"op\":{\"range\":{\"range\":{\"start\":\"a\",\"end\":\"z\"},\"at\":2}},\"outcome\":{\"ok\":{\"found\":{\"found\":{},\"revision\":3}}}}\n",
    "{\"ClientId\":6,\"Input\":{\"Type\":\"range\",\"Range\":{\"Start\":\"a\",\"End\":\"b\",\"Limit\":10,\"Revision\":0},\"Txn\":null},\"Call\":1,\"Output\":{\"Txn\":null,\"Range\":{\"KVs\":[{\"Key\":\"a\",\"Value\":{\"Value\":\"1\",\"Hash\":0},\"ModRevision\":2}],\"Count\":1},\"Revision\":2,\"Error\":\"\"},\"Return\":5}\n{\"Request\":{\"Key\":\"\",\"Revision\":0,\"WithPrefix\":true,\"WithProgressNotify\":true,\"WithPrevKV\":true},\"Responses\":[{\"Events\":[{\"Type\":\"put-operation\",\"Key\":\"a\",\"Value\":{\"Value\":\"1\"},\"Revision\":2,\"IsCreate\":true}],\"IsProgressNotify\":false,\"Revision\":2,\"Time\":0}]}\n{\"Type\":\"txn\",\"Txn\":{\"Conditions\":null,\"OperationsOnSuccess\":[{\"Type\":\"put-operation\",\"Put\":{\"Key\":\"a\",\"Value\":{\"Value\":\"1\"},\"LeaseID\":0}}],\"OperationsOnFailure\":null}}\n",
];

fn noisy(rng: &mut ChaCha8Rng) -> String {
    let pieces: Vec<char> = "{}[]()#\"\\:;,-0159 \n\t\u{0}nilé\u{1f600}".chars().collect();
    let text = |rng: &mut ChaCha8Rng| TEXTS[rng.random_range(0..TEXTS.len())].chars().collect::<Vec<char>>();
    let mut drawn = text(rng);
    for _ in 0..rng.random_range(0..6u32) {
        let at = rng.random_range(0..drawn.len());
        match rng.random_range(0..7u32) {
            0 => drop(drawn.remove(at)),
            1 => drawn.insert(at, pieces[rng.random_range(0..pieces.len())]),
            2 => drawn[at] = pieces[rng.random_range(0..pieces.len())],
            3 => drawn.truncate(at.max(1)),
            4 => {
                let to = rng.random_range(at..drawn.len());
                let copy: Vec<char> = drawn[at..to].to_vec();
                drawn.extend(copy);
            }
            // The beginning of one text and the end of another.
            5 => {
                let other = text(rng);
                drawn.truncate(at);
                drawn.extend(&other[rng.random_range(0..other.len())..]);
            }
            // Brackets without end.
            _ => {
                let open = ['[', '{', '(', '"'][rng.random_range(0..4usize)];
                let many = rng.random_range(1..300usize);
                drawn.splice(at..at, std::iter::repeat_n(open, many));
            }
        }
        if drawn.is_empty() {
            drawn.push('{');
        }
    }
    drawn.into_iter().collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn noise_is_answered_with_a_verdict_or_with_a_place() {
    let mut rng = ChaCha8Rng::seed_from_u64(number("STORMGLASS_NOISE_SEED", 1));
    let texts = number("STORMGLASS_NOISE", 4_000);
    let (mut judged, mut refused) = (0, 0);
    for _ in 0..texts {
        let answers = in_every_format(&noisy(&mut rng));
        judged += answers.judged;
        refused += answers.refused;
    }
    assert!(judged > texts / 4 && refused > texts, "the noise is one-sided: {judged} and {refused}");
}

#[test]
fn every_text_to_begin_with_is_a_history() {
    for text in TEXTS {
        assert!(in_every_format(text).judged > 0, "{text}");
    }
}
