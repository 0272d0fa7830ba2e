//! Trace files: a header that says what made them, then fixed records.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stormglass_harness::{TraceError, TraceLines};
use stormglass_kernel::{RECORD_BYTES, Record, TraceSink};
use stormglass_sys::seal;

const MAGIC: &[u8; 8] = b"STGTRACE";
/// The only version there is.
const FORMAT: u16 = 1;
const HEADER_BYTES_MAX: u16 = 16 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    scenario: String,
    seed: String,
    target: String,
    libc: String,
    nodes: Vec<String>,
}

/// Where a problem of writing is told, once there is one.
pub(crate) type Problem = Arc<Mutex<Option<String>>>;

/// Writes a trace while its run goes on.
pub(crate) struct TraceWriter {
    file: Option<BufWriter<File>>,
    problem: Problem,
    path: PathBuf,
}

impl TraceWriter {
    /// Opens `path`, and gives the place where a later problem will be told.
    pub(crate) fn create(
        path: &Path,
        scenario: &str,
        seed: String,
        nodes: Vec<String>,
    ) -> Result<(Self, Problem), String> {
        let say = |error: &dyn std::fmt::Display| format!("cannot write the trace to {}: {error}", path.display());
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        let libc = if cfg!(target_env = "gnu") { "gnu" } else { "other" };
        let header = Header { scenario: scenario.to_owned(), seed, target, libc: libc.to_owned(), nodes };
        let header =
            bincode::serde::encode_to_vec(&header, bincode::config::standard()).map_err(|error| say(&error))?;
        let length = u16::try_from(header.len()).ok().filter(|&n| n <= HEADER_BYTES_MAX);
        let length = length.ok_or_else(|| say(&"its header is too long"))?;
        let mut file = BufWriter::new(File::create(path).map_err(|error| say(&error))?);
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&FORMAT.to_le_bytes()))
            .and_then(|()| file.write_all(&length.to_le_bytes()))
            .and_then(|()| file.write_all(&header));
        written.map_err(|error| say(&error))?;
        let problem = Arc::new(Mutex::new(None));
        let writer = Self { file: Some(file), problem: Arc::clone(&problem), path: path.to_owned() };
        Ok((writer, problem))
    }
}

impl TraceSink for TraceWriter {
    fn records(&mut self, bytes: &[u8]) {
        seal::host(|| {
            if let Some(file) = &mut self.file
                && let Err(error) = file.write_all(bytes).and_then(|()| file.flush())
            {
                *self.problem.lock() = Some(format!("cannot write the trace to {}: {error}", self.path.display()));
                self.file = None;
            }
        });
    }
}

/// The lines of a trace file, one per record: time, node, kind, operands.
///
/// # Errors
/// A file that cannot be read, is no trace, or is of another version, with the offset.
pub(crate) fn render(path: &Path) -> Result<TraceLines, TraceError> {
    let shown = path.display().to_string();
    let error = |what: String| TraceError { path: shown.clone(), what };
    let mut file = BufReader::new(File::open(path).map_err(|e| error(e.to_string()))?);
    let mut fixed = [0; 12];
    file.read_exact(&mut fixed).map_err(|_| error("shorter than a trace's header (12 bytes)".to_owned()))?;
    if &fixed[..8] != MAGIC {
        return Err(error("no Stormglass trace: it does not begin with STGTRACE at offset 0".to_owned()));
    }
    let format = u16::from_le_bytes([fixed[8], fixed[9]]);
    if format != FORMAT {
        return Err(error(format!(
            "trace format {format} at offset 8, and this build reads {FORMAT}; replay the seed to write it anew"
        )));
    }
    let length = u16::from_le_bytes([fixed[10], fixed[11]]);
    if length > HEADER_BYTES_MAX {
        return Err(error(format!("a header of {length} bytes at offset 10; at most {HEADER_BYTES_MAX} are valid")));
    }
    let mut header = vec![0; usize::from(length)];
    file.read_exact(&mut header).map_err(|_| error("the header at offset 12 is cut off".to_owned()))?;
    let (header, _) = bincode::serde::decode_from_slice::<Header, _>(&header, bincode::config::standard())
        .map_err(|e| error(format!("the header at offset 12 cannot be read: {e}")))?;
    let first = format!("# {} seed {} on {} ({})", header.scenario, header.seed, header.target, header.libc);
    let records = Records { file, offset: 12 + u64::from(length), path: shown, nodes: header.nodes, ended: false };
    Ok(Box::new(std::iter::once(Ok(first)).chain(records)))
}

struct Records {
    file: BufReader<File>,
    offset: u64,
    path: String,
    nodes: Vec<String>,
    ended: bool,
}

impl Iterator for Records {
    type Item = Result<String, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        let read = self.file.by_ref().take(RECORD_BYTES as u64).read_to_end(&mut bytes);
        let error = |what| Some(Err(TraceError { path: self.path.clone(), what }));
        match (read, <&[u8; RECORD_BYTES]>::try_from(bytes.as_slice())) {
            (Ok(0), _) => None,
            (Ok(_), Ok(record)) => {
                self.offset += RECORD_BYTES as u64;
                Some(Ok(line(&Record::from_bytes(record), &self.nodes)))
            }
            (Ok(n), Err(_)) => {
                self.ended = true;
                error(format!("the record at offset {} is cut off after {n} of {RECORD_BYTES} bytes", self.offset))
            }
            (Err(e), _) => {
                self.ended = true;
                error(format!("cannot read at offset {}: {e}", self.offset))
            }
        }
    }
}

/// One record as a line.
pub(crate) fn line(record: &Record, nodes: &[String]) -> String {
    let node = nodes.get(record.node.index()).cloned().unwrap_or_else(|| format!("node{}", record.node.index()));
    format!("{} {node:<8} {:<16} {:016x} {}", record.at, record.kind.name(), record.a, record.b)
}
