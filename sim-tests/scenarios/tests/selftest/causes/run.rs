//! A traced run, node by node: what each did, which packets left it, and when faults began and ended.

use std::collections::BTreeMap;
use std::path::Path;

use stormglass::faults::FaultId;
use stormglass::kernel::{Kind, NodeId, RECORD_BYTES, Record};

/// Bytes before a trace's header: the magic, the format and the header's length.
const PREFIX_BYTES: usize = 12;

/// Flow and ordinal: what a packet is called in a trace.
pub type PacketId = (u64, u64);

/// Where a packet's departure stands.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The sender.
    pub node: NodeId,
    /// Place of the departure in the sender's log.
    pub index: usize,
    /// The departure itself.
    pub record: Record,
}

/// A trace, sorted out.
///
/// A node's log holds what the node itself could know. Faults and lost packets are kept beside it: a trace has them where
/// they took place, and nobody hears of a packet that is lost.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub logs: BTreeMap<NodeId, Vec<Record>>,
    pub sent: BTreeMap<PacketId, Sent>,
    pub delivered: BTreeMap<PacketId, Record>,
    /// Beginnings (`true`) and ends of each fault, in order.
    pub faults: BTreeMap<FaultId, Vec<(Record, bool)>>,
}

impl Run {
    /// Sorts out records.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let mut run = Self::default();
        for record in records {
            run.add(record);
        }
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
                self.delivered.insert(packet, record);
            }
            _ => {}
        }
        self.logs.entry(record.node).or_default().push(record);
    }

    /// Reads a trace file.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("the run wrote its trace");
        assert_eq!(&bytes[..8], b"STGTRACE", "a trace file");
        let header_bytes = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
        let (records, rest) = bytes[PREFIX_BYTES + header_bytes..].as_chunks::<RECORD_BYTES>();
        assert!(rest.is_empty(), "a trace holds whole records");
        Self::new(records.iter().map(Record::from_bytes))
    }

    /// What a node did.
    pub fn log(&self, node: NodeId) -> &[Record] {
        self.logs.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Every node that did anything.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.logs.keys().copied()
    }
}
