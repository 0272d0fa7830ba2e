//! A connection that a peer opened: its requests come in, and their answers go back.

use std::pin::pin;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::accept::Closing;
use super::inbox::Input;
use crate::config::NodeConfig;
use crate::raft::{Message, NodeId};
use crate::wire::codec;
use crate::wire::frame::{self, FrameError, FrameReader, Kind};
use crate::wire::messages::Hello;

/// Answers that may wait for the connection. When it is full, the newest is dropped; the peer will ask again.
const QUEUE: usize = 256;

pub(super) async fn serve(
    stream: TcpStream,
    config: NodeConfig,
    inbox: mpsc::Sender<Input>,
    mut closing: Closing,
) -> Result<(), FrameError> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = stream.into_split();
    let mut reader = FrameReader::new(config.limits.frame_bytes);
    let hello = timeout(config.timing.idle, reader.next(&mut from)).await.unwrap_or(Ok(None))?;
    let Some((kind, body)) = hello else { return Ok(()) };
    let peer = greet(kind, &body, &config)?;
    let (replies, mut answers) = mpsc::channel(QUEUE);
    if inbox.send(Input::PeerConnected { peer, replies }).await.is_err() {
        return Ok(());
    }
    let mut buffer = Vec::new();
    let mut active = Instant::now();
    let mut idle = pin!(sleep_until(active + config.timing.idle));
    loop {
        tokio::select! {
            biased;
            frame = reader.next(&mut from) => {
                let Some(mut frame) = frame? else { return Ok(()) };
                active = Instant::now();
                loop {
                    let message = decode(frame.0, &frame.1)?;
                    if inbox.send(Input::Peer { peer, message }).await.is_err() {
                        return Ok(());
                    }
                    match reader.buffered()? {
                        Some(next) => frame = next,
                        None => break,
                    }
                }
            }
            answer = answers.recv() => {
                // The node drops its end once a newer connection from the same peer has replaced this one.
                let Some(answer) = answer else { return Ok(()) };
                frame::encode(Kind::Peer, &answer, &mut buffer);
                while let Ok(answer) = answers.try_recv() {
                    frame::encode(Kind::Peer, &answer, &mut buffer);
                }
                timeout(config.timing.idle, to.write_all(&buffer))
                    .await
                    .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
                buffer.clear();
            }
            _ = closing.changed() => return Ok(()),
            () = &mut idle => {
                if active.elapsed() >= config.timing.idle {
                    return Ok(());
                }
                idle.as_mut().reset(active + config.timing.idle);
            }
        }
    }
}

fn greet(kind: Kind, body: &[u8], config: &NodeConfig) -> Result<NodeId, FrameError> {
    let unexpected = |what: String| Err(FrameError::Unexpected(what));
    if kind != Kind::Hello {
        return unexpected(format!("{kind:?} before a greeting"));
    }
    let hello: Hello = codec::decode(body).map_err(FrameError::Unexpected)?;
    match hello.from {
        Some(from) if hello.cluster_id == config.cluster_id && hello.to == Some(config.id) => {
            if config.members.iter().any(|member| member.id == from && from != config.id) {
                Ok(from)
            } else {
                unexpected(format!("node {from} is no member of this cluster"))
            }
        }
        _ => unexpected(format!("a greeting meant for another node or cluster: {hello:?}")),
    }
}

fn decode(kind: Kind, body: &[u8]) -> Result<Message, FrameError> {
    if kind != Kind::Peer {
        return Err(FrameError::Unexpected(format!("{kind:?} from a peer")));
    }
    let message: Message = codec::decode(body).map_err(FrameError::Unexpected)?;
    if !message.is_request() {
        return Err(FrameError::Unexpected("an answer where only requests belong".to_owned()));
    }
    Ok(message)
}
