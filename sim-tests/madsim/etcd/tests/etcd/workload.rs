//! Clients of etcd: puts, reads, deletions, and swaps by comparison in a transaction, each recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use etcd_client::{Client, Compare, CompareOp, Error, Txn, TxnOp};
use stormglass::check::model::{Bytes, Expect, KvOp, KvRet};
use stormglass::prelude::*;
use tokio::time::timeout;

/// Where etcd listens.
pub(crate) const PORT: u16 = 2379;
/// How long a client waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// Few keys, so that clients meet.
const KEYS: u64 = 3;

/// What clients recorded.
pub(crate) type Record = Arc<Recorder<KvOp, KvRet>>;

/// A client's process: asks one thing after another, until it is killed or the weather is over.
pub(crate) async fn client(sim: Sim, host: Host, record: Record, until: Duration) {
    let site = host.name().to_owned();
    let mut ordinal = u64::from(host.boot()) * 10_000;
    // The last value it read of each key, for swaps.
    let mut seen = BTreeMap::new();
    while sim.now() < until {
        ordinal += 1;
        sim.sleep(Duration::from_millis(sim.choose("pause", &site, ordinal, 20, 400))).await;
        // Every call is a process of its own: one that was killed leaves its call open, and calls no more.
        let process = u32::try_from(host.index() as u64 * 1_000_000 + ordinal).unwrap_or(u32::MAX);
        let op = draw(&sim, &site, ordinal, &seen);
        let id = record.invoke(process, op.clone());
        match timeout(PATIENCE, ask(&op)).await {
            Ok(Ok(told)) => {
                if let (KvOp::Get { key }, KvRet::Value { value: Some(value), .. }) = (&op, &told) {
                    seen.insert(key.clone(), value.clone());
                }
                record.ok(id, told);
            }
            // Nothing was sent: there was no connection.
            Ok(Err(Error::IoError(error))) if error.kind() == std::io::ErrorKind::ConnectionRefused => record.fail(id),
            Ok(Err(_)) | Err(_) => record.info(id),
        }
    }
}

fn draw(sim: &Sim, site: &str, ordinal: u64, seen: &BTreeMap<Bytes, Bytes>) -> KvOp {
    let key = format!("k{}", sim.choose("key", site, ordinal, 1, KEYS));
    let value = format!("{site}.{ordinal}");
    match sim.choose("what", site, ordinal, 0, 9) {
        0..=3 => KvOp::get(key),
        4..=6 => KvOp::put(key, value),
        7 => KvOp::delete(key),
        _ => match seen.get(&Bytes::from(key.clone())) {
            Some(expected) => KvOp::cas(key, Expect::Value(expected.clone()), value),
            None => KvOp::get(key),
        },
    }
}

async fn ask(op: &KvOp) -> Result<KvRet, Error> {
    let etcd = Client::connect([format!("etcd:{PORT}")], None).await?;
    let mut kv = etcd.kv_client();
    match op {
        KvOp::Get { key } => {
            let told = kv.get(key.as_slice(), None).await?;
            Ok(told.kvs().first().map_or_else(KvRet::absent, |found| KvRet::value(found.value())))
        }
        KvOp::Put { key, value } => kv.put(key.as_slice(), value.as_slice(), None).await.map(|_| KvRet::done()),
        KvOp::Delete { key } => kv.delete(key.as_slice(), None).await.map(|_| KvRet::deleted()),
        KvOp::Cas { key, expect: Expect::Value(expected), value } => {
            let equal = Compare::value(key.as_slice(), CompareOp::Equal, expected.as_slice());
            let put = TxnOp::put(key.as_slice(), value.as_slice(), None);
            let told = kv.txn(Txn::new().when([equal]).and_then([put])).await?;
            Ok(KvRet::swapped(told.succeeded()))
        }
        other => unreachable!("clients do not ask {other:?}"),
    }
}
