//! Names: rename, unlink, what open files see of it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};

use nix::fcntl::{RenameFlags, renameat2};

use crate::behaviour::behaviours;

behaviours! {
    rename_moves |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::rename(dir.join("a"), dir.join("b")));
        saw.names(dir);
        saw.text(dir.join("b"));
    }
    rename_of_nothing |dir, saw| { saw.io(fs::rename(dir.join("a"), dir.join("b"))); }
    rename_into_nothing |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::rename(dir.join("a"), dir.join("no/b")));
        saw.names(dir);
    }
    rename_replaces |dir, saw| {
        let _ = fs::write(dir.join("a"), "new");
        let _ = fs::write(dir.join("b"), "old");
        saw.io(fs::rename(dir.join("a"), dir.join("b")));
        saw.text(dir.join("b"));
        saw.names(dir);
    }
    rename_to_itself |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::rename(dir.join("a"), dir.join("a")));
        saw.text(dir.join("a"));
    }
    rename_between_two_names_of_one_file |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::hard_link(dir.join("a"), dir.join("b"));
        saw.io(fs::rename(dir.join("a"), dir.join("b")));
        saw.names(dir);
    }
    rename_noreplace |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::write(dir.join("b"), "y");
        let cwd = nix::fcntl::AT_FDCWD;
        saw.libc(renameat2(cwd, &dir.join("a"), cwd, &dir.join("b"), RenameFlags::RENAME_NOREPLACE));
        saw.libc(renameat2(cwd, &dir.join("a"), cwd, &dir.join("c"), RenameFlags::RENAME_NOREPLACE));
        saw.names(dir);
    }
    rename_a_directory |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        let _ = fs::write(dir.join("d/e/a"), "x");
        saw.io(fs::rename(dir.join("d"), dir.join("f")));
        saw.text(dir.join("f/e/a"));
        saw.text(dir.join("d/e/a"));
    }
    rename_a_directory_over_others |dir, saw| {
        for d in ["from", "empty", "full"] { let _ = fs::create_dir(dir.join(d)); }
        let _ = fs::write(dir.join("full/a"), "x");
        let _ = fs::write(dir.join("file"), "x");
        saw.io(fs::rename(dir.join("from"), dir.join("full")));
        saw.io(fs::rename(dir.join("from"), dir.join("file")));
        saw.io(fs::rename(dir.join("file"), dir.join("from")));
        saw.io(fs::rename(dir.join("from"), dir.join("empty")));
        saw.names(dir);
    }
    rename_a_directory_into_itself |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        saw.io(fs::rename(dir.join("d"), dir.join("d/e/f")));
        saw.io(fs::rename(dir.join("d"), dir.join("d/x")));
    }
    rename_a_file_with_a_slash |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::rename(dir.join("a/"), dir.join("b")));
        saw.io(fs::rename(dir.join("a"), dir.join("b/")));
        saw.names(dir);
    }
    rename_onto_an_ancestor |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        saw.io(fs::rename(dir.join("d/e"), dir.join("d")));
    }
    unlink |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::remove_file(dir.join("a")));
        saw.io(fs::remove_file(dir.join("a")));
        saw.names(dir);
    }
    unlink_a_directory |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        saw.io(fs::remove_file(dir.join("d")));
    }
    unlinked_files_go_on |dir, saw| {
        if let Ok(mut file) = OpenOptions::new().read(true).write(true).create_new(true).open(dir.join("a")) {
            use std::io::Seek;
            let _ = file.write(b"before ");
            saw.io(fs::remove_file(dir.join("a")));
            saw.io(file.write(b"after"));
            let _ = file.rewind();
            let mut text = String::new();
            saw.io(file.read_to_string(&mut text));
            saw.value(text);
            saw.io(file.sync_all());
            use std::os::unix::fs::MetadataExt;
            saw.io(file.metadata().map(|m| m.nlink()));
        }
        saw.names(dir);
    }
    a_new_file_takes_an_unlinked_name |dir, saw| {
        let _ = fs::write(dir.join("a"), "old");
        let old = File::open(dir.join("a"));
        let _ = fs::remove_file(dir.join("a"));
        let _ = fs::write(dir.join("a"), "new");
        saw.text(dir.join("a"));
        if let Ok(mut old) = old {
            let mut text = String::new();
            saw.io(old.read_to_string(&mut text));
            saw.value(text);
        }
    }
    a_replaced_file_goes_on |dir, saw| {
        let _ = fs::write(dir.join("a"), "old");
        let _ = fs::write(dir.join("b"), "new");
        if let Ok(mut old) = File::open(dir.join("a")) {
            saw.io(fs::rename(dir.join("b"), dir.join("a")));
            let mut text = String::new();
            saw.io(old.read_to_string(&mut text));
            saw.value(text);
        }
        saw.text(dir.join("a"));
    }
    a_renamed_file_stays_open |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")) {
            let _ = file.write(b"one");
            saw.io(fs::rename(dir.join("a"), dir.join("b")));
            saw.io(file.write(b" two"));
        }
        saw.text(dir.join("b"));
    }
    write_new_then_rename |dir, saw| {
        let _ = fs::write(dir.join("state"), "1");
        if let Ok(mut file) = File::create(dir.join("state.tmp")) {
            let _ = file.write(b"2");
            saw.io(file.sync_all());
        }
        saw.io(fs::rename(dir.join("state.tmp"), dir.join("state")));
        saw.io(File::open(dir).and_then(|d| d.sync_all()));
        saw.text(dir.join("state"));
    }
    libc_remove |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let cwd = nix::fcntl::AT_FDCWD;
        saw.libc(nix::unistd::unlinkat(cwd, &dir.join("a"), nix::unistd::UnlinkatFlags::RemoveDir));
        saw.libc(nix::unistd::unlinkat(cwd, &dir.join("a"), nix::unistd::UnlinkatFlags::NoRemoveDir));
    }
    names_are_bytes |dir, saw| {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(&[b'x', 0xff, b'\n']);
        saw.io(fs::write(dir.join(name), "x"));
        saw.value(fs::read_dir(dir).map(|d| d.flatten().any(|e| e.file_name() == name)).unwrap_or(false));
    }
}
