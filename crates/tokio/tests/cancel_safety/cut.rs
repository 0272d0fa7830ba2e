//! Futures that are dropped before they are ready.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use stormglass_tokio::time::sleep;

/// Where a seed cuts, and how often it did.
#[derive(Clone)]
pub(crate) struct Cuts {
    seed: u64,
    turn: Arc<AtomicU64>,
    count: Arc<AtomicU64>,
}

impl Cuts {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, turn: Arc::default(), count: Arc::default() }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// A number for the next cut.
    fn next(&self) -> u64 {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        stormglass_kernel::mix(self.seed, turn)
    }
}

/// Polls `operation` and gives its output, or `None` when it was dropped: unpolled, at the poll after its first or second
/// wake, or after a time while it waited. Every other one or so is left alone, so that the whole goes on.
pub(crate) async fn cut<F: Future>(cuts: &Cuts, operation: F) -> Option<F::Output> {
    let point = cuts.next();
    let polls = match point % 8 {
        // A turn for others, so that a loop of cuts does not keep the processor.
        0 => {
            stormglass_tokio::task::yield_now().await;
            Some(0)
        }
        1 | 2 => Some(1),
        3 => Some(2),
        _ => None,
    };
    let after = matches!(point % 8, 4 | 5).then(|| Duration::from_nanos((point >> 8) % 1_200));
    let mut operation = Box::pin(operation);
    let mut limit = Box::pin(async {
        match after {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    });
    let mut polled = 0;
    let output = poll_fn(|cx| {
        if polls == Some(polled) {
            return Poll::Ready(None);
        }
        polled += 1;
        if let Poll::Ready(output) = operation.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        limit.as_mut().poll(cx).map(|()| None)
    })
    .await;
    if output.is_none() {
        cuts.count.fetch_add(1, Ordering::Relaxed);
    }
    output
}

/// Begins an operation anew until it is not cut.
macro_rules! until {
    ($cuts:expr, $operation:expr) => {
        loop {
            if let Some(output) = $crate::cut::cut(&$cuts, $operation).await {
                break output;
            }
        }
    };
}
pub(crate) use until;
