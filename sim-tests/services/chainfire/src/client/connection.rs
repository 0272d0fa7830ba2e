//! A client's connection to one node: one request at a time.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::wire::codec;
use crate::wire::frame::{self, FrameError, FrameReader, Kind};
use crate::wire::messages::{Answer, Hello, Refusal, Request, Response};

/// The longest answer a client accepts, in bytes.
const ANSWER_BYTES: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Connection {
    endpoint: String,
    stream: TcpStream,
    reader: FrameReader,
    buffer: Vec<u8>,
    busy: bool,
}

impl Connection {
    pub(super) async fn open(endpoint: String) -> io::Result<Connection> {
        let stream = TcpStream::connect(endpoint.as_str()).await?;
        stream.set_nodelay(true)?;
        let mut buffer = Vec::new();
        // Sent together with the first request.
        frame::encode(Kind::Hello, &Hello { cluster_id: 0, from: None, to: None }, &mut buffer);
        Ok(Connection { endpoint, stream, reader: FrameReader::new(ANSWER_BYTES), buffer, busy: false })
    }

    pub(super) fn endpoint(&self) -> &String {
        &self.endpoint
    }

    /// A request was sent, or its sending began, and was not answered: the connection is of no further use.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Sends a request and waits for its answer. After an error the request may or may not have arrived.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Result<Answer, Refusal>, FrameError> {
        self.busy = true;
        frame::encode(Kind::Request, request, &mut self.buffer);
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        let Some((kind, body)) = self.reader.next(&mut self.stream).await? else {
            return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
        };
        if kind != Kind::Response {
            return Err(FrameError::Unexpected(format!("{kind:?} from a server")));
        }
        let response: Response = codec::decode(&body).map_err(FrameError::Unexpected)?;
        if response.id != request.id {
            return Err(FrameError::Unexpected(format!("an answer to request {}", response.id)));
        }
        self.busy = false;
        Ok(response.result)
    }
}
