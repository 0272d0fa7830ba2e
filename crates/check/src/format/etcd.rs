//! What etcd's robustness tests report, as their JSON has it, and what it means here.

use crate::history::{History, Outcome};
use crate::model::{Bytes, EtcdCompare, EtcdEntry, EtcdExpect, EtcdFound, EtcdOp, EtcdRange, EtcdRet, EtcdStep};
use crate::property::{Previous, WatchEvent, WatchResponse, Watched};
use serde::Deserialize;

/// What the clients of one run reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdReport {
    /// What they asked, and were told. Reads without an answer say nothing and are left out.
    pub operations: History<EtcdOp, EtcdRet>,
    /// What they watched.
    pub watches: Vec<WatchOperation>,
    /// What the store did, in order, if somebody looked into its log: every request that it kept, and no other.
    pub persisted: Option<Vec<EtcdOp>>,
}

/// A watch, as it was reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchOperation {
    /// The revision that was asked for; 0 for what comes from now on.
    pub from: u64,
    /// The keys that were asked for.
    pub keys: Watched,
    /// What came.
    pub responses: Vec<WatchResponse>,
}

/// One line of a report.
pub(super) enum Line {
    Operation(Box<OperationLine>),
    Watch(WatchOperation),
    Persisted(EtcdOp),
}

/// An operation of a client. Times are in nanoseconds.
pub(super) struct OperationLine {
    pub(super) client: u32,
    pub(super) call: u64,
    pub(super) returned: u64,
    pub(super) op: EtcdOp,
    /// Nothing if the answer says nothing.
    pub(super) outcome: Option<Outcome<EtcdRet>>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected an operation with ClientId, a watch with Request and Responses, or a request with Type"
)]
enum AnyLine {
    Operation(Box<JsonOperation>),
    Watch(JsonWatch),
    Request(Box<JsonRequest>),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonOperation {
    #[serde(alias = "ClientID")]
    client_id: u32,
    input: JsonRequest,
    call: u64,
    output: JsonResponse,
    r#return: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonRequest {
    r#type: RequestType,
    lease_grant: Option<JsonLease>,
    lease_revoke: Option<JsonLease>,
    range: Option<JsonRange>,
    txn: Option<JsonTxn>,
    compact: Option<JsonCompact>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum RequestType {
    Range,
    Txn,
    LeaseGrant,
    LeaseRevoke,
    Defragment,
    Compact,
}

#[derive(Deserialize)]
struct JsonLease {
    #[serde(rename = "LeaseID")]
    id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonCompact {
    revision: i64,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonRange {
    start: String,
    #[serde(default)]
    end: String,
    #[serde(default)]
    limit: u32,
    #[serde(default)]
    revision: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonTxn {
    conditions: Option<Vec<JsonCondition>>,
    operations_on_success: Option<Vec<JsonStep>>,
    operations_on_failure: Option<Vec<JsonStep>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonCondition {
    key: String,
    #[serde(default)]
    expected_revision: i64,
    #[serde(default)]
    expected_version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonStep {
    r#type: StepType,
    #[serde(default)]
    range: JsonRange,
    #[serde(default)]
    put: JsonPut,
    #[serde(default)]
    delete: JsonDelete,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum StepType {
    #[serde(rename = "range-operation", alias = "range")]
    Range,
    #[serde(rename = "put-operation", alias = "put")]
    Put,
    #[serde(rename = "delete-operation", alias = "delete")]
    Delete,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonPut {
    key: String,
    value: JsonValue,
    #[serde(default, rename = "LeaseID")]
    lease: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonDelete {
    key: String,
}

/// Long values are reported by their hash alone.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct JsonValue {
    value: String,
    hash: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonResponse {
    txn: Option<JsonTxnResponse>,
    range: Option<JsonFound>,
    #[serde(default)]
    client_error: String,
    #[serde(default)]
    revision: i64,
    #[serde(default, alias = "PartialResponse")]
    persisted: bool,
    #[serde(default)]
    persisted_revision: i64,
    /// A text; in old reports null or any object.
    #[serde(default)]
    error: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonTxnResponse {
    failure: bool,
    results: Option<Vec<JsonFound>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonFound {
    #[serde(rename = "KVs")]
    entries: Option<Vec<JsonEntry>>,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    deleted: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonEntry {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: JsonValue,
    #[serde(default)]
    mod_revision: u64,
    #[serde(default)]
    version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonWatch {
    request: JsonWatchRequest,
    responses: Option<Vec<JsonWatchResponse>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct JsonWatchRequest {
    key: String,
    revision: i64,
    with_prefix: bool,
    #[serde(rename = "WithPrevKV")]
    with_previous: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonWatchResponse {
    events: Option<Vec<JsonEvent>>,
    #[serde(default)]
    is_progress_notify: bool,
    #[serde(default)]
    revision: i64,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonEvent {
    r#type: StepType,
    key: String,
    #[serde(default)]
    value: JsonValue,
    revision: u64,
    is_create: Option<bool>,
    prev_value: Option<JsonEntry>,
}

impl From<JsonValue> for Bytes {
    fn from(JsonValue { value, hash }: JsonValue) -> Bytes {
        if hash == 0 { Bytes::from(value) } else { Bytes::from(format!("{value}#{hash}")) }
    }
}

impl From<JsonRange> for EtcdRange {
    fn from(JsonRange { start, end, limit, .. }: JsonRange) -> EtcdRange {
        let end = (!end.is_empty()).then(|| Bytes::from(end));
        EtcdRange { start: start.into(), end, limit: limit as usize }
    }
}

impl From<JsonStep> for EtcdStep {
    fn from(JsonStep { r#type, range, put, delete }: JsonStep) -> EtcdStep {
        match r#type {
            StepType::Range => EtcdStep::Range(range.into()),
            StepType::Put => EtcdStep::Put { key: put.key.into(), value: put.value.into(), lease: put.lease },
            StepType::Delete => EtcdStep::Delete(delete.key.into()),
        }
    }
}

impl From<JsonEntry> for EtcdEntry {
    fn from(JsonEntry { key, value, mod_revision, version }: JsonEntry) -> EtcdEntry {
        let version = Some(version).filter(|version| *version > 0);
        EtcdEntry { key: key.into(), value: value.into(), revision: mod_revision, version }
    }
}

impl From<JsonFound> for EtcdFound {
    fn from(JsonFound { entries, count, deleted }: JsonFound) -> EtcdFound {
        EtcdFound { entries: entries.unwrap_or_default().into_iter().map(Into::into).collect(), count, deleted }
    }
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// What a request asks; nothing if it has nothing to do with what the store holds.
fn request(request: JsonRequest) -> Result<Option<EtcdOp>, &'static str> {
    let JsonRequest { r#type, lease_grant, lease_revoke, range, txn, compact } = request;
    let steps = |steps: Option<Vec<JsonStep>>| steps.unwrap_or_default().into_iter().map(Into::into).collect();
    Ok(Some(match r#type {
        RequestType::Range => {
            let range = range.ok_or("a request of type range has no Range")?;
            EtcdOp::Range { at: number(range.revision), range: range.into() }
        }
        RequestType::Txn => {
            let txn = txn.ok_or("a request of type txn has no Txn")?;
            let compare = |JsonCondition { key, expected_revision, expected_version }: JsonCondition| EtcdCompare {
                key: key.into(),
                expect: if expected_version > 0 {
                    EtcdExpect::Version(number(expected_version))
                } else {
                    EtcdExpect::Revision(number(expected_revision))
                },
            };
            EtcdOp::Txn {
                compare: txn.conditions.unwrap_or_default().into_iter().map(compare).collect(),
                success: steps(txn.operations_on_success),
                failure: steps(txn.operations_on_failure),
            }
        }
        RequestType::LeaseGrant => {
            EtcdOp::LeaseGrant(lease_grant.ok_or("a request of type leaseGrant has no LeaseGrant")?.id)
        }
        RequestType::LeaseRevoke => {
            EtcdOp::LeaseRevoke(lease_revoke.ok_or("a request of type leaseRevoke has no LeaseRevoke")?.id)
        }
        RequestType::Compact => {
            EtcdOp::Compact(number(compact.ok_or("a request of type compact has no Compact")?.revision))
        }
        RequestType::Defragment => return Ok(None),
    }))
}

/// What was answered; nothing if that says nothing.
fn outcome(op: &EtcdOp, response: JsonResponse) -> Result<Option<Outcome<EtcdRet>>, &'static str> {
    let JsonResponse { txn, range, client_error, revision, persisted, persisted_revision, error } = response;
    // Compaction and the like report -1: they say nothing of the store's revision.
    let revision = Some(number(revision)).filter(|revision| *revision > 0);
    let failed = match &error {
        serde_json::Value::Null => false,
        serde_json::Value::String(text) => !text.is_empty(),
        _ => true,
    };
    if failed {
        let reads = |steps: &[EtcdStep]| steps.iter().all(|step| matches!(step, EtcdStep::Range(_)));
        return Ok(match op {
            EtcdOp::Range { .. } => None,
            EtcdOp::Txn { success, failure, .. } if reads(success) && reads(failure) => None,
            _ => Some(Outcome::Indeterminate),
        });
    }
    if !client_error.is_empty() {
        return Ok(Some(Outcome::Fail));
    }
    if persisted {
        let known = Some(number(persisted_revision)).filter(|revision| *revision > 0).or(revision);
        return Ok(Some(Outcome::Ok(EtcdRet::Done { revision: known })));
    }
    Ok(Some(Outcome::Ok(match op {
        EtcdOp::Range { .. } => {
            EtcdRet::Found { found: range.ok_or("the answer to a range has no Range")?.into(), revision }
        }
        EtcdOp::Txn { .. } => {
            let JsonTxnResponse { failure, results } = txn.ok_or("the answer to a txn has no Txn")?;
            let results = results.unwrap_or_default().into_iter().map(Into::into).collect();
            EtcdRet::Txn { failed: failure, results, revision }
        }
        _ => EtcdRet::Done { revision },
    })))
}

fn watch(JsonWatch { request, responses }: JsonWatch) -> WatchOperation {
    let JsonWatchRequest { key, revision, with_prefix, with_previous } = request;
    let event = |JsonEvent { r#type, key, value, revision, is_create, prev_value }: JsonEvent| WatchEvent {
        revision,
        key: key.into(),
        value: (r#type == StepType::Put).then(|| value.into()),
        created: is_create,
        previous: prev_value.filter(|_| with_previous).map(EtcdEntry::from).map(|held| Previous {
            value: held.value,
            revision: held.revision,
            version: held.version,
        }),
    };
    // The end of a watch with an error says nothing of what happened.
    let responses = responses.unwrap_or_default().into_iter().filter(|response| response.error.is_empty());
    let response = |JsonWatchResponse { events, is_progress_notify, revision, .. }| WatchResponse {
        events: events.unwrap_or_default().into_iter().map(event).collect(),
        bookmark: is_progress_notify.then(|| number(revision)),
    };
    let keys = if with_prefix { Watched::Prefix(key.into_bytes()) } else { Watched::Key(key.into()) };
    WatchOperation { from: number(revision), keys, responses: responses.map(response).collect() }
}

/// Reads one line; nothing if it has nothing to do with what the store holds.
pub(super) fn line(text: &str) -> Result<Option<Line>, (usize, String)> {
    let wrong = |error: &serde_json::Error| {
        let message = error.to_string();
        (error.column(), message.rfind(" at line ").map_or(message.as_str(), |end| &message[..end]).to_owned())
    };
    // A line that begins as one of them is read as that, so that its error is told and not that it is none of them.
    let parsed = if text.starts_with("{\"ClientI") {
        serde_json::from_str(text).map(AnyLine::Operation)
    } else if text.starts_with("{\"Request\"") {
        serde_json::from_str(text).map(AnyLine::Watch)
    } else if text.starts_with("{\"Type\"") {
        serde_json::from_str(text).map(AnyLine::Request)
    } else {
        serde_json::from_str(text)
    };
    let told = |reason: &'static str| (1, reason.to_owned());
    Ok(match parsed.map_err(|error| wrong(&error))? {
        AnyLine::Watch(json) => Some(Line::Watch(watch(json))),
        AnyLine::Request(json) => request(*json).map_err(told)?.map(Line::Persisted),
        AnyLine::Operation(json) => {
            let JsonOperation { client_id, input, call, output, r#return } = *json;
            let Some(op) = request(input).map_err(told)? else { return Ok(None) };
            let outcome = outcome(&op, output).map_err(told)?;
            Some(Line::Operation(Box::new(OperationLine { client: client_id, call, returned: r#return, op, outcome })))
        }
    })
}
