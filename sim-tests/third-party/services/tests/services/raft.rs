//! openraft with its memory store, over the simulated network: three servers agree, and no acknowledged write is lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use openraft::error::{
    ClientWriteError, InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, ClientWriteResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::storage::Adaptor;
use openraft::{Config, RaftNetwork, RaftNetworkFactory};
use openraft_memstore::{ClientRequest, MemStore, TypeConfig};
use serde::{Deserialize, Serialize};
use stormglass::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use weather::Restarts;

const PORT: u16 = 9000;
const SERVERS: u64 = 3;

type Raft = openraft::Raft<TypeConfig>;
type WriteError = RaftError<u64, ClientWriteError<u64, ()>>;

#[derive(Serialize, Deserialize)]
enum Question {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    Write(ClientRequest),
}

/// A peer over TCP: a connection for each question.
struct Peer {
    target: u64,
}

struct Peers;

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, (): &()) -> Peer {
        Peer { target }
    }
}

async fn ask<R: for<'a> Deserialize<'a>>(server: u64, question: &Question) -> Result<R, std::io::Error> {
    let stream = TcpStream::connect((format!("raft{server}"), PORT)).await?;
    let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
    framed.send(Bytes::from(serde_json::to_vec(question)?)).await?;
    let reply = framed.next().await.ok_or(std::io::ErrorKind::UnexpectedEof)??;
    Ok(serde_json::from_slice(&reply)?)
}

impl Peer {
    async fn ask<R, E>(&self, question: Question) -> Result<R, RPCError<u64, (), E>>
    where
        R: for<'a> Deserialize<'a>,
        E: std::error::Error + for<'a> Deserialize<'a>,
    {
        match ask::<Result<R, E>>(self.target, &question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RPCError::RemoteError(RemoteError::new(self.target, error))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(RPCError::Unreachable(Unreachable::new(&error)))
            }
            Err(error) => Err(RPCError::Network(NetworkError::new(&error))),
        }
    }
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, (), RaftError<u64>>> {
        self.ask(Question::Append(rpc)).await
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RPCError<u64, (), RaftError<u64, InstallSnapshotError>>> {
        self.ask(Question::Snapshot(rpc)).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, (), RaftError<u64>>> {
        self.ask(Question::Vote(rpc)).await
    }
}

async fn answer(raft: &Raft, question: Question) -> serde_json::Result<Vec<u8>> {
    match question {
        Question::Append(rpc) => serde_json::to_vec(&raft.append_entries(rpc).await),
        Question::Vote(rpc) => serde_json::to_vec(&raft.vote(rpc).await),
        Question::Snapshot(rpc) => serde_json::to_vec(&raft.install_snapshot(rpc).await),
        Question::Write(request) => serde_json::to_vec(&raft.client_write(request).await),
    }
}

async fn serve(id: u64) -> Result<(), String> {
    let config =
        Config { heartbeat_interval: 100, election_timeout_min: 300, election_timeout_max: 600, ..Config::default() };
    let config = Arc::new(config.validate().map_err(|error| error.to_string())?);
    let (log, state) = Adaptor::new(MemStore::new_async().await);
    let raft = Raft::new(id, config, Peers, log, state).await.map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.map_err(|error| error.to_string())?;
    if id == 1 {
        let members: BTreeSet<u64> = (1..=SERVERS).collect();
        raft.initialize(members).await.map_err(|error| error.to_string())?;
    }
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let raft = raft.clone();
        tokio::spawn(async move {
            let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
            while let Some(Ok(frame)) = framed.next().await {
                let Ok(question) = serde_json::from_slice(&frame) else { return };
                let Ok(reply) = answer(&raft, question).await else { return };
                if framed.send(Bytes::from(reply)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Writes through whoever leads; gives the serial number of the client's write before it.
async fn write(client: u64, serial: u64) -> Result<Option<u64>, String> {
    let request = ClientRequest { client: client.to_string(), serial, status: serial.to_string() };
    let question = Question::Write(request);
    let mut trouble = String::new();
    for server in 1..=SERVERS {
        match ask::<Result<ClientWriteResponse<TypeConfig>, WriteError>>(server, &question).await {
            Ok(Ok(written)) => return Ok(written.data.0.and_then(|status| status.parse().ok())),
            Ok(Err(error)) => trouble = error.to_string(),
            Err(error) => trouble = error.to_string(),
        }
    }
    Err(trouble)
}

/// Each write's answer is the client's write before it: the last acknowledged one, or one that was never answered. Such a
/// write may take effect late, even after later ones (a leader of old that leads again finds it in its socket); what may not
/// be is that an acknowledged write is gone and an earlier acknowledged one is back.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn openraft_agrees(sim: Sim) -> Outcome {
    let servers = sim.nodes("raft", SERVERS as usize, |host| serve(host.index() as u64 + 1));
    sim.sleep(Duration::from_secs(1)).await;
    // By client: the serial numbers of acknowledged writes.
    let acknowledged: Rc<RefCell<BTreeMap<u64, BTreeSet<u64>>>> = Rc::default();
    // A server that forgets its vote is no server of Raft: with a store in memory none may restart.
    weather::go_through_with(&sim, &servers, Restarts::Clients, 50, move |round| {
        let acknowledged = Rc::clone(&acknowledged);
        async move {
            let (client, serial) = (round >> 20, round & 0xf_ffff);
            let before = write(client, serial).await?;
            let mut acknowledged = acknowledged.borrow_mut();
            let known = acknowledged.entry(client).or_default();
            let last = known.last().copied();
            let lost = match before {
                None => last.is_some(),
                Some(before) => before >= serial || (last != Some(before) && known.contains(&before)),
            };
            known.insert(serial);
            if lost {
                let cause = format!(
                    "client {client} was told that its write before {serial} was {before:?}; {last:?} was acknowledged"
                );
                return Ok(Err(Evidence::new("lost write", cause)));
            }
            Ok(Ok(()))
        }
    })
    .await
}
