//! The conformance body against real processes, real sockets on loopback, and a real disk.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use chainfire::conformance::{self, Cluster};
use chainfire::{Member, NodeId};

struct Processes {
    members: Vec<Member>,
    dir: tempfile::TempDir,
    running: Vec<(NodeId, Child)>,
}

impl Processes {
    fn new(size: u64) -> Self {
        // All bound at once, so that no port is given out twice; free again when the listeners are dropped.
        let listeners: Vec<TcpListener> =
            (0..2 * size).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let address = |at: u64| listeners[at as usize].local_addr().expect("bound").to_string();
        let members = (0..size)
            .map(|at| Member { id: NodeId(at + 1), api: address(2 * at), peer: address(2 * at + 1) })
            .collect();
        Processes { members, dir: tempfile::tempdir().expect("a temporary directory"), running: Vec::new() }
    }

    fn take(&mut self, node: NodeId) -> Result<Child, String> {
        let at = self.running.iter().position(|(id, _)| *id == node).ok_or(format!("node {node} is not running"))?;
        Ok(self.running.swap_remove(at).1)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Cluster for Processes {
    fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    async fn start(&mut self, node: NodeId) -> Result<(), String> {
        let peers: Vec<String> = self.members.iter().map(ToString::to_string).collect();
        let data: PathBuf = self.dir.path().join(format!("n{node}"));
        let child = Command::new(env!("CARGO_BIN_EXE_chainfire"))
            .args(["serve", "--id", &node.to_string(), "--peers", &peers.join(",")])
            .arg("--data")
            .arg(data)
            .args(["--snapshot-entries", &conformance::SNAPSHOT_ENTRIES.to_string()])
            .args(["--snapshot-trailing", &conformance::SNAPSHOT_TRAILING.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        self.running.push((node, child));
        Ok(())
    }

    async fn stop(&mut self, node: NodeId) -> Result<(), String> {
        let mut child = self.take(node)?;
        let signalled = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let signalled = signalled.map_err(|error| error.to_string())?;
        let status = child.wait().map_err(|error| error.to_string())?;
        if signalled.success() && status.success() { Ok(()) } else { Err(format!("node {node} ended with {status}")) }
    }

    async fn kill(&mut self, node: NodeId) -> Result<(), String> {
        let mut child = self.take(node)?;
        child.kill().map_err(|error| error.to_string())?;
        child.wait().map(|_| ()).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn three_processes_behave() {
    let mut cluster = Processes::new(3);
    conformance::cluster_behaves(&mut cluster).await.unwrap_or_else(|broken| panic!("{broken}"));
}

#[tokio::test]
async fn a_single_node_is_a_cluster() {
    let mut cluster = Processes::new(1);
    let members = cluster.members();
    cluster.start(NodeId(1)).await.expect("starts");
    conformance::one_leader(&members).await.expect("leads itself");
    let mut client = chainfire::Client::of(&members);
    client.put("k", "v").await.expect("a put");
    cluster.kill(NodeId(1)).await.expect("is killed");
    cluster.start(NodeId(1)).await.expect("starts");
    conformance::one_leader(&members).await.expect("leads itself again");
    let kv = client.get("k").await.expect("a get").expect("the key");
    assert_eq!(kv.value, "v");
}
