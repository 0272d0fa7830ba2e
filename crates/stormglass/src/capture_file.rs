//! Where a capture of a run goes: a file of the machine that Stormglass runs on, written past the seal.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use stormglass_sys::seal;

/// A file outside the simulation.
#[derive(Debug)]
pub(crate) struct CaptureFile(BufWriter<File>);

impl CaptureFile {
    /// Makes the file, over an older one.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        seal::host(|| Ok(Self(BufWriter::new(File::create(path)?))))
    }
}

impl Write for CaptureFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        seal::host(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        seal::host(|| self.0.flush())
    }
}

impl Drop for CaptureFile {
    fn drop(&mut self) {
        // The last bytes: a problem with them is one that earlier writes had too, or nobody can be told.
        let _ = self.flush();
    }
}
