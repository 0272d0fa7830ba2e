//! Descriptors: duplicates, flags, ends.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

use crate::behaviour::behaviours;

behaviours! {
    a_clone_shares_the_position |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef");
        if let Ok(mut one) = File::open(dir.join("a"))
            && let Ok(mut two) = one.try_clone()
        {
            let mut part = [0; 2];
            saw.io(one.read(&mut part));
            saw.io(two.read(&mut part));
            saw.value(part);
            saw.io(one.stream_position());
            drop(one);
            saw.io(two.read(&mut part));
            saw.value(part);
        }
    }
    dup_shares_the_position |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")) {
            let _ = file.write(b"ab");
            let again = nix::unistd::dup(&file).map(File::from);
            if let Ok(mut again) = again {
                saw.io(again.write(b"cd"));
                saw.io(file.stream_position());
            }
        }
        saw.text(dir.join("a"));
    }
    close_on_exec_is_set |dir, saw| {
        if let Ok(file) = File::create(dir.join("a")) {
            saw.libc(fcntl(&file, FcntlArg::F_GETFD));
            saw.libc(fcntl(&file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)));
        }
    }
    status_flags_tell_access |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let mode = OFlag::O_ACCMODE | OFlag::O_APPEND;
        let mut look = |options: &mut OpenOptions| {
            let flags = options.open(dir.join("a")).map(|f| fcntl(&f, FcntlArg::F_GETFL));
            saw.value(flags.ok().map(|f| f.map(|bits| bits & mode.bits())));
        };
        look(OpenOptions::new().read(true));
        look(OpenOptions::new().write(true));
        look(OpenOptions::new().read(true).write(true));
        look(OpenOptions::new().append(true));
    }
    append_can_be_switched_on |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc");
        if let Ok(mut file) = OpenOptions::new().write(true).open(dir.join("a")) {
            saw.libc(fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND)));
            saw.io(file.write(b"X"));
            saw.libc(fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())));
            let _ = file.rewind();
            saw.io(file.write(b"Y"));
        }
        saw.text(dir.join("a"));
    }
    a_number_is_used_again |dir, saw| {
        let one = File::create(dir.join("a")).map(|f| f.as_raw_fd());
        let two = File::create(dir.join("b")).map(|f| f.as_raw_fd());
        saw.value(one.ok() == two.ok());
    }
    open_numbers_differ |dir, saw| {
        if let (Ok(one), Ok(two)) = (File::create(dir.join("a")), File::create(dir.join("b"))) {
            saw.value(one.as_raw_fd() == two.as_raw_fd());
        }
    }
    a_file_goes_by_its_number |dir, saw| {
        use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
        let _ = std::marker::PhantomData::<dyn Fn(OwnedFd) -> File>;
        let _ = fs::write(dir.join("a"), "x");
        if let Ok(file) = File::open(dir.join("a")) {
            let owned = OwnedFd::from(file);
            let mut file = File::from(owned);
            let mut text = String::new();
            saw.io(file.read_to_string(&mut text));
            saw.value(text);
            let _ = (File::into_raw_fd, File::from_raw_fd);
        }
    }
    a_directory_handle_syncs |dir, saw| {
        if let Ok(open) = File::open(dir) {
            saw.libc(nix::unistd::fsync(&open));
            saw.libc(nix::unistd::fdatasync(&open));
            saw.libc(nix::unistd::ftruncate(&open, 0));
            saw.libc(nix::sys::uio::pwrite(&open, b"x", 0));
        }
    }
    reading_a_directory |dir, saw| {
        if let Ok(open) = File::open(dir) { saw.libc(nix::sys::uio::pread(&open, &mut [0; 4], 0)); }
    }
    writing_through_a_reader |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        if let Ok(open) = File::open(dir.join("a")) {
            saw.libc(nix::sys::uio::pwrite(&open, b"x", 0));
            saw.libc(nix::unistd::ftruncate(&open, 0));
            saw.libc(nix::unistd::fsync(&open));
        }
    }
}
