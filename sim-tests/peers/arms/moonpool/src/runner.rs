//! Small simulations through moonpool's own runner: five processes that sleep for a millisecond.

use async_trait::async_trait;
use measure::{BRIEFLY, NODES};
use moonpool_sim::{Process, SimContext, SimulationBuilder, SimulationResult, TimeProvider, Workload};

struct Sleeper;

#[async_trait]
impl Process for Sleeper {
    fn name(&self) -> &str {
        "sleeper"
    }

    async fn run(&mut self, ctx: &SimContext) -> SimulationResult<()> {
        let _ = ctx.time().sleep(BRIEFLY).await;
        Ok(())
    }
}

struct Waits;

#[async_trait]
impl Workload for Waits {
    fn name(&self) -> &str {
        "waits"
    }

    async fn run(&mut self, ctx: &SimContext) -> SimulationResult<()> {
        let _ = ctx.time().sleep(BRIEFLY * 2).await;
        Ok(())
    }
}

/// `count` seeds, one after another.
pub(crate) fn simulations(count: usize) -> f64 {
    let builder = SimulationBuilder::new().processes(NODES, || Box::new(Sleeper)).workload(Waits);
    let report = builder.set_iterations(count).run();
    assert_eq!(report.successful_runs, count, "{report}");
    count as f64
}
