//! An end of the talk between a front end and a worker: lines before the hellos, frames after them.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::protocol::{Kind, MESSAGE_BYTES_MAX, invalid, json};

/// How much is read at a time, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// The length and the kind before a body, in bytes.
const FRAME_HEAD_BYTES: usize = 5;

/// One end of the talk.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    /// What has been read; what has not been taken yet is in `unread`.
    buffer: Vec<u8>,
    unread: std::ops::Range<usize>,
}

impl Channel {
    /// An end of the talk over `stream`.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Channel { stream, buffer: vec![0; BUFFER_BYTES], unread: 0..0 }
    }

    /// An end of the talk over `stream` that never needs more memory, whatever it receives. Most of what it has is only
    /// addresses: the system gives the memory when it is used.
    pub(crate) fn with_all_room(stream: UnixStream) -> Self {
        Channel { stream, buffer: vec![0; MESSAGE_BYTES_MAX], unread: 0..0 }
    }

    /// The socket, for its timeouts.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends one line: a hello, or what is said in its place.
    ///
    /// # Errors
    ///
    /// Where the other side is gone.
    pub(crate) fn send_line(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }

    /// Receives one line; `None` where the other side closed the talk before it.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` in the midst of a line, `InvalidData` on one that does not parse or is too long, and whatever the
    /// socket reports, a timeout among it.
    pub(crate) fn receive_line<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut looked = 0;
        let length = loop {
            if let Some(at) = self.buffer[self.unread.clone()][looked..].iter().position(|&byte| byte == b'\n') {
                break looked + at + 1;
            }
            looked = self.unread.len();
            if !self.fill(looked + 1)? {
                return Ok(None);
            }
        };
        let line = self.take(length);
        json(&self.buffer[line]).map(Some)
    }

    /// Sends one message as JSON.
    ///
    /// # Errors
    ///
    /// Where the other side is gone.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut out = Vec::new();
        Self::frame(&mut out, Kind::Json, &[&serde_json::to_vec(message)?])?;
        self.send_all(&mut out)
    }

    /// Puts one frame at the end of `out`, to be sent with others.
    ///
    /// # Errors
    ///
    /// A body of 4 GiB or more.
    pub(crate) fn frame(out: &mut Vec<u8>, kind: Kind, body: &[&[u8]]) -> io::Result<()> {
        out.extend_from_slice(&frame_head(kind, body)?);
        body.iter().for_each(|part| out.extend_from_slice(part));
        Ok(())
    }

    /// How many bytes a frame takes.
    pub(crate) fn frame_bytes(body: &[&[u8]]) -> usize {
        FRAME_HEAD_BYTES + body.iter().map(|part| part.len()).sum::<usize>()
    }

    /// Sends one frame, from where it is.
    ///
    /// # Errors
    ///
    /// Where the other side is gone, and a body of 4 GiB or more.
    pub(crate) fn send_frame(&mut self, kind: Kind, body: &[&[u8]]) -> io::Result<()> {
        self.stream.write_all(&frame_head(kind, body)?)?;
        body.iter().try_for_each(|part| self.stream.write_all(part))
    }

    /// Sends frames, if there are any in `out`, and empties it.
    ///
    /// # Errors
    ///
    /// Where the other side is gone.
    pub(crate) fn send_all(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let sent = if out.is_empty() { Ok(()) } else { self.stream.write_all(out) };
        out.clear();
        sent
    }

    /// Whether a whole frame has been read already, so that receiving it takes no time.
    pub(crate) fn has_frame(&self) -> bool {
        let unread = &self.buffer[self.unread.clone()];
        unread.split_first_chunk::<4>().is_some_and(|(&length, rest)| {
            let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
            rest.len().checked_sub(FRAME_HEAD_BYTES - 4).is_some_and(|there| there >= length)
        })
    }

    /// Receives one frame: its kind, and where its body is in [`bytes`](Self::bytes) until the next one is received.
    /// `None` where the other side closed the talk between two frames.
    ///
    /// # Errors
    ///
    /// As for [`receive_line`](Self::receive_line).
    pub(crate) fn receive_frame(&mut self) -> io::Result<Option<(Kind, std::ops::Range<usize>)>> {
        if !self.fill(FRAME_HEAD_BYTES)? {
            return Ok(None);
        }
        let head = self.take(FRAME_HEAD_BYTES);
        let &[a, b, c, d, kind] = &self.buffer[head] else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let kind = match kind {
            0 => Kind::Json,
            1 => Kind::Run,
            2 => Kind::Returned,
            other => return Err(invalid(format!("no message of the worker protocol is of kind {other}"))),
        };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if !self.fill(length)? && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((kind, self.take(length))))
    }

    /// What a range of [`receive_frame`](Self::receive_frame) stands for.
    pub(crate) fn bytes(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Reads until `length` bytes are unread; `false` where the other side closed the talk and nothing is.
    fn fill(&mut self, length: usize) -> io::Result<bool> {
        if self.unread.len() >= length {
            return Ok(true);
        }
        if length > MESSAGE_BYTES_MAX {
            return Err(invalid(format!("a message of more than {MESSAGE_BYTES_MAX} bytes")));
        }
        let start = self.unread.start;
        // What is far into the buffer is moved as well: fresh memory costs more.
        if self.unread.is_empty() || start >= BUFFER_BYTES || self.buffer.len() - start < length {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        if self.buffer.len() < length {
            self.buffer.resize(length.next_power_of_two(), 0);
        }
        while self.unread.len() < length {
            match self.stream.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) if self.unread.is_empty() => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Counts `length` unread bytes as read.
    fn take(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.unread.start;
        self.unread.start += length;
        start..start + length
    }
}

/// What stands before the body of a frame.
fn frame_head(kind: Kind, body: &[&[u8]]) -> io::Result<[u8; FRAME_HEAD_BYTES]> {
    let length: usize = body.iter().map(|part| part.len()).sum();
    let [a, b, c, d] = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
    Ok([a, b, c, d, kind as u8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Ask;

    fn pair() -> (Channel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Channel::new(ours), theirs)
    }

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let (mut ours, theirs) = pair();
        let mut theirs = Channel::new(theirs);
        ours.send_line(&Ask::Hello { protocol: 1 }).unwrap();
        ours.send(&Ask::List).unwrap();
        let mut out = Vec::new();
        Channel::frame(&mut out, Kind::Run, &[b"ab", b"", b"c"]).unwrap();
        Channel::frame(&mut out, Kind::Returned, &[]).unwrap();
        ours.send_all(&mut out).unwrap();
        assert!(out.is_empty());
        drop(ours);
        assert_eq!(theirs.receive_line::<Ask>().unwrap(), Some(Ask::Hello { protocol: 1 }));
        let (kind, list) = theirs.receive_frame().unwrap().unwrap();
        assert_eq!((kind, json::<Ask>(theirs.bytes(list)).unwrap()), (Kind::Json, Ask::List));
        assert!(theirs.has_frame());
        let (kind, run) = theirs.receive_frame().unwrap().unwrap();
        assert_eq!((kind, theirs.bytes(run)), (Kind::Run, &b"abc"[..]));
        assert_eq!(theirs.receive_frame().unwrap().unwrap().0, Kind::Returned);
        assert!(!theirs.has_frame());
        assert_eq!(theirs.receive_frame().unwrap(), None);
    }

    #[test]
    fn a_message_larger_than_the_buffer_arrives_between_small_ones() {
        let (mut ours, theirs) = pair();
        let mut theirs = Channel::new(theirs);
        let large: Vec<u8> = (0..5 * BUFFER_BYTES).map(|n| (n % 251) as u8).collect();
        let sent = large.clone();
        let sender = std::thread::spawn(move || {
            for body in [&b"small"[..], &sent, &b"again"[..]] {
                let mut out = Vec::new();
                Channel::frame(&mut out, Kind::Run, &[body]).unwrap();
                ours.send_all(&mut out).unwrap();
            }
        });
        for body in [&b"small"[..], &large, &b"again"[..]] {
            let (_, range) = theirs.receive_frame().unwrap().unwrap();
            assert!(theirs.bytes(range) == body);
        }
        sender.join().unwrap();
    }

    #[test]
    fn a_torn_message_and_noise_are_told_apart() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"hello\n{\"list").unwrap();
        drop(theirs);
        assert_eq!(ours.receive_line::<Ask>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(ours.receive_line::<Ask>().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (mut ours, mut theirs) = pair();
        theirs.write_all(&[0, 0, 0, 0, 9, 200, 0, 0, 0, 1, 1]).unwrap();
        drop(theirs);
        assert_eq!(ours.receive_frame().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(ours.receive_frame().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (mut ours, mut theirs) = pair();
        theirs.write_all(&[255, 255, 255, 255, 0]).unwrap();
        assert_eq!(ours.receive_frame().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
