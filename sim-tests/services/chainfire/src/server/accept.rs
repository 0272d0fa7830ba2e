//! The listeners: accept connections up to a limit, and serve each in a task of its own.

use std::future::Future;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use super::inbox::Input;
use super::{client_conn, peer_conn};
use crate::config::NodeConfig;
use crate::wire::FrameError;

/// How long to pause after accepting failed, so that a lasting failure (out of descriptors) does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Dropped at the sending end when the node closes.
pub(super) type Closing = watch::Receiver<()>;

pub(super) async fn accept_clients(
    listener: TcpListener,
    config: NodeConfig,
    inbox: mpsc::Sender<Input>,
    closing: Closing,
) {
    let limit = config.limits.client_connections;
    let serve = |stream| client_conn::serve(stream, config.clone(), inbox.clone(), closing.clone());
    accept(listener, "client", limit, closing.clone(), serve).await;
}

pub(super) async fn accept_peers(
    listener: TcpListener,
    config: NodeConfig,
    inbox: mpsc::Sender<Input>,
    closing: Closing,
) {
    let limit = config.limits.peer_connections;
    let serve = |stream| peer_conn::serve(stream, config.clone(), inbox.clone(), closing.clone());
    accept(listener, "peer", limit, closing.clone(), serve).await;
}

async fn accept<F>(
    listener: TcpListener,
    kind: &'static str,
    limit: usize,
    mut closing: Closing,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = Result<(), FrameError>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = closing.changed() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => note(kind, ended),
            accepted = listener.accept() => match accepted {
                Ok((_, from)) if connections.len() >= limit => {
                    // Closing at once tells the caller to go elsewhere.
                    tracing::warn!(kind, %from, limit, "refusing a connection beyond the limit");
                }
                Ok((stream, _)) => {
                    connections.spawn(serve(stream));
                }
                Err(error) => {
                    tracing::warn!(kind, %error, "cannot accept a connection");
                    sleep(PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note(kind, ended);
    }
}

fn note(kind: &'static str, ended: Result<Result<(), FrameError>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(kind, %error, "connection ended"),
        // A bug must not pass for a lost connection.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => tracing::debug!(kind, %error, "connection ended"),
    }
}
