//! The retransmission timeout: RFC 6298 with Linux's bounds.

/// `TCP_RTO_MIN` of Linux.
const RTO_MIN_NS: u64 = 200_000_000;
/// `TCP_RTO_MAX` of Linux.
pub(crate) const RTO_MAX_NS: u64 = 120_000_000_000;
/// Before the first measurement (RFC 6298, 2.1).
const RTO_INITIAL_NS: u64 = 1_000_000_000;

/// Smoothed round-trip time, and how often the timeout has doubled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtt {
    smoothed_ns: u64,
    variation_ns: u64,
    doublings: u32,
}

impl Rtt {
    pub(crate) fn measured(&mut self, ns: u64) {
        let ns = ns.max(1);
        if self.smoothed_ns == 0 {
            self.smoothed_ns = ns;
            self.variation_ns = ns / 2;
        } else {
            let error = self.smoothed_ns.abs_diff(ns);
            self.variation_ns = self.variation_ns - self.variation_ns / 4 + error / 4;
            self.smoothed_ns = self.smoothed_ns - self.smoothed_ns / 8 + ns / 8;
        }
    }

    /// How long to wait for an acknowledgement now.
    #[inline]
    pub(crate) fn timeout_ns(&self) -> u64 {
        let base = match self.smoothed_ns {
            0 => RTO_INITIAL_NS,
            smoothed => smoothed.saturating_add(self.variation_ns.saturating_mul(4).max(RTO_MIN_NS)),
        };
        // Twenty doublings of the least base exceed the bound.
        (base.min(RTO_MAX_NS) << self.doublings.min(20)).min(RTO_MAX_NS)
    }

    pub(crate) fn double(&mut self) {
        self.doublings += 1;
    }

    pub(crate) fn reset_doublings(&mut self) {
        self.doublings = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_starts_at_a_second_follows_the_path_and_doubles_to_two_minutes() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout_ns(), RTO_INITIAL_NS);
        rtt.measured(2_000_000);
        assert_eq!(rtt.timeout_ns(), 202_000_000);
        for _ in 0..200 {
            rtt.measured(300_000_000);
        }
        assert!((495_000_000..520_000_000).contains(&rtt.timeout_ns()), "{}", rtt.timeout_ns());
        for _ in 0..40 {
            rtt.double();
        }
        assert_eq!(rtt.timeout_ns(), RTO_MAX_NS);
        rtt.reset_doublings();
        assert!(rtt.timeout_ns() < 520_000_000);
    }
}
