//! The independent check of a certificate. It shares no code with the search, so that a defect there cannot vouch for
//! itself: it looks at the raw history, at real time and at the model, and at nothing else.

use super::Certificate;
use crate::history::{History, OpId, Outcome};
use crate::model::{Model, Step};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use thiserror::Error;

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It names an operation that the history does not have.
    #[error("operation {0} is not in the history")]
    NoSuchOperation(OpId),
    /// It names an operation twice.
    #[error("operation {0} is ordered twice")]
    OrderedTwice(OpId),
    /// It leaves out an operation that was answered.
    #[error("operation {0} was answered but is in no order")]
    LeftOut(OpId),
    /// It orders an operation that did not happen.
    #[error("operation {0} definitely did not happen but is in an order")]
    DidNotHappen(OpId),
    /// Two of its orders are about one key, so that neither can be judged alone.
    #[error("operation {0} shares a key with an operation of another order")]
    SharedKey(OpId),
    /// It puts an operation after one that was called later than it returned.
    #[error("operation {late} returned before operation {early} was called, but is ordered after it")]
    RealTime {
        /// The operation that stands too early.
        early: OpId,
        /// The operation that stands too late.
        late: OpId,
    },
    /// The model would not have answered so.
    #[error("operation {0} does not answer as the model would in this order")]
    Refused(OpId),
}

/// Checks that `certificate` proves `history` linearizable with respect to `model`. Linear in the history, but for the
/// look-up of keys.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn replay<M: Model>(
    model: &M,
    history: &History<M::Op, M::Ret>,
    certificate: &Certificate,
) -> Result<(), CertificateError> {
    let mut ordered = vec![false; history.len()];
    let mut owner: HashMap<M::Key, usize, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    for (part, order) in certificate.orders.iter().enumerate() {
        let mut state = model.initial();
        // The last key that was found to be this order's own.
        let mut own: Option<M::Key> = None;
        let mut latest_call: Option<(u64, OpId)> = None;
        for &id in order {
            let operation = history.operations().get(id.0 as usize).ok_or(CertificateError::NoSuchOperation(id))?;
            if std::mem::replace(&mut ordered[id.0 as usize], true) {
                return Err(CertificateError::OrderedTwice(id));
            }
            let mut keys = 0;
            let mut shared = false;
            model.each_key(&operation.op, &mut |key| {
                keys += 1;
                if own.as_ref() != Some(key) {
                    shared |= *owner.entry(key.clone()).or_insert(part) != part;
                    own = Some(key.clone());
                }
            });
            if shared || (keys == 0 && certificate.orders.len() > 1) {
                return Err(CertificateError::SharedKey(id));
            }
            let (ret, returned) = match &operation.outcome {
                Outcome::Fail => return Err(CertificateError::DidNotHappen(id)),
                Outcome::Ok(ret) => (Some(ret), operation.returned.unwrap_or(u64::MAX)),
                Outcome::Indeterminate => (None, u64::MAX),
            };
            if let Some((_, early)) = latest_call.filter(|(call, _)| *call > returned) {
                return Err(CertificateError::RealTime { early, late: id });
            }
            if latest_call.is_none_or(|(call, _)| operation.call > call) {
                latest_call = Some((operation.call, id));
            }
            match model.step(&state, &operation.op, ret) {
                Step::Refused => return Err(CertificateError::Refused(id)),
                Step::Same => {}
                Step::Next(next) => state = next,
            }
        }
    }
    for (index, operation) in (0u32..).zip(history.operations()) {
        // In this order, for the operations of a long history are nearly all in an order, and far from the processor.
        if !ordered[index as usize] && operation.outcome.answer().is_some() {
            return Err(CertificateError::LeftOut(OpId(index)));
        }
    }
    Ok(())
}
