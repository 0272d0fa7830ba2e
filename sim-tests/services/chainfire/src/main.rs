//! The command line of ChainFire: run a node, run a whole cluster on loopback, or talk to one.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chainfire::kv::{RangeRequest, Select};
use chainfire::{Client, Member, NodeConfig, NodeId, serve, serve_until};
use clap::{Args, Parser, Subcommand};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

/// A key-value store replicated by Raft.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node until SIGTERM.
    Serve(Serve),
    /// Run a cluster of three nodes on loopback until SIGTERM or interrupted.
    Demo(Demo),
    /// Set a key.
    Put {
        #[command(flatten)]
        endpoints: Endpoints,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Read a key, or with --prefix every key that begins with it.
    Get {
        #[command(flatten)]
        endpoints: Endpoints,
        /// The key.
        key: String,
        /// Read every key that begins with KEY.
        #[arg(long)]
        prefix: bool,
    },
    /// Delete a key.
    Delete {
        #[command(flatten)]
        endpoints: Endpoints,
        /// The key.
        key: String,
    },
    /// Show how each node is.
    Status {
        #[command(flatten)]
        endpoints: Endpoints,
    },
}

#[derive(Debug, Args)]
struct Endpoints {
    /// Where the nodes listen for clients.
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:2379", value_name = "HOST:PORT")]
    endpoints: Vec<String>,
}

#[derive(Debug, Args)]
struct Serve {
    /// This node's id; it must be one of --peers.
    #[arg(long)]
    id: NodeId,
    /// Every member, this one included.
    #[arg(long, value_delimiter = ',', required = true, value_name = "ID=API_HOST:PORT/PEER_HOST:PORT")]
    peers: Vec<Member>,
    /// Listen for clients here instead of at this node's API address in --peers.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Listen for peers here instead of at this node's peer address in --peers.
    #[arg(long, value_name = "HOST:PORT")]
    listen_peer: Option<String>,
    /// Where to keep the log and snapshots.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The cluster this node belongs to.
    #[arg(long, default_value_t = 1)]
    cluster: u64,
    #[command(flatten)]
    tuning: Tuning,
}

#[derive(Debug, Args)]
struct Tuning {
    /// Shortest election timeout, in milliseconds.
    #[arg(long, default_value_t = 150)]
    election_min: u64,
    /// Longest election timeout, in milliseconds.
    #[arg(long, default_value_t = 600)]
    election_max: u64,
    /// Heartbeat, in milliseconds.
    #[arg(long, default_value_t = 50)]
    heartbeat: u64,
    /// Take a snapshot after this many entries.
    #[arg(long, default_value_t = 10_000)]
    snapshot_entries: u64,
    /// Entries to keep behind a snapshot.
    #[arg(long, default_value_t = 100)]
    snapshot_trailing: u64,
}

#[derive(Debug, Args)]
struct Demo {
    /// Where to keep the nodes' data.
    #[arg(long, value_name = "DIR", default_value = "chainfire-demo")]
    data: PathBuf,
    /// The first of six ports to listen on.
    #[arg(long, default_value_t = 2379)]
    port: u16,
}

impl Tuning {
    fn apply(&self, config: &mut NodeConfig) {
        config.timing.election_min = Duration::from_millis(self.election_min);
        config.timing.election_max = Duration::from_millis(self.election_max);
        config.timing.heartbeat = Duration::from_millis(self.heartbeat);
        config.limits.snapshot_entries = self.snapshot_entries;
        config.limits.snapshot_trailing = self.snapshot_trailing;
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(options) => {
            let mut config = NodeConfig::new(options.id, options.peers, options.data);
            config.cluster_id = options.cluster;
            config.listen_api = options.listen;
            config.listen_peer = options.listen_peer;
            options.tuning.apply(&mut config);
            Ok(serve(config).await?)
        }
        Command::Demo(options) => demo(options).await,
        Command::Put { endpoints, key, value } => {
            let (header, _) = Client::new(endpoints.endpoints).put(key, value).await?;
            println!("revision {}", header.revision);
            Ok(())
        }
        Command::Get { endpoints, key, prefix } => {
            let select = if prefix { Select::Prefix(key.into()) } else { Select::Key(key.into()) };
            let (_, found) = Client::new(endpoints.endpoints).range(RangeRequest::new(select)).await?;
            for kv in found.kvs {
                println!("{} = {}", String::from_utf8_lossy(&kv.key), String::from_utf8_lossy(&kv.value));
            }
            Ok(())
        }
        Command::Delete { endpoints, key } => {
            let (_, response) = Client::new(endpoints.endpoints).delete(Select::Key(key.into())).await?;
            println!("deleted {}", response.deleted);
            Ok(())
        }
        Command::Status { endpoints } => status(endpoints).await,
    }
}

async fn status(endpoints: Endpoints) -> Result<(), Failure> {
    for endpoint in endpoints.endpoints {
        match Client::status(&endpoint, Duration::from_secs(2)).await {
            Ok(status) => println!(
                "{endpoint}: node {} {:?} term {} commit {} applied {} revision {} state {:016x}",
                status.header.member_id,
                status.role,
                status.header.raft_term,
                status.commit,
                status.applied,
                status.header.revision,
                status.state_hash
            ),
            Err(error) => println!("{endpoint}: {error}"),
        }
    }
    Ok(())
}

async fn demo(options: Demo) -> Result<(), Failure> {
    let port = |offset: u16| options.port.checked_add(offset).ok_or("--port leaves no room for six ports");
    let mut members = Vec::new();
    for at in 0..3u16 {
        members.push(Member {
            id: NodeId(u64::from(at) + 1),
            api: format!("127.0.0.1:{}", port(at)?),
            peer: format!("127.0.0.1:{}", port(at + 3)?),
        });
    }
    let endpoints: Vec<&str> = members.iter().map(|member| member.api.as_str()).collect();
    println!("three nodes; try: chainfire status --endpoints {}", endpoints.join(","));
    let (stop, stopped) = watch::channel(false);
    let mut nodes = JoinSet::new();
    for member in &members {
        let config = NodeConfig::new(member.id, members.clone(), options.data.join(format!("n{}", member.id)));
        let mut stopped = stopped.clone();
        nodes.spawn(serve_until(config, async move {
            // An error means that `stop` is gone, which is a reason to stop too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }));
    }
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = nodes.join_next() => return Ok(ended??),
    }
    stop.send_replace(true);
    while let Some(ended) = nodes.join_next().await {
        ended??;
    }
    Ok(())
}
