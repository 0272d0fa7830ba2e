//! Keys and values: bytes that are nearly always text. In JSON a string, or `{"hex": "ff00"}` where they are not UTF-8,
//! so that a history file stays readable and yet loses nothing.

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An immutable string of bytes that is cheap to clone. Compared byte by byte.
#[derive(Clone)]
pub struct Bytes(Held);

/// Short strings are held in place: most keys and values are, and long histories have many.
#[derive(Clone)]
enum Held {
    Here { length: u8, bytes: [u8; HERE_MAX] },
    Shared(Arc<[u8]>),
}

/// With this a value takes 24 bytes.
const HERE_MAX: usize = 22;

impl PartialEq for Bytes {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            // What is beyond the length is zero.
            (Held::Here { length, bytes }, Held::Here { length: other_length, bytes: other_bytes }) => {
                length == other_length && bytes == other_bytes
            }
            _ => self.as_slice() == other.as_slice(),
        }
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Bytes {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            // Equal strings are held in one way, so the two ways need not hash alike.
            Held::Here { length, bytes } => {
                let word = |from: usize| bytes[from..].first_chunk().copied().map_or(0, u64::from_le_bytes);
                state.write_u64(word(0) ^ u64::from(*length) << 56);
                if *length > 8 {
                    state.write_u64(word(8));
                    state.write_u64(word(HERE_MAX - 8));
                }
            }
            Held::Shared(bytes) => bytes.hash(state),
        }
    }
}

impl Bytes {
    /// The bytes themselves.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Held::Here { length, bytes } => &bytes[..usize::from(*length)],
            Held::Shared(bytes) => bytes,
        }
    }

    /// These bytes with `tail` behind them.
    #[must_use]
    pub fn with(&self, tail: &Bytes) -> Bytes {
        Bytes::from([self.as_slice(), tail.as_slice()].concat())
    }

    /// True if `part` occurs within, also if it is empty.
    #[must_use]
    pub fn contains(&self, part: &Bytes) -> bool {
        let (whole, part) = (self.as_slice(), part.as_slice());
        part.is_empty() || whole.windows(part.len()).any(|window| window == part)
    }
}

impl Default for Bytes {
    /// No bytes.
    fn default() -> Self {
        Bytes::from("")
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Bytes::from(text.as_bytes())
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Bytes::from(text.as_bytes())
    }
}

impl From<&[u8]> for Bytes {
    fn from(slice: &[u8]) -> Self {
        match u8::try_from(slice.len()) {
            Ok(length) if slice.len() <= HERE_MAX => {
                let mut bytes = [0; HERE_MAX];
                bytes[..slice.len()].copy_from_slice(slice);
                Bytes(Held::Here { length, bytes })
            }
            _ => Bytes(Held::Shared(slice.into())),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes.as_slice())
    }
}

/// Text in quotes, with control characters escaped; other bytes as `0xff00`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.as_slice()) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "0x{}", hex(self.as_slice())),
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.as_slice()) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex(self.as_slice()))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or {\"hex\": \"...\"} for bytes that are not UTF-8")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::from(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
        let entry = map.next_entry::<String, String>()?;
        let Some((key, digits)) = entry else { return Err(de::Error::invalid_length(0, &self)) };
        if key != "hex" {
            return Err(de::Error::unknown_field(&key, &["hex"]));
        }
        if map.next_entry::<String, de::IgnoredAny>()?.is_some() {
            return Err(de::Error::invalid_length(2, &self));
        }
        unhex(&digits).map(Bytes::from).ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Str(&digits), &"an even number of hexadecimal digits")
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> = digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let (pairs, rest) = nibbles.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_json_whether_text_or_not() -> Result<(), serde_json::Error> {
        for bytes in [Bytes::from("héllo\n"), Bytes::from(vec![0xff, 0x00, 0x7f]), Bytes::from("")] {
            let text = serde_json::to_string(&bytes)?;
            assert_eq!(serde_json::from_str::<Bytes>(&text)?, bytes, "{text}");
        }
        assert_eq!(serde_json::to_string(&Bytes::from(vec![0xff, 0x00]))?, r#"{"hex":"ff00"}"#);
        for bad in [r#"{"hex":"f"}"#, r#"{"hex":"zz"}"#, r#"{"base":"00"}"#, "{}", r#"{"hex":"00","hex":"00"}"#, "7"] {
            assert!(serde_json::from_str::<Bytes>(bad).is_err(), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn bytes_are_the_same_whether_short_or_long() {
        for length in [0, 1, HERE_MAX - 1, HERE_MAX, HERE_MAX + 1, 300] {
            let vec: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (bytes, again) = (Bytes::from(vec.clone()), Bytes::from(vec.as_slice()));
            assert_eq!((bytes.as_slice(), &bytes), (vec.as_slice(), &again), "{length}");
            assert_ne!(bytes, bytes.with(&Bytes::from(vec![0])), "{length}");
            assert!(bytes < bytes.with(&Bytes::from(vec![0])), "{length}");
        }
        assert_eq!(size_of::<Option<Bytes>>(), 24);
    }

    #[test]
    fn the_empty_string_is_in_every_string() {
        assert!(Bytes::from("").contains(&Bytes::from("")));
        assert!(Bytes::from("abc").contains(&Bytes::from("bc")));
        assert!(!Bytes::from("abc").contains(&Bytes::from("ac")));
        assert_eq!(Bytes::from("ab").with(&Bytes::from("c")), Bytes::from("abc"));
    }
}
