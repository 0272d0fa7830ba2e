//! Operations on turmoil's simulated files, as its `unstable-fs` has them: without latencies unless they are asked for.

use measure::{BLOCK, BLOCKS, FILE_OPERATIONS, Row};
use std::io::{Result, SeekFrom};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use turmoil::fs::shim::tokio::fs::{File, OpenOptions};

/// Does a row's work on one host. Gives the number of operations.
pub(crate) fn work(row: Row) -> f64 {
    let count = FILE_OPERATIONS / 10;
    let mut sim = super::sim(1);
    sim.client("n", async move {
        let mut file = OpenOptions::new().read(true).write(true).create(true).open("/file").await?;
        round(&mut file, BLOCKS, true, false).await?;
        file.sync_all().await?;
        match row {
            Row::FileWrites => round(&mut file, count, true, false).await?,
            Row::FileSyncs => round(&mut file, count / 2, true, true).await?,
            Row::FileReads => round(&mut file, count, false, false).await?,
            _ => {
                for _ in 0..count / 2 {
                    drop(File::open("/file").await?);
                }
            }
        }
        Ok(())
    });
    sim.run().expect("it ends by itself");
    count as f64
}

/// `count` blocks of the file, from its beginning and round again.
async fn round(file: &mut File, count: u64, writes: bool, syncs: bool) -> Result<()> {
    let mut block = [7; BLOCK];
    for n in 0..count {
        if n % BLOCKS == 0 {
            file.seek(SeekFrom::Start(0)).await?;
        }
        if writes {
            file.write_all(&block).await?;
            file.flush().await?;
        } else {
            file.read_exact(&mut block).await?;
        }
        if syncs {
            file.sync_data().await?;
        }
    }
    Ok(())
}
