//! What a forked case may use and see, and what becomes of its output.

/// What happens to a case's standard output and error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Both go to the parent, in the order written; the last bytes are kept. Standard input is `/dev/null`.
    Both,
    /// Standard error goes to the parent, standard output stays the parent's own. Standard input is `/dev/null`.
    Error,
    /// All three stay the parent's own, as for a replay that a person watches. A crash is then told by its signal
    /// alone.
    Nothing,
}

/// The limits of one forked case. The default: no memory limit, 64 KiB of output kept, 256 MiB of result, the
/// environment of the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How many bytes of private writable memory (heap, stacks of threads; `RLIMIT_DATA`) the case may have beyond what
    /// the fork server has. An allocation past it fails, and Rust then aborts. `None`: no limit.
    pub memory_bytes: Option<u64>,
    /// Which output is captured.
    pub capture: Capture,
    /// How many bytes of captured output are kept, counted from its end.
    pub output_bytes_kept: usize,
    /// How many bytes of result a case may send before it is stopped.
    pub result_bytes_max: usize,
    /// Whether the case leads a process group of its own, so that Ctrl-C at a terminal reaches the parent alone.
    pub own_process_group: bool,
    /// The whole environment of the case, name and value. `None`: the server's.
    pub environment: Option<Vec<(String, String)>>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: None,
            capture: Capture::Both,
            output_bytes_kept: 64 << 10,
            result_bytes_max: 256 << 20,
            own_process_group: true,
            environment: None,
        }
    }
}
