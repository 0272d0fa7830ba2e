//! Bytes that tell what they belong to.

use stormglass::prelude::Evidence;

/// `length` bytes that are fixed by `round`, and by nothing else.
#[must_use]
pub fn bytes(round: u64, length: usize) -> Vec<u8> {
    let mut state = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Fails where an answer is not the one to this question.
///
/// # Errors
/// They differ.
pub fn same(what: &'static str, asked: &[u8], answered: &[u8]) -> Result<(), Evidence> {
    if asked == answered {
        return Ok(());
    }
    let at = asked.iter().zip(answered).take_while(|(a, b)| a == b).count();
    let cause = format!("{} bytes were asked and {} answered; they part at {at}", asked.len(), answered.len());
    Err(Evidence::new(what, cause))
}
