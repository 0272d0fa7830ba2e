//! A forked child per case.
use crate::{Limits, isolation::{Case, CaseEnd, Isolation, ThreadIsolation}};
#[derive(Debug, Default)]
pub(crate) struct ForkIsolation;
impl Isolation for ForkIsolation {
    fn run(&mut self, limits: &Limits, echo: bool, case: Case) -> std::io::Result<CaseEnd> {
        ThreadIsolation.run(limits, echo, case)
    }
}
