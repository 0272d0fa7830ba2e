//! The hard-state file: term and vote, replaced whole at each change.
//!
//! Layout, little endian: magic `CFHS`, version u32, term u64, whether there is a vote u64 (0 or 1), the vote u64,
//! CRC-32 of all that u32.

use std::path::{Path, PathBuf};

use super::StorageError;
use super::files;
use crate::planted;
use crate::raft::{HardState, NodeId, Term};

const NAME: &str = "hard-state";
const MAGIC: [u8; 4] = *b"CFHS";
const VERSION: u32 = 1;
const LENGTH: usize = 36;

#[derive(Debug)]
pub(super) struct HardStateFile {
    dir: PathBuf,
    /// The term found at start. Only a planted bug looks at it again.
    found: Term,
}

impl HardStateFile {
    /// Reads the file; a directory without one is that of a node that never voted.
    pub(super) async fn open(dir: &Path) -> Result<(Self, HardState), StorageError> {
        let path = dir.join(NAME);
        let state = match files::read(&path).await? {
            Some(content) => decode(&content).map_err(|reason| StorageError::corrupt(&path, 0, reason))?,
            None => HardState::default(),
        };
        Ok((HardStateFile { dir: dir.to_owned(), found: state.term }, state))
    }

    pub(super) async fn save(&mut self, state: HardState) -> Result<(), StorageError> {
        let state = HardState { term: if planted!("M03") { self.found } else { state.term }, ..state };
        if planted!("M29") {
            return files::put_in_place(&self.dir, NAME, &[&encode(state)]).await;
        }
        if planted!("M73") {
            return files::overwrite(&self.dir.join(NAME), &encode(state)).await;
        }
        files::replace(&self.dir, NAME, &[&encode(state)]).await
    }
}

/// The second path of a planted bug: what the file held when a snapshot was begun is written again when it is done.
pub(super) async fn read_for_rewrite(dir: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    files::read(&dir.join(NAME)).await
}

/// The other half of that.
pub(super) async fn rewrite(dir: &Path, content: &[u8]) -> Result<(), StorageError> {
    files::overwrite(&dir.join(NAME), content).await
}

fn encode(state: HardState) -> [u8; LENGTH] {
    let mut content = [0; LENGTH];
    content[..4].copy_from_slice(&MAGIC);
    content[4..8].copy_from_slice(&VERSION.to_le_bytes());
    content[8..16].copy_from_slice(&state.term.to_le_bytes());
    content[16..24].copy_from_slice(&u64::from(state.voted_for.is_some()).to_le_bytes());
    content[24..32].copy_from_slice(&state.voted_for.map_or(0, |node| node.0).to_le_bytes());
    let crc = crc32fast::hash(&content[..32]);
    content[32..].copy_from_slice(&crc.to_le_bytes());
    content
}

fn decode(content: &[u8]) -> Result<HardState, String> {
    let content: &[u8; LENGTH] =
        content.try_into().map_err(|_| format!("expected {LENGTH} bytes, found {}", content.len()))?;
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| content[at + byte]));
    let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| content[at + byte]));
    if content[..4] != MAGIC {
        return Err("this is not a hard-state file".to_owned());
    }
    if half(32) != crc32fast::hash(&content[..32]) {
        return Err("its checksum is wrong".to_owned());
    }
    if half(4) != VERSION {
        return Err(format!("its version is {}, this software reads {VERSION}", half(4)));
    }
    Ok(HardState { term: word(8), voted_for: (word(16) == 1).then(|| NodeId(word(24))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_notices_every_flipped_byte() {
        for state in [HardState::default(), HardState { term: 7, voted_for: Some(NodeId(3)) }] {
            let content = encode(state);
            assert_eq!(decode(&content), Ok(state));
            for at in 0..LENGTH {
                let mut damaged = content;
                damaged[at] ^= 0x40;
                assert!(decode(&damaged).is_err(), "byte {at} can change unnoticed");
            }
            assert!(decode(&content[..LENGTH - 1]).is_err());
        }
    }
}
