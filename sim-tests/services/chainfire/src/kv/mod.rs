//! The replicated state: a revisioned key space and the client sessions, changed only by applied commands.

pub mod api;
pub mod command;
pub mod machine;
mod mvcc;
mod session;

pub use api::{
    Compare, Comparison, DeleteRequest, DeleteResponse, Header, KeyValue, Operation, OperationResult, PutRequest,
    PutResponse, RangeRequest, RangeResponse, Select, Target, TxnRequest, TxnResponse, WriteRequest, WriteResponse,
};
pub use command::{Command, Outcome};
pub use machine::Machine;
