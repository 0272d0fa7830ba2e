//! Opening: access, creation, flags.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::behaviour::behaviours;

fn flags(flags: i32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(flags);
    options
}

behaviours! {
    open_nothing |dir, saw| { saw.done(File::open(dir.join("a"))); }
    open_in_nothing |dir, saw| { saw.done(File::open(dir.join("no/a"))); saw.done(File::create(dir.join("no/a"))); }
    open_below_a_file |dir, saw| {
        let _ = fs::write(dir.join("f"), "x");
        saw.done(File::open(dir.join("f/a")));
        saw.done(File::create(dir.join("f/a")));
    }
    create_truncates |dir, saw| {
        let _ = fs::write(dir.join("a"), "long");
        saw.done(File::create(dir.join("a")));
        saw.text(dir.join("a"));
    }
    create_new_is_exclusive |dir, saw| {
        saw.done(File::create_new(dir.join("a")));
        saw.done(File::create_new(dir.join("a")));
        saw.done(OpenOptions::new().write(true).create_new(true).open(dir));
    }
    open_without_create_keeps_bytes |dir, saw| {
        let _ = fs::write(dir.join("a"), "keep");
        saw.done(OpenOptions::new().write(true).open(dir.join("a")));
        saw.text(dir.join("a"));
    }
    read_only_refuses_writes |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(File::open(dir.join("a")).and_then(|mut f| f.write(b"y")));
        saw.io(File::open(dir.join("a")).and_then(|f| f.set_len(3)));
    }
    write_only_refuses_reads |dir, saw| {
        saw.io(File::create(dir.join("a")).and_then(|mut f| f.read(&mut [0; 4])));
    }
    a_directory_opens_for_reading_alone |dir, saw| {
        saw.done(File::open(dir));
        saw.done(OpenOptions::new().write(true).open(dir));
        saw.done(OpenOptions::new().append(true).open(dir));
        saw.io(File::open(dir).and_then(|mut f| f.read(&mut [0; 4])));
    }
    o_directory |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.done(OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir));
        saw.done(OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir.join("a")));
    }
    o_nofollow |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = std::os::unix::fs::symlink("a", dir.join("l"));
        saw.done(OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(dir.join("l")));
        saw.done(OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(dir.join("a")));
        saw.done(OpenOptions::new().read(true).open(dir.join("l")));
    }
    o_excl_does_not_follow |dir, saw| {
        let _ = std::os::unix::fs::symlink("gone", dir.join("l"));
        saw.done(File::create_new(dir.join("l")));
        saw.done(File::create(dir.join("l")));
        saw.names(dir);
    }
    o_creat_for_reading |dir, saw| {
        saw.libc_done(open(&dir.join("a"), OFlag::O_RDONLY | OFlag::O_CREAT, Mode::from_bits_truncate(0o644)));
        saw.names(dir);
    }
    o_trunc_for_reading |dir, saw| {
        let _ = fs::write(dir.join("a"), "long");
        saw.libc_done(open(&dir.join("a"), OFlag::O_RDONLY | OFlag::O_TRUNC, Mode::empty()));
        saw.text(dir.join("a"));
    }
    o_creat_on_a_directory |dir, saw| {
        saw.libc_done(open(dir, OFlag::O_RDONLY | OFlag::O_CREAT, Mode::from_bits_truncate(0o644)));
        saw.libc_done(open(&dir.join("x/"), OFlag::O_WRONLY | OFlag::O_CREAT, Mode::from_bits_truncate(0o644)));
    }
    o_append_writes_to_the_end |dir, saw| {
        let _ = fs::write(dir.join("a"), "one");
        let mut options = OpenOptions::new();
        if let Ok(mut file) = options.append(true).read(true).open(dir.join("a")) {
            use std::io::Seek;
            saw.io(file.rewind());
            saw.io(file.write(b"two"));
            saw.io(file.stream_position());
        }
        saw.text(dir.join("a"));
    }
    o_sync_and_o_dsync_write |dir, saw| {
        for (name, flag) in [("s", libc::O_SYNC), ("d", libc::O_DSYNC)] {
            let mut options = flags(flag);
            saw.io(options.create(true).open(dir.join(name)).and_then(|mut f| f.write(b"now")));
            saw.text(dir.join(name));
        }
    }
    modes_pass_the_umask |dir, saw| {
        for mode in [0o600, 0o666, 0o777, 0o444] {
            let path = dir.join(format!("{mode:o}"));
            let _ = OpenOptions::new().write(true).create(true).mode(mode).open(&path);
            saw.io(fs::metadata(&path).map(|m| format!("{:o}", m.permissions().mode())));
        }
    }
    names_that_are_too_long |dir, saw| {
        saw.done(File::create(dir.join("x".repeat(256))));
        saw.done(File::create(dir.join("x".repeat(255))));
        saw.done(File::open(dir.join("x/".repeat(2_100))));
    }
    the_empty_path |_dir, saw| { saw.done(File::open("")); saw.done(fs::metadata("")); saw.done(fs::create_dir("")); }
    a_path_with_a_nul |_dir, saw| { saw.value(File::open("a\0b").map_err(|e| e.kind()).err()); }
    a_slash_after_a_file |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.done(File::open(dir.join("a/")));
        saw.done(fs::metadata(dir.join("a/")));
        saw.done(fs::remove_file(dir.join("a/")));
    }
    dots_in_paths |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = fs::write(dir.join("a"), "x");
        saw.text(dir.join("./d/../a"));
        saw.text(dir.join("d/./../d/../a"));
        saw.text(dir.join("no/../a"));
        saw.text(dir.join("a/../a"));
    }
    many_descriptors_are_different |dir, saw| {
        let files: Vec<_> = (0..20).map(|i| File::create(dir.join(i.to_string()))).collect();
        saw.value(files.iter().all(|f| f.is_ok()));
        for (i, mut file) in files.into_iter().flatten().enumerate() {
            let _ = write!(file, "{i}");
        }
        saw.text(dir.join("7"));
    }
}
