//! Frames: length u32, CRC-32 u32 of what follows, version u8, kind u8, payload; little endian. The length counts
//! from the version on.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::codec;

/// The version of the protocol that this software speaks.
pub const VERSION: u8 = 1;
const HEADER: usize = 8;
const PREAMBLE: usize = 2;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first frame on a connection: who calls.
    Hello = 1,
    /// A message between peers.
    Peer = 2,
    /// A client's request.
    Request = 3,
    /// The answer to one.
    Response = 4,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Hello, Kind::Peer, Kind::Request, Kind::Response].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A connection that cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It was closed within a frame.
    #[error("the connection was closed within a frame")]
    Torn,
    /// The other side sent more than is allowed.
    #[error("a frame of {length} bytes is beyond the limit of {limit}")]
    TooLong {
        /// The length it announced.
        length: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The frame's checksum is wrong.
    #[error("a frame arrived damaged")]
    Damaged,
    /// The other side speaks another version.
    #[error("the other side speaks version {0} of the protocol, this one {VERSION}")]
    Version(u8),
    /// The frame is not one that belongs here, or its payload does not decode.
    #[error("unexpected message: {0}")]
    Unexpected(String),
}

/// Adds a frame to a buffer.
pub fn encode<T: Serialize>(kind: Kind, message: &T, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    buffer.extend_from_slice(&[VERSION, kind as u8]);
    codec::encode_into(message, buffer);
    let length = (buffer.len() - start - HEADER) as u32;
    let crc = crc32fast::hash(&buffer[start + HEADER..]);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + HEADER].copy_from_slice(&crc.to_le_bytes());
}

/// Reads frames from a connection. Cancel-safe: what was read stays in the reader.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    limit: usize,
}

impl FrameReader {
    /// A reader that refuses frames beyond `limit` bytes.
    pub fn new(limit: usize) -> Self {
        FrameReader { buffer: BytesMut::new(), limit }
    }

    /// The next frame; `None` once the connection was closed between frames.
    ///
    /// # Errors
    /// [`FrameError`]; the connection is of no further use.
    pub async fn next<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> Result<Option<(Kind, Bytes)>, FrameError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            if from.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::Torn) };
            }
        }
    }

    /// The next frame, if it has already been read whole.
    ///
    /// # Errors
    /// [`FrameError`]; the connection is of no further use.
    pub fn buffered(&mut self) -> Result<Option<(Kind, Bytes)>, FrameError> {
        if self.buffer.len() < HEADER {
            self.buffer.reserve(READ_BYTES);
            return Ok(None);
        }
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| self.buffer[at + byte]));
        let (length, crc) = (half(0) as usize, half(4));
        if length > self.limit || length < PREAMBLE {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        if self.buffer.len() < HEADER + length {
            // In steps: an announced length is not yet worth an allocation of that size.
            self.buffer.reserve((HEADER + length - self.buffer.len()).min(MOST_RESERVED));
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        let mut body = self.buffer.split_to(length).freeze();
        if crc32fast::hash(&body) != crc {
            return Err(FrameError::Damaged);
        }
        let (version, kind) = (body[0], body[1]);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let kind = Kind::from_byte(kind).ok_or_else(|| FrameError::Unexpected(format!("a frame of kind {kind}")))?;
        body.advance(PREAMBLE);
        Ok(Some((kind, body)))
    }
}

const READ_BYTES: usize = 4 << 10;
const MOST_RESERVED: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(bytes: &[u8], limit: usize) -> Result<Vec<(Kind, Bytes)>, FrameError> {
        let mut reader = FrameReader::new(limit);
        let mut from = bytes;
        let mut frames = Vec::new();
        while let Some(frame) = reader.next(&mut from).await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[tokio::test]
    async fn frames_read_back() {
        let mut bytes = Vec::new();
        encode(Kind::Request, &"one".to_owned(), &mut bytes);
        encode(Kind::Response, &vec![7u8; 10_000], &mut bytes);
        let frames = read_all(&bytes, 1 << 20).await.expect("well formed");
        assert_eq!(frames[0].0, Kind::Request);
        assert_eq!(codec::decode::<String>(&frames[0].1).as_deref(), Ok("one"));
        assert_eq!(codec::decode::<Vec<u8>>(&frames[1].1).map(|it| it.len()), Ok(10_000));
    }

    #[tokio::test]
    async fn damage_is_noticed_wherever_it_is() {
        let mut bytes = Vec::new();
        encode(Kind::Request, &"message".to_owned(), &mut bytes);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(read_all(&damaged, 64).await.is_err(), "byte {at} can change unnoticed");
            assert!(at == 0 || read_all(&bytes[..at], 64).await.is_err(), "cut at {at} unnoticed");
        }
    }

    #[tokio::test]
    async fn a_frame_beyond_the_limit_is_refused_before_it_is_read() {
        let header = [u32::MAX.to_le_bytes(), [0; 4]].concat();
        assert!(matches!(read_all(&header, 1024).await, Err(FrameError::TooLong { limit: 1024, .. })));
    }
}
