//! Clients of the store, and the history of what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chainfire::kv::api::{RangeRequest, Select};
use chainfire::{Client, ClientError};
use parking_lot::Mutex;
use stormglass::check::model::{Expect, Kv, KvOp, KvRet};
use stormglass::check::{Evidence, LINEARIZABILITY, Online, Verdict, acknowledged_ids_survive, durable};
use stormglass::prelude::*;
use tokio::time::Instant;

use crate::cluster::Cluster;

/// Keys of unique writes begin with this; nothing ever changes or deletes one.
const UNIQUE: &str = "id/";
/// Keys of the history begin with this.
const SHARED: &str = "shared/";

/// What clients did and saw.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) history: Recorder<KvOp, KvRet>,
    /// Judges the history while it grows.
    online: Arc<Mutex<Online<Kv>>>,
    unique: Arc<Mutex<Unique>>,
}

#[derive(Default)]
struct Unique {
    /// Acknowledged unique writes, with the instant of the acknowledgement in nanoseconds.
    acknowledged: BTreeMap<String, u64>,
    /// All that were asked for.
    attempted: BTreeSet<String>,
}

/// How much, of what.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    /// Operations per second of all clients together.
    pub(crate) rate: u64,
    pub(crate) keys: u64,
    pub(crate) duration: Duration,
}

impl Book {
    pub(crate) fn new() -> Self {
        let online = Arc::new(Mutex::new(Online::new(Kv::default())));
        Self { history: Recorder::new(), online, unique: Arc::default() }
    }

    /// Lets clients loose; returns when the last one has ended its last operation.
    pub(crate) async fn run(&self, cluster: &Cluster, load: Load) {
        let mut clients = tokio::task::JoinSet::new();
        for id in 0..load.clients {
            let (book, cluster) = (self.clone(), cluster.clone());
            clients.spawn(async move { book.client(&cluster, load, id).await });
        }
        while let Some(ended) = clients.join_next().await {
            assert!(ended.is_ok(), "a client ended early");
        }
    }

    /// One client: an operation at each of its instants, late if the one before took long. None begins after `duration`,
    /// however many are late by then.
    async fn client(&self, cluster: &Cluster, load: Load, id: u32) {
        let mut client = cluster.client();
        let period = Duration::from_nanos(1_000_000_000 * u64::from(load.clients) / load.rate);
        let start = Instant::now() + period * id / load.clients;
        let site = format!("client {id}");
        for n in 0.. {
            let due = start + period * n as u32;
            if due.max(Instant::now()) >= start + load.duration {
                return;
            }
            tokio::time::sleep_until(due).await;
            let draw = |what, low, high| cluster.sim.choose(what, &site, n, low, high);
            let key = format!("{SHARED}{}", draw("key", 1, load.keys));
            let value = format!("{id}.{n}");
            match draw("operation", 0, 99) {
                0..=39 => self.get(&mut client, id, key).await,
                40..=59 => self.put(&mut client, id, key, value).await,
                60..=74 => self.cas(&mut client, id, key, value).await,
                75..=79 => self.delete(&mut client, id, key).await,
                _ => self.unique(&cluster.sim, &mut client, value).await,
            }
            self.follow(&cluster.sim);
        }
    }

    /// Judges what is settled by now; a violation ends the run here and not at its end.
    fn follow(&self, sim: &Sim) {
        let judged = self.history.with(|history| self.online.lock().advance(history).map(|found| found.cloned()));
        match judged {
            Ok(Some(evidence)) => sim.violation(evidence),
            Ok(None) => {}
            Err(error) => sim.violation(Evidence::new(LINEARIZABILITY, error.to_string())),
        }
    }

    pub(crate) async fn get(&self, client: &mut Client, id: u32, key: String) {
        let call = self.history.invoke(id, KvOp::get(key.clone()));
        match client.get(key).await {
            Ok(found) => {
                let ret = found.map_or_else(KvRet::absent, |kv| KvRet::value(kv.value.to_vec()));
                self.history.ok(call, ret);
            }
            Err(_) => self.history.fail(call),
        }
    }

    pub(crate) async fn put(&self, client: &mut Client, id: u32, key: String, value: String) {
        let call = self.history.invoke(id, KvOp::put(key.clone(), value.clone()));
        let result = client.put(key, value).await;
        self.end(call, result.map(|_| KvRet::done()));
    }

    pub(crate) async fn delete(&self, client: &mut Client, id: u32, key: String) {
        let call = self.history.invoke(id, KvOp::Delete { key: key.clone().into() });
        let result = client.delete(Select::Key(key.into())).await;
        self.end(call, result.map(|(_, r)| KvRet::Deleted { existed: Some(r.deleted > 0), revision: None }));
    }

    /// Reads a key, then swaps what it read for something else.
    pub(crate) async fn cas(&self, client: &mut Client, id: u32, key: String, value: String) {
        let call = self.history.invoke(id, KvOp::get(key.clone()));
        let expected = match client.get(key.clone()).await {
            Ok(found) => {
                let found = found.map(|kv| kv.value);
                let ret = found.as_ref().map_or_else(KvRet::absent, |v| KvRet::value(v.to_vec()));
                self.history.ok(call, ret);
                found
            }
            Err(_) => return self.history.fail(call),
        };
        let expect = expected.as_ref().map_or(Expect::Absent, |v| Expect::value(v.to_vec()));
        let call = self.history.invoke(id, KvOp::cas(key.clone(), expect, value.clone()));
        let result = client.cas(key, expected, value).await;
        self.end(call, result.map(|(swapped, _)| KvRet::swapped(swapped)));
    }

    /// Puts a key that nobody else ever touches.
    pub(crate) async fn unique(&self, sim: &Sim, client: &mut Client, value: String) {
        let key = format!("{UNIQUE}{value}");
        self.unique.lock().attempted.insert(key.clone());
        if client.put(key.clone(), value).await.is_ok() {
            let at = u64::try_from(sim.now().as_nanos()).unwrap_or(u64::MAX);
            self.unique.lock().acknowledged.insert(key, at);
        }
    }

    fn end(&self, call: stormglass::check::OpId, result: Result<KvRet, ClientError>) {
        match result {
            Ok(ret) => self.history.ok(call, ret),
            Err(error) if error.is_indeterminate() => self.history.info(call),
            Err(_) => self.history.fail(call),
        }
    }

    /// How many unique writes were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.unique.lock().acknowledged.len()
    }

    /// Reads everything there is, once the cluster is at rest, and judges: linearizability of the history, durability of
    /// what was acknowledged, and that no retried write took effect twice.
    ///
    /// # Errors
    /// The final scan could not be read.
    pub(crate) async fn judge(&self, cluster: &Cluster) -> Result<Verdict, Evidence> {
        let mut client = cluster.client();
        let everything = RangeRequest::new(Select::Prefix(Bytes::new()));
        let (_, scan) = client
            .range(everything)
            .await
            .map_err(|error| Evidence::new("convergence", format!("the final scan failed: {error}")))?;
        let unique = self.unique.lock();
        let present: BTreeSet<String> = scan
            .kvs
            .iter()
            .filter_map(|kv| String::from_utf8(kv.key.to_vec()).ok())
            .filter(|key| key.starts_with(UNIQUE))
            .collect();
        let acknowledged: Vec<(String, u64)> = unique.acknowledged.iter().map(|(k, at)| (k.clone(), *at)).collect();
        let survived = acknowledged_ids_survive(&acknowledged, Some(&unique.attempted), &present);
        let twice = scan.kvs.iter().find(|kv| kv.key.starts_with(UNIQUE.as_bytes()) && kv.version != 1);
        let once = match twice {
            Some(kv) => Verdict::Fail(Evidence::new(
                "exactly once",
                format!("{} was written {} times by a client that wrote it once", kv.key.escape_ascii(), kv.version),
            )),
            None => Verdict::Pass,
        };
        let ended: BTreeMap<_, _> = scan
            .kvs
            .iter()
            .filter(|kv| kv.key.starts_with(SHARED.as_bytes()))
            .map(|kv| (kv.key.to_vec().into(), kv.value.to_vec().into()))
            .collect();
        let verdicts = self.history.with(|history| {
            let model = Kv::default();
            let online = std::mem::replace(&mut *self.online.lock(), Online::new(Kv::default()));
            let linear =
                online.finish(history).unwrap_or_else(|error| Evidence::new(LINEARIZABILITY, error.to_string()).into());
            [linear, durable(&model, history, &ended)]
        });
        Ok(cluster.sim.all([survived, once].into_iter().chain(verdicts)))
    }
}
