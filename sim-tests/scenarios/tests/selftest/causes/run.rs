//! A traced run, node by node: what each did, which packets left it, and when faults began and ended.

use std::collections::BTreeMap;
use std::path::Path;

use stormglass::faults::FaultId;
use stormglass::kernel::{Kind, NodeId, RECORD_BYTES, Record, VirtualTime};

/// Reads a trace file.
pub(crate) fn read(path: &Path) -> Vec<Record> {
    let bytes = std::fs::read(path).expect("the run wrote its trace");
    assert_eq!(&bytes[..8], b"STGTRACE", "a trace file");
    let header_bytes = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    let (records, rest) = bytes[PREFIX_BYTES + header_bytes..].as_chunks::<RECORD_BYTES>();
    assert!(rest.is_empty(), "a trace holds whole records");
    records.iter().map(Record::from_bytes).collect()
}

/// The task that carried a fault out: the one that the driver polled when the fault began.
pub(crate) fn injector(records: &[Record], fault: FaultId) -> Option<u64> {
    let began = records.iter().position(|r| r.kind == Kind::FAULT && r.a == u64::from(fault.0))?;
    let on_driver = |r: &&Record| r.kind == Kind::POLL && r.node == NodeId::DRIVER;
    records[..began].iter().rev().find(on_driver).map(|poll| poll.a)
}

/// Bytes before a trace's header: the magic, the format and the header's length.
const PREFIX_BYTES: usize = 12;

/// Flow and ordinal: what a packet is called in a trace.
pub(crate) type PacketId = (u64, u64);

/// Where a packet's departure stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// The sender.
    pub(crate) node: NodeId,
    /// Place of the departure in the sender's log.
    pub(crate) index: usize,
    /// The departure itself.
    pub(crate) record: Record,
}

/// A trace, sorted out.
///
/// A node's log holds what the node itself could know. Faults and lost packets are not in it: a trace has them where they
/// took place, and nobody hears of a packet that is lost. The end of the injector's task is left out too: it ends with the
/// last step of its plan, so that without its last fault it ends earlier, and nobody waits for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) logs: BTreeMap<NodeId, Vec<Record>>,
    pub(crate) sent: BTreeMap<PacketId, Sent>,
    pub(crate) delivered: BTreeMap<PacketId, Vec<Record>>,
    /// Beginnings (`true`) and ends of each fault, in order.
    pub(crate) faults: BTreeMap<FaultId, Vec<(Record, bool)>>,
}

impl Run {
    /// Sorts out records before `end`. `injector` is the key of the task that carries the plan out.
    pub(crate) fn new(records: &[Record], injector: Option<u64>, end: VirtualTime) -> Self {
        let mut run = Self::default();
        let of_injector = |record: &Record| record.kind == Kind::TASK_END && Some(record.a) == injector;
        let wanted = |record: &&Record| record.at < end && !of_injector(record);
        records.iter().filter(wanted).for_each(|record| run.add(*record));
        run
    }

    fn add(&mut self, record: Record) {
        let packet = (record.a, record.b);
        match record.kind {
            Kind::PACKET_DROPPED => return,
            Kind::FAULT => {
                let id = FaultId(u32::try_from(record.a).expect("a fault's id has 32 bits"));
                self.faults.entry(id).or_default().push((record, record.b == 1));
                return;
            }
            Kind::PACKET_SENT => {
                let index = self.logs.get(&record.node).map_or(0, Vec::len);
                let twice = self.sent.insert(packet, Sent { node: record.node, index, record });
                assert!(twice.is_none(), "a packet is sent once: {record:?}");
            }
            Kind::PACKET_DELIVERED => {
                self.delivered.entry(packet).or_default().push(record);
            }
            _ => {}
        }
        self.logs.entry(record.node).or_default().push(record);
    }

    /// When a packet arrived, each time.
    pub(crate) fn arrivals(&self, packet: PacketId) -> Vec<VirtualTime> {
        self.delivered.get(&packet).into_iter().flatten().map(|record| record.at).collect()
    }

    /// Where a packet arrived, if it did.
    pub(crate) fn receiver(&self, packet: PacketId) -> Option<NodeId> {
        self.delivered.get(&packet)?.first().map(|record| record.node)
    }

    /// What a node did.
    pub(crate) fn log(&self, node: NodeId) -> &[Record] {
        self.logs.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Every node that did anything.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.logs.keys().copied()
    }
}
