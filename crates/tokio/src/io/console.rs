//! The standard streams of simulated nodes: what each wrote, and what each is given to read.

use std::collections::BTreeMap;

use stormglass_kernel::{Down, Kernel, NodeId, Parked, Subsystem, Typed, WorldEvent, WorldId, try_with};

/// A stream that a program writes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What is kept of each stream of a node; the earliest bytes go first.
const KEPT_BYTES: usize = 1 << 20;

/// The console: a world of its own, made when the first node uses it.
#[derive(Debug, Default)]
pub struct Console {
    nodes: BTreeMap<NodeId, Terminal>,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Terminal {
    out: Vec<u8>,
    err: Vec<u8>,
    input: Vec<u8>,
    /// More input may come: a reader waits instead of finding the end.
    open: bool,
    reader: Parked,
}

impl Terminal {
    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}

impl Subsystem for Console {
    fn name(&self) -> &'static str {
        "console"
    }

    fn on_event(&mut self, _kernel: &mut Kernel, _node: NodeId, _event: WorldEvent) {}

    fn on_down(&mut self, kernel: &mut Kernel, node: NodeId, _how: Down) {
        if let Some(terminal) = self.nodes.get_mut(&node) {
            kernel.forget(terminal.reader.take());
        }
    }

    fn on_boot(&mut self, _kernel: &mut Kernel, _node: NodeId) {}

    fn describe(&self, what: &'static str, _id: u64) -> String {
        if what == STDIN { "something to read on its standard input".to_owned() } else { String::new() }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("bytes written", self.bytes)]
    }
}

impl Typed for Console {
    const ID: WorldId = WorldId(3);
}

/// What a task that reads standard input waits for.
pub(super) const STDIN: &str = "console stdin";

fn with_terminal<R>(f: impl FnOnce(&mut Terminal, &mut u64, &mut Kernel, NodeId) -> R) -> Option<R> {
    try_with(|u| {
        if u.get::<Console>().is_none() {
            u.insert(Console::default());
        }
        let (console, kernel) = u.get::<Console>()?;
        let node = kernel.current_node();
        Some(f(console.nodes.entry(node).or_default(), &mut console.bytes, kernel, node))
    })
    .flatten()
}

/// Takes what a program writes. It is seen when the poll ends: a crash within it voids it.
pub(super) fn write(stream: Stream, bytes: &[u8]) {
    let bytes = bytes.to_vec();
    let call = Box::new(move || {
        with_terminal(|terminal, count, _, _| {
            *count += bytes.len() as u64;
            let kept = terminal.of(stream);
            kept.extend_from_slice(&bytes);
            let surplus = kept.len().saturating_sub(KEPT_BYTES);
            kept.drain(..surplus);
        });
    });
    try_with(|u| u.kernel.effect_call(call));
}

/// Moves input to a reader: how many bytes; 0 at the end. `None` when more may come: the reader is woken then.
pub(super) fn read(into: &mut [u8], waker: &std::task::Waker) -> Option<usize> {
    let moved = with_terminal(|terminal, _, kernel, _| {
        if terminal.input.is_empty() && terminal.open && !into.is_empty() {
            let mut reader = terminal.reader.take();
            kernel.put_to_sleep(&mut reader, waker);
            terminal.reader = reader;
            kernel.note_wait(stormglass_kernel::Wait::Resource { what: STDIN, id: 0 });
            return None;
        }
        let count = into.len().min(terminal.input.len());
        into[..count].copy_from_slice(&terminal.input[..count]);
        terminal.input.drain(..count);
        Some(count)
    });
    moved.unwrap_or(Some(0))
}

/// What `node` has written to `stream`, the last MiB of it. Empty where it wrote nothing.
#[must_use]
pub fn captured(node: NodeId, stream: Stream) -> Vec<u8> {
    let found = try_with(|u| {
        let (console, _) = u.get::<Console>()?;
        console.nodes.get_mut(&node).map(|terminal| terminal.of(stream).clone())
    });
    found.flatten().unwrap_or_default()
}

/// Gives `node` something to read on its standard input, which ends after it unless `more` is to come. A node that is given
/// nothing finds the end at once.
pub fn give_input(node: NodeId, bytes: &[u8], more: bool) {
    try_with(|u| {
        if u.get::<Console>().is_none() {
            u.insert(Console::default());
        }
        let Some((console, kernel)) = u.get::<Console>() else { return };
        let terminal = console.nodes.entry(node).or_default();
        terminal.input.extend_from_slice(bytes);
        terminal.open = more;
        let reader = terminal.reader.take();
        kernel.wake_up(reader);
    });
}
