//! Operations on the simulated disk, through `tokio::fs`: each takes its time.

use std::io::{Result, SeekFrom};

use measure::{BLOCK, BLOCKS, FILE_OPERATIONS, Row};
use stormglass::DiskOptions;
use stormglass::disk::Disk;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Does a row's work on one node. Gives the number of operations.
pub(crate) fn work(row: Row) -> f64 {
    let mut simulation = super::simulation(1);
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let report = simulation.run(async move {
        let mut file = OpenOptions::new().read(true).write(true).create(true).open("/file").await?;
        round(&mut file, BLOCKS, true, false).await?;
        file.sync_all().await?;
        match row {
            Row::FileWrites => round(&mut file, FILE_OPERATIONS, true, false).await?,
            Row::FileSyncs => round(&mut file, FILE_OPERATIONS / 2, true, true).await?,
            Row::FileReads => round(&mut file, FILE_OPERATIONS, false, false).await?,
            _ => {
                for _ in 0..FILE_OPERATIONS / 2 {
                    drop(File::open("/file").await?);
                }
            }
        }
        Result::Ok(())
    });
    report.outcome.expect("it ends by itself").expect("a disk without faults");
    FILE_OPERATIONS as f64
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
