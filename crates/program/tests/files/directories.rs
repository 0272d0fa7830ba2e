//! Directories: making, removing, listing.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};

use crate::behaviour::behaviours;

behaviours! {
    mkdir |dir, saw| {
        saw.io(fs::create_dir(dir.join("d")));
        saw.io(fs::create_dir(dir.join("d")));
        saw.io(fs::create_dir(dir.join("no/d")));
        let _ = fs::write(dir.join("f"), "x");
        saw.io(fs::create_dir(dir.join("f")));
        saw.io(fs::create_dir(dir.join("f/d")));
        saw.io(fs::create_dir(dir.join("e/")));
        saw.names(dir);
    }
    mkdir_all |dir, saw| {
        saw.io(fs::create_dir_all(dir.join("a/b/c")));
        saw.io(fs::create_dir_all(dir.join("a/b")));
        let _ = fs::write(dir.join("f"), "x");
        saw.io(fs::create_dir_all(dir.join("f")));
        saw.io(fs::create_dir_all(dir.join("f/a")));
        saw.names(dir.join("a"));
    }
    rmdir |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        saw.io(fs::remove_dir(dir.join("d")));
        saw.io(fs::remove_dir(dir.join("d/e")));
        saw.io(fs::remove_dir(dir.join("d")));
        saw.io(fs::remove_dir(dir.join("d")));
        let _ = fs::write(dir.join("f"), "x");
        saw.io(fs::remove_dir(dir.join("f")));
    }
    rmdir_with_dots |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        saw.io(fs::remove_dir(dir.join("d/e/..")));
    }
    remove_all |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e/f"));
        for i in 0..50 { let _ = fs::write(dir.join(format!("d/e/{i}")), "x"); }
        saw.io(fs::remove_dir_all(dir.join("d")));
        saw.names(dir);
        saw.io(fs::remove_dir_all(dir.join("d")));
    }
    listing |dir, saw| {
        for name in ["b", "a", "c"] { let _ = fs::write(dir.join(name), "x"); }
        let _ = fs::create_dir(dir.join("d"));
        saw.names(dir);
        saw.names(dir.join("no"));
        saw.names(dir.join("a"));
    }
    listing_tells_types |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::create_dir(dir.join("d"));
        let _ = std::os::unix::fs::symlink("a", dir.join("l"));
        let mut types: Vec<_> = fs::read_dir(dir).map(|entries| {
            entries.flatten().map(|e| {
                let kind = e.file_type().map(|t| (t.is_file(), t.is_dir(), t.is_symlink()));
                (e.file_name(), kind.ok(), e.path().exists())
            }).collect()
        }).unwrap_or_default();
        types.sort();
        saw.value(types);
    }
    listing_gives_inodes |dir, saw| {
        use std::os::unix::fs::DirEntryExt;
        let _ = fs::write(dir.join("a"), "x");
        let same = |e: fs::DirEntry| e.metadata().map(|m| m.ino() == e.ino()).unwrap_or(false);
        saw.value(fs::read_dir(dir).map(|d| d.flatten().all(same)).unwrap_or(false));
    }
    listing_many |dir, saw| {
        for i in 0..1_000 { let _ = File::create(dir.join(i.to_string())); }
        saw.value(fs::read_dir(dir).map(|d| d.flatten().count()).unwrap_or(0));
    }
    removing_while_listing |dir, saw| {
        for i in 0..100 { let _ = File::create(dir.join(i.to_string())); }
        if let Ok(entries) = fs::read_dir(dir) {
            for entry in entries.flatten() { let _ = fs::remove_file(entry.path()); }
        }
        saw.names(dir);
    }
    a_removed_directory_is_empty |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        if let Ok(open) = File::open(dir.join("d")) {
            saw.io(fs::remove_dir(dir.join("d")));
            saw.io(open.metadata().map(|m| m.is_dir()));
            saw.io(open.sync_all());
        }
    }
    links_of_directories |dir, saw| {
        let links = || fs::metadata(dir).map(|m| m.nlink());
        let before = links().unwrap_or(0);
        let _ = fs::create_dir(dir.join("d"));
        saw.io(links().map(|n| n - before));
        let _ = fs::create_dir(dir.join("e"));
        let _ = fs::write(dir.join("f"), "x");
        saw.io(links().map(|n| n - before));
        let _ = fs::rename(dir.join("d"), dir.join("e/d"));
        saw.io(links().map(|n| n - before));
        saw.io(fs::metadata(dir.join("e")).map(|m| m.nlink()));
        let _ = fs::remove_dir_all(dir.join("e"));
        saw.io(links().map(|n| n - before));
    }
    modes_of_directories |dir, saw| {
        for mode in [0o700, 0o777, 0o1777] {
            let path = dir.join(format!("{mode:o}"));
            saw.io(DirBuilder::new().mode(mode).create(&path));
            saw.io(fs::metadata(&path).map(|m| format!("{:o}", m.permissions().mode())));
        }
    }
    beside_a_descriptor |dir, saw| {
        if let Ok(here) = File::open(dir) {
            saw.libc(mkdirat(&here, "d", Mode::from_bits_truncate(0o755)));
            let flags = OFlag::O_CREAT | OFlag::O_RDWR;
            saw.libc_done(openat(&here, "d/a", flags, Mode::from_bits_truncate(0o644)));
            saw.names(dir.join("d"));
            saw.libc_done(openat(&here, "no/a", flags, Mode::from_bits_truncate(0o644)));
            saw.libc(nix::unistd::unlinkat(&here, "d/a", nix::unistd::UnlinkatFlags::NoRemoveDir));
            saw.libc(nix::unistd::unlinkat(&here, "d", nix::unistd::UnlinkatFlags::RemoveDir));
            saw.names(dir);
        }
    }
    beside_a_descriptor_that_is_no_directory |dir, saw| {
        let _ = fs::write(dir.join("f"), "x");
        if let Ok(file) = File::open(dir.join("f")) {
            saw.libc_done(openat(&file, "a", OFlag::O_RDONLY, Mode::empty()));
            saw.libc(mkdirat(&file, "d", Mode::from_bits_truncate(0o755)));
        }
    }
    beside_a_directory_that_has_moved |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        if let Ok(here) = File::open(dir.join("d")) {
            let _ = fs::rename(dir.join("d"), dir.join("e"));
            saw.libc(mkdirat(&here, "x", Mode::from_bits_truncate(0o755)));
            saw.names(dir.join("e"));
        }
    }
    renames_between_descriptors |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = fs::create_dir(dir.join("e"));
        let _ = fs::write(dir.join("d/a"), "x");
        if let (Ok(d), Ok(e)) = (File::open(dir.join("d")), File::open(dir.join("e"))) {
            saw.libc(nix::fcntl::renameat(&d, "a", &e, "b"));
            saw.text(dir.join("e/b"));
        }
    }
    streams_of_libc |dir, saw| {
        for name in ["a", "b"] { let _ = fs::write(dir.join(name), "x"); }
        let names = Dir::open(dir, OFlag::O_RDONLY, Mode::empty()).map(|mut d| {
            let mut names: Vec<_> = d.iter().flatten().map(|e| e.file_name().to_owned()).collect();
            names.sort();
            names
        });
        saw.libc(names);
    }
    streams_rewind |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        if let Ok(mut d) = Dir::open(dir, OFlag::O_RDONLY, Mode::empty()) {
            saw.value(d.iter().flatten().count());
            let _ = fs::write(dir.join("b"), "x");
            saw.value(d.iter().flatten().count());
        }
    }
    dot_and_dot_dot |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let ino = |path: &str| fs::metadata(dir.join(path)).map(|m| m.ino()).ok();
        saw.value((ino("d/..") == ino("."), ino("d/.") == ino("d"), ino("d") == ino(".")));
        saw.io(fs::create_dir(dir.join("d/.")));
        saw.io(fs::create_dir(dir.join("d/..")));
    }
    the_root |_dir, saw| {
        saw.io(fs::metadata("/").map(|m| m.is_dir()));
        saw.io(fs::metadata("/..").map(|m| m.is_dir()));
        saw.done(fs::create_dir("/"));
        saw.value(fs::remove_dir("/").is_err());
    }
    deep_trees |dir, saw| {
        let deep: std::path::PathBuf = std::iter::repeat_n("d", 100).collect();
        saw.io(fs::create_dir_all(dir.join(&deep)));
        saw.io(fs::write(dir.join(&deep).join("a"), "x"));
        saw.text(dir.join(&deep).join("a"));
        saw.io(fs::remove_dir_all(dir.join("d")));
    }
}
