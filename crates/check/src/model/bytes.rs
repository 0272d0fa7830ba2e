//! Keys and values: bytes that are nearly always text. In JSON a string, or `{"hex": "ff00"}` where they are not UTF-8,
//! so that a history file stays readable and yet loses nothing.

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An immutable string of bytes that is cheap to clone. Compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(Arc<[u8]>);

impl Bytes {
    /// The bytes themselves.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// These bytes with `tail` behind them.
    #[must_use]
    pub fn with(&self, tail: &Bytes) -> Bytes {
        Bytes(self.0.iter().chain(tail.0.iter()).copied().collect())
    }

    /// True if `part` occurs within, also if it is empty.
    #[must_use]
    pub fn contains(&self, part: &Bytes) -> bool {
        part.0.is_empty() || self.0.windows(part.0.len()).any(|window| window == &*part.0)
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Bytes(text.as_bytes().into())
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Bytes(text.into_bytes().into())
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(bytes.into())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(bytes.into())
    }
}

/// Text in quotes, with control characters escaped; other bytes as `0xff00`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "0x{}", hex(&self.0)),
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
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex(&self.0))?;
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
    fn the_empty_string_is_in_every_string() {
        assert!(Bytes::from("").contains(&Bytes::from("")));
        assert!(Bytes::from("abc").contains(&Bytes::from("bc")));
        assert!(!Bytes::from("abc").contains(&Bytes::from("ac")));
        assert_eq!(Bytes::from("ab").with(&Bytes::from("c")), Bytes::from("abc"));
    }
}
