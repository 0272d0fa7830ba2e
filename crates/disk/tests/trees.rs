//! Directories that are made, moved into each other and removed, synced here and there: no power loss may swallow a file
//! that was durable and never removed.

mod common;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use stormglass_disk::*;
use stormglass_kernel::{Down, Options, Simulation, with};

const FILES: [&str; 4] = ["/d0/f0", "/d0/f1", "/d1/f2", "/f3"];

fn below(paths: &mut BTreeSet<String>, from: &str, to: &str) {
    let moved: Vec<String> =
        paths.iter().filter(|p| *p == from || p.starts_with(&format!("{from}/"))).cloned().collect();
    for old in moved {
        paths.remove(&old);
        paths.insert(format!("{to}{}", &old[from.len()..]));
    }
}

async fn work(choices: &mut Choices, operations: u64) {
    let mut dirs: BTreeSet<String> = ["/d0", "/d1"].map(str::to_owned).into();
    let mut files: BTreeSet<String> = FILES.map(str::to_owned).into();
    let mut fresh = 0;
    for _ in 0..operations {
        let mut pick = |set: &BTreeSet<String>| {
            let n = choices.below(set.len().max(1) as u64) as usize;
            set.iter().nth(n).cloned().unwrap_or_default()
        };
        let (dir, other, file) = (pick(&dirs), pick(&dirs), pick(&files));
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        fresh += 1;
        match choices.below(8) {
            0 => {
                let new = format!("{dir}/n{fresh}");
                if ask(Request::CreateDir(new.clone().into(), false)).await.is_ok() {
                    dirs.insert(new);
                }
            }
            1 | 2 => {
                let to = format!("{dir}/{}", base(&file));
                if !files.contains(&to) && ask(Request::Rename(file.clone().into(), to.clone().into())).await.is_ok() {
                    files.remove(&file);
                    files.insert(to);
                }
            }
            3 | 4 => {
                let to = if choices.below(3) == 0 { format!("/m{fresh}") } else { format!("{other}/m{fresh}") };
                if !dir.is_empty() && ask(Request::Rename(dir.clone().into(), to.clone().into())).await.is_ok() {
                    below(&mut dirs, &dir, &to);
                    below(&mut files, &dir, &to);
                }
            }
            5 if !dir.is_empty() => {
                if ask(Request::RemoveDir(dir.clone().into())).await.is_ok() {
                    dirs.remove(&dir);
                }
            }
            6 if !dir.is_empty() && !other.is_empty() => {
                // Over an empty directory, if it is one.
                if dir != other && ask(Request::Rename(dir.clone().into(), other.clone().into())).await.is_ok() {
                    dirs.remove(&other);
                    below(&mut dirs, &dir, &other);
                    below(&mut files, &dir, &other);
                }
            }
            _ => {
                let dir = if dir.is_empty() || choices.below(4) == 0 { "/".to_owned() } else { dir };
                sync_path(&dir).await.expect("a directory that exists");
            }
        }
    }
    for file in files {
        assert!(read(&file).await.is_ok(), "{file} is where it was moved to");
    }
}

#[test]
fn no_power_loss_swallows_a_durable_file_however_directories_move() {
    let (mut lost, mut kept) = (0, 0);
    // The last one found a file lost with a replaced directory that it had left.
    for seed in (0..3_000).chain([8_276]) {
        let mut simulation = Simulation::new(Options::new(seed));
        simulation.universe().insert(Disk::new(DiskOptions::default()));
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        let (disk, kernel) = simulation.universe().get::<Disk>().expect("just inserted");
        for path in FILES {
            disk.write_file(kernel, node, path, path.as_bytes()).expect("an empty disk");
        }
        simulation.set_program(
            node,
            Rc::new(move || {
                Box::pin(async move {
                    work(&mut Choices::new(seed + 1), 5 + seed % 40).await;
                    std::future::pending::<()>().await;
                })
            }),
        );
        let report = simulation.run(async move {
            with(|u| u.kernel.boot(node));
            // A second power loss, without work in between, must find everything durable.
            for after in [100, 1] {
                sleep(Duration::from_millis(after)).await;
                with(|u| u.kernel.take_down(node, Down::PowerLoss));
                sleep(Duration::from_millis(1)).await;
            }
            with(|u| {
                let (disk, kernel) = u.get::<Disk>().expect("there is a disk");
                let paths = disk.list(kernel, node, "/").expect("a root");
                let mut found: Vec<String> = paths
                    .iter()
                    .map(|path| {
                        let bytes = disk.read_file(kernel, node, path).expect("a listed file");
                        String::from_utf8_lossy(&bytes).into_owned()
                    })
                    .collect();
                found.sort();
                (found, disk.losses(node), disk.unsynced(node))
            })
        });
        let (found, losses, unsynced) = report.outcome.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        assert_eq!(found, ["/d0/f0", "/d0/f1", "/d1/f2", "/f3"], "seed {seed}");
        assert_eq!(unsynced, 0, "seed {seed}");
        lost += losses.renames_lost;
        kept += losses.renames_kept;
    }
    assert!(lost > 1_000 && kept > 1_000, "{lost} renames lost, {kept} kept");
}
