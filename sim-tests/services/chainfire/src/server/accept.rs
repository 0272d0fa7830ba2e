//! The listeners: accept connections up to a limit, and serve each in a task of its own.

use std::future::Future;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::inbox::Input;
use super::{client_conn, peer_conn};
use crate::config::NodeConfig;
use crate::wire::FrameError;

/// How long to pause after accepting failed, so that a lasting failure (out of descriptors) does not spin.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn accept_clients(listener: TcpListener, config: NodeConfig, inbox: mpsc::Sender<Input>) {
    let limit = config.limits.client_connections;
    accept(listener, "client", limit, |stream| client_conn::serve(stream, config.clone(), inbox.clone())).await;
}

pub(super) async fn accept_peers(listener: TcpListener, config: NodeConfig, inbox: mpsc::Sender<Input>) {
    let limit = config.limits.peer_connections;
    accept(listener, "peer", limit, |stream| peer_conn::serve(stream, config.clone(), inbox.clone())).await;
}

async fn accept<F>(listener: TcpListener, kind: &'static str, limit: usize, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = Result<(), FrameError>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Ok(Err(error)) = ended {
                    tracing::debug!(kind, %error, "connection ended");
                }
            }
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
}
