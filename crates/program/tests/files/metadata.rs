//! Metadata: kinds, lengths, modes, times.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use nix::sys::stat::{UtimensatFlags, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{AccessFlags, access};

use crate::behaviour::behaviours;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789)
}

behaviours! {
    kinds |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        for path in [dir.join("a"), dir.to_owned()] {
            saw.io(fs::metadata(path).map(|m| {
                let t = m.file_type();
                (m.is_file(), m.is_dir(), m.is_symlink(), t.is_fifo(), t.is_socket(), t.is_block_device(), t.is_char_device())
            }));
        }
    }
    lengths |dir, saw| {
        for len in [0, 1, 511, 4_096, 100_000] {
            let _ = fs::write(dir.join("a"), vec![1; len]);
            saw.io(fs::metadata(dir.join("a")).map(|m| m.len()));
        }
    }
    metadata_of_nothing |dir, saw| {
        saw.done(fs::metadata(dir.join("a")));
        saw.done(fs::symlink_metadata(dir.join("a")));
        saw.io(fs::exists(dir.join("a")));
        let _ = fs::write(dir.join("f"), "x");
        saw.io(fs::exists(dir.join("f/a")));
    }
    metadata_of_an_open_file |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")) {
            let _ = file.write(b"abc");
            saw.io(file.metadata().map(|m| (m.len(), m.is_file(), m.nlink())));
            saw.value(file.metadata().ok().map(|m| m.ino()) == fs::metadata(dir.join("a")).ok().map(|m| m.ino()));
        }
    }
    one_device |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = fs::write(dir.join("d/a"), "x");
        saw.value(fs::metadata(dir.join("d/a")).ok().map(|m| m.dev()) == fs::metadata(dir).ok().map(|m| m.dev()));
    }
    inodes_differ |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::write(dir.join("b"), "x");
        saw.value(fs::metadata(dir.join("a")).ok().map(|m| m.ino()) == fs::metadata(dir.join("b")).ok().map(|m| m.ino()));
    }
    an_inode_survives_a_rename |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let before = fs::metadata(dir.join("a")).ok().map(|m| m.ino());
        let _ = fs::rename(dir.join("a"), dir.join("b"));
        saw.value(before == fs::metadata(dir.join("b")).ok().map(|m| m.ino()));
    }
    blocks_of_files |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![1; 8_192]);
        saw.io(File::open(dir.join("a")).and_then(|f| f.sync_all()));
        saw.io(fs::metadata(dir.join("a")).map(|m| (m.blocks(), m.blksize())));
        let _ = File::create(dir.join("b"));
        saw.io(fs::metadata(dir.join("b")).map(|m| m.blocks()));
    }
    blocks_of_sparse_files |dir, saw| {
        if let Ok(file) = File::create(dir.join("a")) {
            let _ = file.write_at(b"x", 1 << 20);
            let _ = file.sync_all();
        }
        saw.io(fs::metadata(dir.join("a")).map(|m| (m.len(), m.blocks())));
    }
    permissions |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        for mode in [0o600, 0o644, 0o755, 0o400] {
            saw.io(fs::set_permissions(dir.join("a"), Permissions::from_mode(mode)));
            saw.io(fs::metadata(dir.join("a")).map(|m| (format!("{:o}", m.mode()), m.permissions().readonly())));
        }
        saw.io(fs::set_permissions(dir.join("no"), Permissions::from_mode(0o600)));
    }
    permissions_of_an_open_file |dir, saw| {
        if let Ok(file) = File::create(dir.join("a")) {
            saw.io(file.set_permissions(Permissions::from_mode(0o640)));
            saw.io(file.metadata().map(|m| format!("{:o}", m.mode())));
        }
    }
    permissions_through_a_symlink |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = std::os::unix::fs::symlink("a", dir.join("l"));
        saw.io(fs::set_permissions(dir.join("l"), Permissions::from_mode(0o640)));
        saw.io(fs::metadata(dir.join("a")).map(|m| format!("{:o}", m.mode())));
    }
    set_times |dir, saw| {
        if let Ok(file) = File::create(dir.join("a")) {
            saw.io(file.set_times(FileTimes::new().set_accessed(at(1_000)).set_modified(at(2_000))));
            saw.io(file.metadata().map(|m| (m.atime(), m.atime_nsec(), m.mtime(), m.mtime_nsec())));
            saw.io(file.set_modified(at(3_000)));
            saw.io(file.metadata().map(|m| (m.atime(), m.mtime())));
        }
    }
    set_times_by_name |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let cwd = nix::fcntl::AT_FDCWD;
        let (one, two) = (TimeSpec::new(5, 6), TimeSpec::new(7, 8));
        saw.libc(utimensat(cwd, &dir.join("a"), &one, &two, UtimensatFlags::FollowSymlink));
        saw.io(fs::metadata(dir.join("a")).map(|m| (m.atime(), m.atime_nsec(), m.mtime(), m.mtime_nsec())));
        saw.libc(utimensat(cwd, &dir.join("a"), &TimeSpec::UTIME_OMIT, &one, UtimensatFlags::FollowSymlink));
        saw.io(fs::metadata(dir.join("a")).map(|m| (m.atime(), m.mtime())));
        saw.libc(utimensat(cwd, &dir.join("no"), &one, &two, UtimensatFlags::FollowSymlink));
    }
    set_times_to_now |dir, saw| {
        if let Ok(file) = File::create(dir.join("a")) {
            let _ = file.set_modified(at(1));
            saw.libc(futimens(&file, &TimeSpec::UTIME_OMIT, &TimeSpec::UTIME_NOW));
            saw.io(file.metadata().map(|m| m.mtime() > 1_000_000));
        }
    }
    writing_moves_the_time |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")) {
            let _ = file.set_modified(at(1));
            let _ = file.write(b"x");
            saw.io(file.metadata().map(|m| m.mtime() > 1_000));
        }
    }
    cutting_moves_the_time |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc");
        if let Ok(file) = OpenOptions::new().write(true).open(dir.join("a")) {
            let _ = file.set_modified(at(1));
            let _ = file.set_len(1);
            saw.io(file.metadata().map(|m| m.mtime() > 1_000));
        }
    }
    names_move_a_directorys_time |dir, saw| {
        let back = || File::open(dir).and_then(|d| d.set_times(FileTimes::new().set_modified(at(1))));
        let moved = || fs::metadata(dir).map(|m| m.mtime() > 1_000);
        saw.io(back());
        let _ = fs::write(dir.join("a"), "x");
        saw.io(moved());
        let _ = back();
        let _ = fs::rename(dir.join("a"), dir.join("b"));
        saw.io(moved());
        let _ = back();
        let _ = fs::remove_file(dir.join("b"));
        saw.io(moved());
    }
    changing_bytes_leaves_the_directorys_time |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(File::open(dir).and_then(|d| d.set_times(FileTimes::new().set_modified(at(1)))));
        let _ = OpenOptions::new().append(true).open(dir.join("a")).and_then(|mut f| f.write(b"y"));
        saw.io(fs::metadata(dir).map(|m| m.mtime()));
    }
    a_file_is_made_now |dir, saw| {
        let before = SystemTime::now() - Duration::from_secs(1);
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::metadata(dir.join("a")).map(|m| m.modified().is_ok_and(|t| t >= before)));
        saw.io(fs::metadata(dir.join("a")).map(|m| m.created().is_ok_and(|t| t >= before)));
    }
    access_by_name |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.libc(access(&dir.join("a"), AccessFlags::F_OK));
        saw.libc(access(&dir.join("a"), AccessFlags::R_OK | AccessFlags::W_OK));
        saw.libc(access(&dir.join("a"), AccessFlags::X_OK));
        saw.libc(access(&dir.join("no"), AccessFlags::F_OK));
        let _ = fs::set_permissions(dir.join("a"), Permissions::from_mode(0o755));
        saw.libc(access(&dir.join("a"), AccessFlags::X_OK));
    }
    stat_of_libc |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc");
        saw.libc(nix::sys::stat::stat(&dir.join("a")).map(|s| (s.st_size, s.st_mode, s.st_nlink)));
        let _ = std::os::unix::fs::symlink("a", dir.join("l"));
        saw.libc(nix::sys::stat::lstat(&dir.join("l")).map(|s| (s.st_size, s.st_mode)));
        saw.libc(nix::sys::stat::stat(&dir.join("l")).map(|s| s.st_size));
        saw.libc_done(nix::sys::stat::stat(&dir.join("no")));
        if let Ok(file) = File::open(dir.join("a")) {
            saw.libc(nix::sys::stat::fstat(&file).map(|s| (s.st_size, s.st_mode)));
        }
    }
}
