//! What the network did, counted for the run's statistics.

/// Counters of one run. They never influence it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// TCP segments that left a node, retransmissions included.
    pub segments_sent: u64,
    /// TCP segments that reached a node that was up.
    pub segments_delivered: u64,
    /// TCP segments sent again because no acknowledgement came.
    pub segments_retransmitted: u64,
    /// UDP datagrams that left a node.
    pub datagrams_sent: u64,
    /// UDP datagrams that reached a socket's queue.
    pub datagrams_delivered: u64,
    /// Packets of any kind that were lost on the way: cut, lost, filtered, no machine.
    pub packets_dropped: u64,
    /// Datagrams that reached their node and were thrown away: the socket's queue was full.
    pub datagrams_overflowed: u64,
    /// Bytes of payload sent, retransmissions included.
    pub bytes_sent: u64,
    /// TCP connections begun.
    pub connections: u64,
    /// TCP segments with RST that left a node.
    pub resets: u64,
    /// Packets that their link delivered twice.
    pub packets_duplicated: u64,
    /// Packets that their link held back, so that others could overtake them.
    pub packets_held_back: u64,
    /// Packets that arrived with flipped bits and were discarded for their checksum.
    pub packets_corrupted: u64,
    /// Packets whose bytes changed under a valid checksum.
    pub corruption_undetected: u64,
    /// Packets for which a link's queue had no room.
    pub queue_dropped: u64,
    /// IP fragments sent.
    pub fragments_sent: u64,
    /// Packets that a filter refused with an answer.
    pub packets_rejected: u64,
    /// Lookups of names that a fault let fail.
    pub lookups_failed: u64,
    /// Lookups of names that a fault answered with old addresses.
    pub lookups_stale: u64,
    /// Probes of idle connections.
    pub keepalives_sent: u64,
}

impl Counters {
    /// Names and values, in a fixed order.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("segments_sent", self.segments_sent),
            ("segments_delivered", self.segments_delivered),
            ("segments_retransmitted", self.segments_retransmitted),
            ("datagrams_sent", self.datagrams_sent),
            ("datagrams_delivered", self.datagrams_delivered),
            ("packets_dropped", self.packets_dropped),
            ("datagrams_overflowed", self.datagrams_overflowed),
            ("bytes_sent", self.bytes_sent),
            ("connections", self.connections),
            ("resets", self.resets),
            ("packets_duplicated", self.packets_duplicated),
            ("packets_held_back", self.packets_held_back),
            ("packets_corrupted", self.packets_corrupted),
            ("corruption_undetected", self.corruption_undetected),
            ("queue_dropped", self.queue_dropped),
            ("fragments_sent", self.fragments_sent),
            ("packets_rejected", self.packets_rejected),
            ("lookups_failed", self.lookups_failed),
            ("lookups_stale", self.lookups_stale),
            ("keepalives_sent", self.keepalives_sent),
        ]
    }
}
