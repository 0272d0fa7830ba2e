//! What reaches the node's task, and the way back to a connection.

use tokio::sync::mpsc;

use crate::raft::{Message, NodeId};
use crate::wire::messages::{Request, Response};

/// An input to the node's task.
#[derive(Debug)]
pub(super) enum Input {
    /// A peer opened a connection; its requests are answered on the newest one.
    PeerConnected { peer: NodeId, replies: mpsc::Sender<Message> },
    /// A message from a peer.
    Peer { peer: NodeId, message: Message },
    /// The connection to a peer works.
    LinkUp { peer: NodeId },
    /// The connection to a peer failed; what it had not answered is lost.
    LinkDown { peer: NodeId, attempt: u32 },
    /// A peer could not be reached by a first attempt and all its retries.
    Unreachable { peer: NodeId, attempts: u32 },
    /// A client's request.
    Client { request: Request, reply: Reply },
}

/// The way back to the client that asked.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) to: mpsc::Sender<Response>,
}

impl Reply {
    /// Sends the answer. A client that is gone, or reads none of its answers, gets none.
    pub(super) fn send(&self, response: Response) {
        if self.to.try_send(response).is_err() {
            tracing::debug!("an answer found no taker");
        }
    }
}
