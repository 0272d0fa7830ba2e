//! What goes over the wire: frames, and the messages in them.

pub mod codec;
pub mod frame;
pub mod messages;

pub use frame::{FrameError, FrameReader, Kind};
