//! Frames of the write-ahead log: one per batch, so that a batch is recovered whole or not at all.
//!
//! Layout, little endian: magic `CFWL`, sequence number u64, payload length u32, CRC-32 of the payload u32, CRC-32 of
//! the header so far u32; then the payload. A batch is written only after the one before it was synced. So a bad frame
//! followed anywhere by a good one with a later number was durable once: that is damage, not a torn tail.

use crate::planted;

pub(super) const HEADER: usize = 24;
const MAGIC: [u8; 4] = *b"CFWL";

/// What a position in a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A good frame.
    Frame { sequence: u64, payload: &'a [u8] },
    /// The end of the file, exactly.
    End,
    /// Not a good frame.
    Bad(&'static str),
}

/// Writes the header for this payload.
pub(super) fn header(sequence: u64, payload: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4..12].copy_from_slice(&sequence.to_le_bytes());
    header[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[16..20].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Reads the frame that begins at the front of `content`.
pub(super) fn read(content: &[u8]) -> Found<'_> {
    if content.is_empty() {
        return Found::End;
    }
    let Some(header) = content.get(..HEADER) else { return Found::Bad("an incomplete frame header") };
    let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    if header[..4] != MAGIC || half(20) != crc32fast::hash(&header[..20]) {
        return Found::Bad("a damaged frame header");
    }
    let Some(payload) = content[HEADER..].get(..half(12) as usize) else {
        return Found::Bad("an incomplete frame");
    };
    if half(16) != crc32fast::hash(payload) && !planted!("M70") {
        return Found::Bad("a frame whose checksum is wrong");
    }
    let sequence = u64::from_le_bytes(std::array::from_fn(|byte| header[4 + byte]));
    Found::Frame { sequence, payload }
}

/// Where in `content` a good frame with a number beyond `after` begins, if anywhere.
pub(super) fn find_later(content: &[u8], after: u64) -> Option<usize> {
    let starts = content.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    for (at, _) in starts {
        if let Found::Frame { sequence, .. } = read(&content[at..])
            && sequence > after
        {
            return Some(at);
        }
    }
    None
}
