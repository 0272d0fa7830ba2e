//! Times to set on a file.

use std::time::SystemTime;

/// Times to set on a file, as `tokio::fs::FileTimes`. What is not set is left as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileTimes {
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
}

impl FileTimes {
    /// No time yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When it was last read. A simulated disk does not keep it, as with `noatime`.
    #[must_use]
    pub fn set_accessed(mut self, t: SystemTime) -> Self {
        self.accessed = Some(t);
        self
    }

    /// When it last changed.
    #[must_use]
    pub fn set_modified(mut self, t: SystemTime) -> Self {
        self.modified = Some(t);
        self
    }

    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    pub(super) fn to_real(self) -> real_tokio::fs::FileTimes {
        let mut times = real_tokio::fs::FileTimes::new();
        if let Some(accessed) = self.accessed {
            times = times.set_accessed(accessed);
        }
        if let Some(modified) = self.modified {
            times = times.set_modified(modified);
        }
        times
    }
}
