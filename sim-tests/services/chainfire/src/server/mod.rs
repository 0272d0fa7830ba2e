//! The node as a server: one task that owns Raft, the disk and the key space, and around it the connections.
//!
//! [`serve`] runs until it is told to stop, or until the disk fails. Dropping its future stops the node at once, as a
//! crash would: every task it started ends with it.

mod accept;
mod apply;
mod client_conn;
mod disk;
mod inbox;
mod link;
mod node;
mod peer_conn;
mod requests;

use std::collections::BTreeMap;
use std::future::Future;

use rand::TryRng;
use rand::rngs::SysRng;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use self::node::Node;
use crate::config::NodeConfig;
use crate::error::Error;
use crate::raft::NodeId;
use crate::storage::Storage;

/// Runs a node until the process receives SIGTERM, then stops it gracefully.
///
/// # Errors
/// [`Error`]: the node could not start, or had to stop. Nothing is acknowledged after it.
pub async fn serve(config: NodeConfig) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    serve_until(config, async move {
        terminate.recv().await;
    })
    .await
}

/// Runs a node until `shutdown` completes, then stops it gracefully: it takes no more requests, answers those whose
/// writes are committed in time, makes its log durable and closes.
///
/// # Errors
/// [`Error`]: the node could not start, or had to stop. Nothing is acknowledged after it.
pub async fn serve_until(config: NodeConfig, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    config.validate()?;
    let own = config.own()?.clone();
    let api = listen(&config, "clients", config.listen_api.as_ref().unwrap_or(&own.api)).await?;
    let peer = listen(&config, "peers", config.listen_peer.as_ref().unwrap_or(&own.peer)).await?;
    let (storage, recovered) = Storage::open(&config.data_dir, config.limits.segment_bytes)
        .await
        .map_err(|source| Error::Storage { node: config.id, dir: config.data_dir.clone(), source })?;
    let seed = SysRng.try_next_u64().map_err(|error| Error::Entropy { node: config.id, reason: error.to_string() })?;
    tracing::info!(node = %config.id, api = %own.api, peer = %own.peer, term = recovered.hard_state.term,
        entries = recovered.entries.len(), "starting");

    // Dropping these ends every task of the node.
    let mut tasks = JoinSet::new();
    let mut accepting = JoinSet::new();
    let (closing, closed) = watch::channel(());
    let (inbox, inputs) = mpsc::channel(INBOX);
    let mut links = BTreeMap::new();
    for member in config.members.iter().filter(|member| member.id != config.id) {
        let (link, task) = link::link(&config, member, inbox.clone());
        tasks.spawn(task);
        links.insert(member.id, link);
    }
    accepting.spawn(accept::accept_clients(api, config.clone(), inbox.clone(), closed.clone()));
    accepting.spawn(accept::accept_peers(peer, config.clone(), inbox, closed));
    let (id, drain) = (config.id, config.timing.drain);
    let node = Node::new(config, storage, recovered, seed, links, inputs)?;
    tokio::select! {
        biased;
        outcome = node.run(shutdown) => outcome?,
        Some(ended) = tasks.join_next() => return Err(ended_early(id, "a peer", ended)),
        Some(ended) = accepting.join_next() => return Err(ended_early(id, "a listener", ended)),
    }
    // A graceful stop: the connections send the answers they still have, and close.
    drop(closing);
    let all = async { while accepting.join_next().await.is_some() {} };
    if timeout(drain, all).await.is_err() {
        tracing::warn!(node = %id, "some connections did not take their last answers");
    }
    Ok(())
}

fn ended_early(node: NodeId, task: &'static str, ended: Result<(), JoinError>) -> Error {
    match ended {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        other => Error::Task { node, task, reason: format!("{other:?}") },
    }
}

/// How many inputs may wait for the node's task; connections wait when it is full.
const INBOX: usize = 4096;

async fn listen(config: &NodeConfig, purpose: &'static str, address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen {
        node: config.id,
        purpose,
        address: address.to_owned(),
        source,
    })
}
