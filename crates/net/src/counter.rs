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
        ]
    }
}
