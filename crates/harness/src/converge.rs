//! The calm phase, whatever runtime it runs on: asks until convergence is reached or overdue.

use std::time::Duration;

use stormglass_check::Evidence;
use stormglass_faults::{Calm, CalmState, Convergence};

/// How often convergence is asked for.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Asks `converged` until it is reached or `calm`'s bound has passed. `now` is virtual time since the start of the run. Gives how
/// long it took.
///
/// # Errors
/// The reasons that were pending at the bound, as evidence of the oracle `convergence`.
pub async fn converge(
    calm: Calm,
    now: impl Fn() -> Duration,
    sleep: impl AsyncFn(Duration),
    mut converged: impl AsyncFnMut() -> Convergence,
) -> Result<Duration, Evidence> {
    loop {
        let asked = now();
        let convergence = converged().await;
        match calm.judge(now(), convergence) {
            CalmState::Converged { after } => return Ok(after),
            CalmState::Waiting { .. } => sleep((asked + ASK_EVERY).saturating_sub(now())).await,
            CalmState::Overdue { pending, within } => {
                let mut evidence =
                    Evidence::new("convergence", format!("not converged {within:?} after the faults were healed"));
                evidence.details = pending.reasons().to_vec();
                return Err(evidence);
            }
        }
    }
}
