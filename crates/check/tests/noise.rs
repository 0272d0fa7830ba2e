//! Texts that are nearly histories: whatever is changed in them, every reader answers with a verdict or with an error that
//! names its place, and never breaks. (The fuzz target `formats` asks the same of any text, for as long as one likes.)

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stormglass_check::Budget;
use stormglass_check::format::{CheckOptions, Format, FormatError, ModelName, judge_text};

const TEXTS: [&str; 5] = [
    "{\"history\":1,\"model\":\"kv\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"put\":{\"key\":\"x\",\"value\":\"1\"}},\"outcome\":{\"ok\":{\"done\":{}}}}\n",
    "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 0\t:info\t:cas\t:timed-out\n",
    "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0\"}\n{:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0\"}\n",
    "[#op{:process 0 :type :invoke :f :txn :value [[:append 1 2] [:r 3 nil]]} {:process 0 :type :ok :f :txn :value [[:append 1 2] [:r 3 [4]]]}]",
    "{\"history\":1,\"model\":\"log\"}\n{\"process\":0,\"call\":1,\"return\":2,\"op\":{\"append\":{\"log\":\"a\",\"value\":\"1\"}},\"outcome\":{\"ok\":{\"appended\":18446744073709551615}}}\n",
];

fn noisy(rng: &mut ChaCha8Rng) -> String {
    let pieces: Vec<char> = "{}[]()#\"\\:;,-0159 \n\tnilé".chars().collect();
    let mut text: Vec<char> = TEXTS[rng.random_range(0..TEXTS.len())].chars().collect();
    for _ in 0..rng.random_range(0..6u32) {
        let at = rng.random_range(0..text.len());
        match rng.random_range(0..5u32) {
            0 => drop(text.remove(at)),
            1 => text.insert(at, pieces[rng.random_range(0..pieces.len())]),
            2 => text[at] = pieces[rng.random_range(0..pieces.len())],
            3 => text.truncate(at.max(1)),
            _ => {
                let to = rng.random_range(at..text.len());
                let copy: Vec<char> = text[at..to].to_vec();
                text.extend(copy);
            }
        }
        if text.is_empty() {
            text.push('{');
        }
    }
    text.into_iter().collect()
}

#[test]
fn noise_is_answered_with_a_verdict_or_with_a_place() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let budget = Budget { steps: 2_000, bytes: 1 << 20 };
    let (mut judged, mut refused) = (0, 0);
    for _ in 0..8_000 {
        let text = noisy(&mut rng);
        for format in [None, Some(Format::ALL[rng.random_range(0..4usize)])] {
            for model in ModelName::ALL {
                let options = CheckOptions { budget, format, picture: true, ..CheckOptions::default() };
                match judge_text("noise", &text, model, options) {
                    Ok(_) => judged += 1,
                    Err(FormatError::Line { place, reason }) => {
                        let lines = text.split('\n').count();
                        assert!(
                            (1..=lines + 1).contains(&place.line) && place.column >= 1 && !reason.is_empty(),
                            "{text}"
                        );
                        refused += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(judged > 1_000 && refused > 1_000, "the noise is one-sided: {judged} and {refused}");
}
