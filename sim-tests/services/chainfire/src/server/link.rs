//! The outgoing connection to one peer: requests go out on it, and their answers come back.
//!
//! Retries: when an exchange fails (connecting is refused or takes too long, the connection breaks, or nothing arrives
//! for `peer_silence` although an answer is due), the peer is retried after 0.5, 1 and 2 s (doubling, never more than
//! 30 s). If the last retry fails too, the peer is reported unreachable; the next message to it starts over with a
//! first attempt. A retry never resends bytes: Raft is told that the link was lost, and sends afresh what is then
//! true. So a heartbeat or a vote never waits behind a stuck request, and a stale one is never delivered late. A peer
//! that calls in proves that it can be reached: its link is then tried at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use stormglass_probes::{buggify, knob};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::inbox::Input;
use crate::config::{Member, NodeConfig, Timing};
use crate::planted;
use crate::raft::{Message, NodeId};
use crate::wire::codec;
use crate::wire::frame::{self, FrameError, FrameReader, Kind};
use crate::wire::messages::Hello;

/// Messages that may wait for a link's task. When it is full, the newest is dropped, as a network would.
const QUEUE: usize = 256;

/// The node's end of a link.
#[derive(Debug)]
pub(super) struct Link {
    messages: mpsc::Sender<Message>,
    alive: Arc<Notify>,
}

impl Link {
    /// Sends a message if the link can take it; otherwise it is lost, which Raft expects of messages.
    pub(super) fn send(&self, message: Message) {
        if buggify!("server: a link loses a message", 0.02) || self.messages.try_send(message).is_err() {
            tracing::debug!("a link's queue is full");
        }
    }

    /// The peer has called in: it need not be waited for.
    pub(super) fn peer_is_alive(&self) {
        // Only a wait under way is cut short: the news must not outlive it.
        self.alive.notify_waiters();
    }
}

/// Creates a link and the task that serves it.
pub(super) fn link(
    config: &NodeConfig,
    member: &Member,
    inbox: mpsc::Sender<Input>,
) -> (Link, impl Future<Output = ()> + Send + use<>) {
    let (messages, outgoing) = mpsc::channel(knob!("server: messages that wait for a link", QUEUE, [1, 3]));
    let alive = Arc::new(Notify::new());
    let task = Task {
        peer: member.id,
        address: member.peer.clone(),
        hello: Hello { cluster_id: config.cluster_id, from: Some(config.id), to: Some(member.id) },
        timing: config.timing.clone(),
        frame_bytes: config.limits.frame_bytes,
        outgoing,
        inbox,
        alive: Arc::clone(&alive),
    };
    (Link { messages, alive }, task.run())
}

struct Task {
    peer: NodeId,
    address: String,
    hello: Hello,
    timing: Timing,
    frame_bytes: usize,
    outgoing: mpsc::Receiver<Message>,
    inbox: mpsc::Sender<Input>,
    alive: Arc<Notify>,
}

/// Why a connection ended.
enum End {
    /// The node is gone.
    Closed,
    /// The peer closed an idle connection.
    Idle,
    /// An exchange failed. `answered`: some earlier one on this connection succeeded.
    Failed { answered: bool, error: FrameError },
}

impl Task {
    async fn run(mut self) {
        // Failed attempts since an exchange last succeeded.
        let mut failed = 0u32;
        loop {
            // A first attempt is made for a message; a retry needs none. The message itself is not sent: Raft says
            // what is then true when it hears that the link is up.
            if failed == 0 && self.outgoing.recv().await.is_none() {
                return;
            }
            let end = match self.connect().await {
                Ok(stream) => {
                    while self.outgoing.try_recv().is_ok() {}
                    if self.inbox.send(Input::LinkUp { peer: self.peer }).await.is_err() {
                        return;
                    }
                    self.converse(stream).await
                }
                Err(error) => End::Failed { answered: false, error: error.into() },
            };
            match end {
                End::Closed => return,
                End::Idle => failed = 0,
                End::Failed { answered, error } => {
                    failed = if answered { 1 } else { failed + 1 };
                    tracing::debug!(peer = %self.peer, attempt = failed, %error, "peer exchange failed");
                    if self.inbox.send(Input::LinkDown { peer: self.peer, attempt: failed }).await.is_err() {
                        return;
                    }
                    if failed > self.timing.peer_retries {
                        let input = Input::Unreachable { peer: self.peer, attempts: failed };
                        if self.inbox.send(input).await.is_err() {
                            return;
                        }
                        failed = 0;
                    } else if !self.wait(failed).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits before the retry after `failed` failed attempts. What is to be sent meanwhile is dropped. Returns
    /// whether the node is still there.
    async fn wait(&mut self, failed: u32) -> bool {
        let doubled = self.timing.peer_backoff.saturating_mul(1u32.checked_shl(failed - 1).unwrap_or(u32::MAX));
        let until = Instant::now() + doubled.min(self.timing.peer_backoff_max);
        let mut over = pin!(sleep_until(until));
        loop {
            tokio::select! {
                biased;
                () = &mut over => return true,
                () = self.alive.notified() => return true,
                message = self.outgoing.recv() => if message.is_none() {
                    return false;
                }
            }
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = timeout(self.timing.peer_connect, TcpStream::connect(self.address.as_str()))
            .await
            .map_err(|_| std::io::Error::new(std::io::ErrorKind::TimedOut, "connecting took too long"))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends what the node has for the peer, and takes in the answers, until the connection ends.
    async fn converse(&mut self, stream: TcpStream) -> End {
        let (mut from, mut to) = stream.into_split();
        let mut reader = FrameReader::new(self.frame_bytes);
        let mut buffer = Vec::new();
        let mut due = Due::default();
        let mut answered = false;
        frame::encode(Kind::Hello, &self.hello, &mut buffer);
        let mut next = None;
        // Armed once, and again only when it fires: most answers arrive long before.
        let mut silence = pin!(sleep_until(Instant::now() + self.timing.peer_silence));
        loop {
            while let Some(message) = next {
                due.asked(&message);
                frame::encode(Kind::Peer, &message, &mut buffer);
                next = self.outgoing.try_recv().ok();
            }
            if !buffer.is_empty() {
                let written = timeout(self.timing.peer_silence, to.write_all(&buffer)).await;
                if let Err(error) = written.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
                    return End::Failed { answered, error: error.into() };
                }
                buffer.clear();
            }
            let frame = tokio::select! {
                biased;
                frame = reader.next(&mut from) => frame,
                message = self.outgoing.recv(), if due.count == 0 || !planted!("M38") => match message {
                    Some(message) => {
                        next = Some(message);
                        continue;
                    }
                    None => return End::Closed,
                },
                () = &mut silence, if due.count > 0 && !planted!("M38") => {
                    let silent_until = due.since + self.timing.peer_silence;
                    if Instant::now() >= silent_until {
                        let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "the peer is silent");
                        return End::Failed { answered, error: error.into() };
                    }
                    silence.as_mut().reset(silent_until);
                    next = None;
                    continue;
                }
            };
            next = None;
            match self.take_in(frame, &mut reader, &mut due).await {
                Ok(true) => answered = true,
                Ok(false) if due.count == 0 => return End::Idle,
                Ok(false) => return End::Failed { answered, error: FrameError::Torn },
                Err(Some(error)) => return End::Failed { answered, error },
                Err(None) => return End::Closed,
            }
        }
    }

    /// Passes on a frame, and all others that have arrived. `Ok(false)`: the connection was closed. `Err(None)`: the
    /// node is gone.
    async fn take_in(
        &self,
        frame: Result<Option<(Kind, bytes::Bytes)>, FrameError>,
        reader: &mut FrameReader,
        due: &mut Due,
    ) -> Result<bool, Option<FrameError>> {
        let mut frame = frame?;
        if frame.is_none() {
            return Ok(false);
        }
        while let Some((kind, body)) = frame {
            if kind != Kind::Peer {
                return Err(Some(FrameError::Unexpected(format!("{kind:?} from a peer"))));
            }
            let message: Message = codec::decode(&body).map_err(FrameError::Unexpected)?;
            due.answered();
            let input = Input::Peer { peer: self.peer, message };
            self.inbox.send(input).await.map_err(|_| None)?;
            frame = reader.buffered()?;
        }
        Ok(true)
    }
}

/// The answers that the peer owes.
struct Due {
    count: u32,
    /// When the peer last gave a sign of life, or the first of the requests went out.
    since: Instant,
}

impl Default for Due {
    fn default() -> Self {
        Due { count: 0, since: Instant::now() }
    }
}

impl Due {
    fn asked(&mut self, message: &Message) {
        if message.is_request() {
            if self.count == 0 {
                self.since = Instant::now();
            }
            self.count += 1;
        }
    }

    fn answered(&mut self) {
        self.count = self.count.saturating_sub(1);
        self.since = Instant::now();
    }
}
