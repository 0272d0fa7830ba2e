//! A connection from a client: requests come in, answers go back as they are ready.

use std::pin::pin;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::accept::Closing;
use super::inbox::{Input, Reply};
use crate::config::NodeConfig;
use crate::wire::codec;
use crate::wire::frame::{self, FrameError, FrameReader, Kind};
use crate::wire::messages::{Hello, Request};

pub(super) async fn serve(
    stream: TcpStream,
    config: NodeConfig,
    inbox: mpsc::Sender<Input>,
    mut closing: Closing,
) -> Result<(), FrameError> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = stream.into_split();
    let limits = &config.limits;
    let mut reader = FrameReader::new(limits.request_bytes + REQUEST_OVERHEAD);
    let hello = timeout(config.timing.idle, reader.next(&mut from)).await.unwrap_or(Ok(None))?;
    let Some((kind, body)) = hello else { return Ok(()) };
    greet(kind, &body, &config)?;
    let (replies, mut answers) = mpsc::channel(limits.requests_per_connection);
    let mut open = 0usize;
    let mut buffer = Vec::new();
    let mut active = Instant::now();
    let mut idle = pin!(sleep_until(active + config.timing.idle));
    loop {
        tokio::select! {
            biased;
            answer = answers.recv() => {
                // Never none: this task holds a sender itself.
                let mut next = answer;
                while let Some(answer) = next {
                    open = open.saturating_sub(1);
                    frame::encode(Kind::Response, &answer, &mut buffer);
                    next = answers.try_recv().ok();
                }
                timeout(config.timing.idle, to.write_all(&buffer))
                    .await
                    .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
                buffer.clear();
            }
            // After the answers: a node that closes has sent all it has to say before.
            _ = closing.changed() => return Ok(to.shutdown().await?),
            // While too many requests are open, no more are read: the client feels it as backpressure.
            frame = reader.next(&mut from), if open < limits.requests_per_connection => {
                let Some((kind, body)) = frame? else { return Ok(()) };
                active = Instant::now();
                if kind != Kind::Request {
                    return Err(FrameError::Unexpected(format!("{kind:?} from a client")));
                }
                let request: Request = codec::decode(&body).map_err(FrameError::Unexpected)?;
                open += 1;
                let reply = Reply { to: replies.clone() };
                if inbox.send(Input::Client { request, reply }).await.is_err() {
                    return Ok(());
                }
            }
            () = &mut idle => {
                if active.elapsed() >= config.timing.idle {
                    return Ok(());
                }
                idle.as_mut().reset(active + config.timing.idle);
            }
        }
    }
}

/// What a frame has beside the keys and values of its request, at most, in bytes.
const REQUEST_OVERHEAD: usize = 16 << 10;

fn greet(kind: Kind, body: &[u8], config: &NodeConfig) -> Result<(), FrameError> {
    if kind != Kind::Hello {
        return Err(FrameError::Unexpected(format!("{kind:?} before a greeting")));
    }
    let hello: Hello = codec::decode(body).map_err(FrameError::Unexpected)?;
    let meant =
        (hello.cluster_id == 0 || hello.cluster_id == config.cluster_id) && hello.to.is_none_or(|to| to == config.id);
    if meant { Ok(()) } else { Err(FrameError::Unexpected(format!("a greeting meant for another node: {hello:?}"))) }
}
