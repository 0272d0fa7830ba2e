//! Properties weaker than linearizability, or of other shapes: sequential and causal consistency, sessions, watches, and
//! whether replicas agree in the end.

mod causal;
mod convergence;
mod sequential;
mod session;
mod watch;

pub use causal::{CAUSAL, causal};
pub use convergence::{CONVERGENCE, converged};
pub use sequential::{SEQUENTIAL, sequential};
pub use session::{Guarantee, Seen, SessionEvent, sessions};
pub use watch::{Previous, WATCH, Watch, WatchEvent, WatchResponse, Watched, watched};
