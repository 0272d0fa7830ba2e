//! Operations on turmoil's simulated files, as its `unstable-fs` has them: through its `tokio::fs` without latencies and with
//! them, and through its `std::fs`.

use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::time::Duration;

use measure::{BLOCK, BLOCKS, FILE_OPERATIONS, Row};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use turmoil::Builder;
use turmoil::fs::shim::std::fs as std_fs;
use turmoil::fs::shim::tokio::fs::{File, OpenOptions};

/// Does a row's work on one host. Gives the number of operations.
pub(crate) fn work(row: Row) -> Option<f64> {
    let work = row.file_work()?;
    // Where it is slow, fewer tell as much.
    let count = if row.is_timed() || work == Row::FileWrites { FILE_OPERATIONS / 40 } else { FILE_OPERATIONS };
    let mut builder = Builder::new();
    builder.rng_seed(1).simulation_duration(Duration::from_secs(1_000_000)).tick_duration(Duration::from_millis(1));
    if row.is_timed() {
        // As short as a page cache's; its clock shows whole milliseconds.
        builder.fs().io_latency().min_latency(Duration::from_micros(1)).max_latency(Duration::from_micros(5));
    }
    let mut sim = builder.build();
    let is_std = row.is_std();
    sim.client("n", async move {
        if is_std {
            in_std(work, count).await?
        } else {
            in_tokio(work, count).await?
        }
        Ok(())
    });
    sim.run().expect("it ends by itself");
    Some(count as f64)
}

async fn in_tokio(work: Row, count: u64) -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).open("/file").await?;
    round(&mut file, BLOCKS, true, false).await?;
    file.sync_all().await?;
    match work {
        Row::FileWrites => round(&mut file, count, true, false).await,
        Row::FileSyncs => round(&mut file, count / 2, true, true).await,
        Row::FileReads => round(&mut file, count, false, false).await,
        _ => {
            for _ in 0..count / 2 {
                drop(File::open("/file").await?);
            }
            Ok(())
        }
    }
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

async fn in_std(work: Row, count: u64) -> Result<()> {
    let mut file = std_fs::OpenOptions::new().read(true).write(true).create(true).open("/file")?;
    round_in_std(&mut file, BLOCKS, true, false)?;
    file.sync_all()?;
    for _ in 0..count / BLOCKS {
        tokio::task::yield_now().await;
        match work {
            Row::FileWrites => round_in_std(&mut file, BLOCKS, true, false)?,
            Row::FileSyncs => round_in_std(&mut file, BLOCKS / 2, true, true)?,
            Row::FileReads => round_in_std(&mut file, BLOCKS, false, false)?,
            _ => {
                for _ in 0..BLOCKS / 2 {
                    drop(std_fs::File::open("/file")?);
                }
            }
        }
    }
    Ok(())
}

fn round_in_std(file: &mut std_fs::File, count: u64, writes: bool, syncs: bool) -> Result<()> {
    let mut block = [7; BLOCK];
    file.seek(SeekFrom::Start(0))?;
    for _ in 0..count {
        if writes {
            file.write_all(&block)?
        } else {
            file.read_exact(&mut block)?
        }
        if syncs {
            file.sync_data()?;
        }
    }
    Ok(())
}
