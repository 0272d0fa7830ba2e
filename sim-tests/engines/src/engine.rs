//! What is asked of an engine.

use std::collections::BTreeMap;
use std::path::Path;

/// Keys of one transaction; each gets the transaction's number for its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The transaction's number.
    pub version: u64,
    /// The keys, each once.
    pub keys: Vec<u64>,
}

/// What a store holds: the value of each key.
pub type Contents = BTreeMap<u64, Vec<u8>>;

/// A store that makes a transaction durable before it says that it is done.
pub trait Engine: Sized {
    /// Its name.
    const NAME: &'static str;
    /// Whether a transaction whose answer never came, and of which an opening showed nothing, may be there after a later power
    /// loss, as long as none has been acknowledged since.
    const MAY_COME_BACK: bool = false;

    /// Opens the store in a directory, and recovers it.
    ///
    /// # Errors
    /// As the engine tells.
    fn open(dir: &Path) -> Result<Self, String>;

    /// Writes [`value_of`] each key in one transaction, durably.
    ///
    /// # Errors
    /// As the engine tells. Whether it happened is then open.
    fn write(&mut self, batch: &Batch) -> Result<(), String>;

    /// Everything that is in the store.
    ///
    /// # Errors
    /// As the engine tells.
    fn contents(&mut self) -> Result<Contents, String>;
}

/// The value of a key at a version: both, and bytes that follow from them.
#[must_use]
pub fn value_of(key: u64, version: u64) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend_from_slice(&key.to_le_bytes());
    value.extend_from_slice(&version.to_le_bytes());
    let len = 16 + (key * 7 + version * 13) % 700;
    value.extend((0..len).map(|i| (key ^ version.wrapping_mul(31) ^ i) as u8));
    value
}
