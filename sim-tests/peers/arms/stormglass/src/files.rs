//! Operations on the simulated disk: through `tokio::fs`, where each takes its time while others run, and through `std::fs`
//! and the libc beneath it, where it is done at once and its time is the task's own.

use std::io::{Read, Result, Seek, SeekFrom, Write};

use measure::{BLOCK, BLOCKS, FILE_OPERATIONS, Row};
use stormglass::DiskOptions;
use stormglass::disk::Disk;
use stormglass::kernel::{Options, Simulation, VirtualTime};
use stormglass_program::{leaked, seal_thread};
use stormglass_sys::seal::spawn_simulation_thread;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Does a row's work on one node. Gives the number of operations.
pub(crate) fn work(row: Row) -> Option<f64> {
    let work = row.file_work()?;
    if row.is_std() {
        let thread = spawn_simulation_thread(8 << 20, move || in_std(work));
        thread.expect("a thread").join().expect("it ends by itself").expect("a disk without faults");
    } else {
        let mut simulation = super::simulation(1);
        simulation.universe().insert(Disk::new(DiskOptions::default()));
        let report = simulation.run(in_tokio(work));
        report.outcome.expect("it ends by itself").expect("a disk without faults");
    }
    Some(FILE_OPERATIONS as f64)
}

async fn in_tokio(work: Row) -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).open("/file").await?;
    round(&mut file, BLOCKS, true, false).await?;
    file.sync_all().await?;
    match work {
        Row::FileWrites => round(&mut file, FILE_OPERATIONS, true, false).await,
        Row::FileSyncs => round(&mut file, FILE_OPERATIONS / 2, true, true).await,
        Row::FileReads => round(&mut file, FILE_OPERATIONS, false, false).await,
        _ => {
            for _ in 0..FILE_OPERATIONS / 2 {
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

/// As a scenario has it: sealed, so that libc's calls are the node's.
fn in_std(work: Row) -> Result<()> {
    let mut options = Options::new(1);
    options.limits.virtual_time = VirtualTime::MAX;
    options.on_polled = Some(leaked);
    let mut simulation = Simulation::new(options);
    simulation.universe().insert(Disk::new(DiskOptions::default()));
    let sealed = seal_thread(1);
    let report = simulation.run(async move {
        let mut file = std::fs::OpenOptions::new().read(true).write(true).create(true).open("/file")?;
        round_in_std(&mut file, BLOCKS, true, false)?;
        file.sync_all()?;
        // A poll that never ends would be one for the watchdog: every round is one of its own.
        for _ in 0..FILE_OPERATIONS / BLOCKS {
            tokio::task::yield_now().await;
            match work {
                Row::FileWrites => round_in_std(&mut file, BLOCKS, true, false)?,
                Row::FileSyncs => round_in_std(&mut file, BLOCKS / 2, true, true)?,
                Row::FileReads => round_in_std(&mut file, BLOCKS, false, false)?,
                _ => {
                    for _ in 0..BLOCKS / 2 {
                        drop(std::fs::File::open("/file")?);
                    }
                }
            }
        }
        Result::Ok(())
    });
    drop(sealed);
    report.outcome.expect("it ends by itself")
}

fn round_in_std(file: &mut std::fs::File, count: u64, writes: bool, syncs: bool) -> Result<()> {
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
