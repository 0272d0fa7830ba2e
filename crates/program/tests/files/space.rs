//! Room: fallocate, holes, direct and hinted writes.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise, posix_fallocate};
use nix::unistd::{Whence, lseek};

use crate::behaviour::behaviours;

fn both(path: std::path::PathBuf) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

behaviours! {
    fallocate_extends |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            let _ = file.write_at(b"abc", 0);
            saw.libc(fallocate(&file, FallocateFlags::empty(), 0, 10_000));
            saw.io(file.metadata().map(|m| (m.len(), m.blocks() * 512 >= 10_000)));
        }
        saw.io(fs::read(dir.join("a")).map(|b| b.iter().filter(|&&b| b != 0).count()));
    }
    fallocate_keeps_the_size |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, 10_000));
            saw.io(file.metadata().map(|m| (m.len(), m.blocks() * 512 >= 10_000)));
        }
    }
    fallocate_does_not_shrink |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![7; 9_000]);
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(fallocate(&file, FallocateFlags::empty(), 0, 100));
            saw.io(file.metadata().map(|m| m.len()));
        }
    }
    punch_hole |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![7; 20_000]);
        if let Ok(file) = both(dir.join("a")) {
            let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            saw.libc(fallocate(&file, punch, 4_000, 9_000));
            saw.libc(fallocate(&file, punch, 19_990, 9_000));
            saw.libc(fallocate(&file, punch, 50_000, 9_000));
        }
        let bytes = fs::read(dir.join("a")).unwrap_or_default();
        saw.value((bytes.len(), bytes.iter().position(|&b| b == 0), bytes.iter().filter(|&&b| b == 0).count()));
    }
    punch_hole_needs_keep_size |dir, saw| {
        if let Ok(file) = both(dir.join("a")) { saw.libc(fallocate(&file, FallocateFlags::FALLOC_FL_PUNCH_HOLE, 0, 10)); }
    }
    zero_range |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![7; 5_000]);
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(fallocate(&file, FallocateFlags::FALLOC_FL_ZERO_RANGE, 4_990, 100));
            saw.io(file.metadata().map(|m| m.len()));
            let keep = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            saw.libc(fallocate(&file, keep, 5_000, 1_000));
            saw.io(file.metadata().map(|m| m.len()));
        }
        saw.io(fs::read(dir.join("a")).map(|b| b.iter().filter(|&&b| b == 7).count()));
    }
    fallocate_errors |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(fallocate(&file, FallocateFlags::empty(), 0, 0));
            saw.libc(fallocate(&file, FallocateFlags::empty(), -1, 10));
            saw.libc(fallocate(&file, FallocateFlags::empty(), 0, -1));
        }
        if let Ok(file) = File::open(dir.join("a")) { saw.libc(fallocate(&file, FallocateFlags::empty(), 0, 10)); }
    }
    posix_fallocate_extends |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(posix_fallocate(&file, 100, 1_000));
            saw.io(file.metadata().map(|m| m.len()));
            saw.libc(posix_fallocate(&file, 0, 0));
        }
    }
    seek_data_and_hole |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            let _ = file.write_at(&[7; 4_096], 1 << 20);
            let _ = file.write_at(&[7; 4_096], 3 << 20);
            let _ = file.sync_all();
            for from in [0, 1 << 20, (1 << 20) + 5, (1 << 20) + 4_096, 3 << 20, (3 << 20) + 4_095, (3 << 20) + 4_096] {
                saw.libc(lseek(&file, from, Whence::SeekData));
                saw.libc(lseek(&file, from, Whence::SeekHole));
            }
        }
    }
    holes_of_an_empty_file |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(lseek(&file, 0, Whence::SeekData));
            saw.libc(lseek(&file, 0, Whence::SeekHole));
        }
    }
    holes_of_a_grown_file |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            let _ = file.set_len(10_000);
            saw.libc(lseek(&file, 0, Whence::SeekData));
            saw.libc(lseek(&file, 0, Whence::SeekHole));
            saw.libc(lseek(&file, 9_999, Whence::SeekHole));
            saw.libc(lseek(&file, 10_000, Whence::SeekHole));
        }
    }
    advice_is_taken |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED));
            saw.libc(posix_fadvise(&file, 0, 100, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL));
        }
    }
    a_hole_is_filled_again |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![7; 12_288]);
        if let Ok(file) = both(dir.join("a")) {
            let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let _ = fallocate(&file, punch, 4_096, 4_096);
            saw.io(file.metadata().map(|m| m.blocks()));
            let _ = file.write_at(&[8; 10], 5_000);
            let _ = file.sync_all();
            saw.io(file.metadata().map(|m| m.blocks()));
        }
        saw.io(fs::read(dir.join("a")).map(|b| b.iter().map(|&b| u64::from(b)).sum::<u64>()));
    }
    cutting_gives_room_back |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![7; 40_960]);
        if let Ok(file) = both(dir.join("a")) {
            let _ = file.sync_all();
            let _ = file.set_len(4_096);
            let _ = file.sync_all();
            saw.io(file.metadata().map(|m| m.blocks()));
        }
    }
    room_of_the_file_system |dir, saw| {
        saw.libc(nix::sys::statvfs::statvfs(dir).map(|s| s.blocks() > 0 && s.blocks_free() <= s.blocks()));
    }
}
