//! The encoding of messages, commands and snapshots: bincode 2, standard configuration.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes a value.
///
/// # Panics
/// Never for the types of this crate: their encodings cannot fail, and memory is the only writer.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).expect("encoding into memory cannot fail")
}

/// Encodes a value at the end of a buffer.
pub fn encode_into<T: Serialize>(value: &T, buffer: &mut Vec<u8>) {
    bincode::serde::encode_into_std_write(value, buffer, bincode::config::standard())
        .expect("encoding into memory cannot fail");
}

/// Decodes a value that fills `data` exactly.
///
/// # Errors
/// What is wrong with `data`. It is never trusted: a length beyond its end is an error, not an allocation.
pub fn decode<T: DeserializeOwned>(data: &[u8]) -> Result<T, String> {
    let (value, used) =
        bincode::serde::decode_from_slice(data, bincode::config::standard()).map_err(|error| error.to_string())?;
    if used != data.len() {
        return Err(format!("{} bytes follow the message", data.len() - used));
    }
    Ok(value)
}
