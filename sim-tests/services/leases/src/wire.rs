//! What goes over the wire: a question of nine bytes, an answer of eight.
//!
//! Question: kind u8 (1 to acquire, 2 to renew), token u64, big endian; the token of the last grant when renewing, else 0.
//! Answer: the token of the grant u64, big endian; 0 where there is none.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a server listens.
pub const PORT: u16 = 7171;

/// A question or its answer did not get through, or a server's disk failed.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The connection, or the file in which tokens are kept.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The other side speaks another language.
    #[error("a question of kind {0} is unknown")]
    Unknown(u8),
    /// The file of tokens holds something else.
    #[error("{path} should hold eight bytes, and holds {found}")]
    Damaged {
        /// The file.
        path: &'static str,
        /// How many bytes it has.
        found: usize,
    },
}

impl LeaseError {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// What a holder asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    Acquire,
    Renew(u64),
}

impl Question {
    pub(crate) async fn send(self, stream: &mut TcpStream) -> io::Result<()> {
        let (kind, token) = match self {
            Self::Acquire => (1, 0),
            Self::Renew(token) => (2, token),
        };
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&u64::to_be_bytes(token));
        stream.write_all(&bytes).await
    }

    /// The next question; `None` when the other side has hung up.
    pub(crate) async fn receive(stream: &mut TcpStream) -> Result<Option<Self>, LeaseError> {
        let kind = match stream.read_u8().await {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(LeaseError::io("read a question")(error)),
        };
        let token = stream.read_u64().await.map_err(LeaseError::io("read a question"))?;
        match kind {
            1 => Ok(Some(Self::Acquire)),
            2 => Ok(Some(Self::Renew(token))),
            unknown => Err(LeaseError::Unknown(unknown)),
        }
    }
}
