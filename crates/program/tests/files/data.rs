//! Reading, writing, seeking, lengths, syncs.

use std::fs::{self, File, OpenOptions};
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use crate::behaviour::behaviours;

fn both(path: std::path::PathBuf) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

behaviours! {
    write_and_read_back |dir, saw| { saw.done(fs::write(dir.join("a"), "hello")); saw.text(dir.join("a")); }
    reads_end_with_zero |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcde");
        if let Ok(mut file) = File::open(dir.join("a")) {
            let mut part = [0; 3];
            for _ in 0..3 { saw.io(file.read(&mut part)); saw.value(part); }
        }
    }
    writing_moves_the_position |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            saw.io(file.write(b"abcdef"));
            saw.io(file.stream_position());
            saw.io(file.seek(SeekFrom::Start(1)));
            saw.io(file.write(b"BC"));
            saw.io(file.stream_position());
        }
        saw.text(dir.join("a"));
    }
    seeking |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef");
        if let Ok(mut file) = File::open(dir.join("a")) {
            saw.io(file.seek(SeekFrom::End(-2)));
            saw.io(file.seek(SeekFrom::Current(-3)));
            saw.io(file.seek(SeekFrom::Current(-9)));
            saw.io(file.seek(SeekFrom::End(-7)));
            saw.io(file.seek(SeekFrom::Start(100)));
            saw.io(file.read(&mut [0; 4]));
            saw.io(file.stream_position());
        }
    }
    writing_beyond_the_end_leaves_zeros |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            saw.io(file.seek(SeekFrom::Start(5)));
            saw.io(file.write(b"x"));
        }
        saw.io(fs::read(dir.join("a")));
    }
    pread_and_pwrite_leave_the_position |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            saw.io(file.write(b"abcdef"));
            saw.io(file.write_at(b"XY", 2));
            let mut part = [0; 4];
            saw.io(file.read_at(&mut part, 1));
            saw.value(part);
            saw.io(file.read_at(&mut part, 5));
            saw.io(file.read_at(&mut part, 6));
            saw.io(file.read_at(&mut part, 60));
            saw.io(file.stream_position());
        }
        saw.text(dir.join("a"));
    }
    pwrite_beyond_the_end |dir, saw| {
        if let Ok(file) = both(dir.join("a")) { saw.io(file.write_at(b"x", 4_100)); saw.io(file.metadata().map(|m| m.len())); }
    }
    pwrite_with_append_goes_to_the_end |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc");
        if let Ok(file) = OpenOptions::new().append(true).open(dir.join("a")) { saw.io(file.write_at(b"X", 0)); }
        saw.text(dir.join("a"));
    }
    vectored |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            saw.io(file.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]));
            saw.io(file.rewind());
            let (mut one, mut two) = ([0; 1], [0; 9]);
            saw.io(file.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]));
            saw.value((one, two));
        }
    }
    vectored_at_an_offset |dir, saw| {
        use nix::sys::uio::{preadv, pwritev};
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(pwritev(&file, &[IoSlice::new(b"ab"), IoSlice::new(b"cd")], 3));
            let (mut one, mut two) = ([0; 2], [0; 2]);
            saw.libc(preadv(&file, &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)], 2));
            saw.value((one, two));
        }
    }
    empty_reads_and_writes |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            saw.io(file.write(b""));
            saw.io(file.read(&mut []));
            saw.io(file.write_at(b"", 10));
            saw.io(file.metadata().map(|m| m.len()));
        }
    }
    set_len_cuts_and_grows |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef");
        if let Ok(file) = both(dir.join("a")) {
            saw.io(file.set_len(2));
            saw.io(file.set_len(5));
        }
        saw.io(fs::read(dir.join("a")));
    }
    set_len_keeps_the_position |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            saw.io(file.write(b"abcdef"));
            saw.io(file.set_len(2));
            saw.io(file.stream_position());
            saw.io(file.write(b"g"));
        }
        saw.io(fs::read(dir.join("a")));
    }
    set_len_of_a_negative_length |dir, saw| {
        if let Ok(file) = both(dir.join("a")) { saw.libc(nix::unistd::ftruncate(&file, -1)); }
    }
    truncate_by_name |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef");
        saw.libc(nix::unistd::truncate(&dir.join("a"), 3));
        saw.libc(nix::unistd::truncate(&dir.join("no"), 3));
        saw.libc(nix::unistd::truncate(dir, 3));
        saw.text(dir.join("a"));
    }
    cut_bytes_do_not_come_back |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![7; 10_000]);
        if let Ok(file) = both(dir.join("a")) {
            let _ = file.set_len(4_500);
            let _ = file.set_len(10_000);
        }
        saw.io(fs::read(dir.join("a")).map(|b| (b.len(), b.iter().filter(|&&b| b == 7).count())));
    }
    two_descriptors_see_each_other |dir, saw| {
        if let (Ok(mut one), Ok(mut two)) = (both(dir.join("a")), both(dir.join("a"))) {
            saw.io(one.write(b"abc"));
            let mut text = String::new();
            saw.io(two.read_to_string(&mut text));
            saw.value(text);
            saw.io(two.write(b"def"));
            let mut text = String::new();
            saw.io(one.read_to_string(&mut text));
            saw.value(text);
        }
    }
    two_appenders_do_not_overwrite |dir, saw| {
        let append = || OpenOptions::new().append(true).create(true).open(dir.join("a"));
        if let (Ok(mut one), Ok(mut two)) = (append(), append()) {
            for _ in 0..3 { let _ = one.write(b"1"); let _ = two.write(b"2"); }
        }
        saw.text(dir.join("a"));
    }
    large_writes |dir, saw| {
        let data: Vec<u8> = (0..3 << 20_u32).map(|i: u32| (i % 251) as u8).collect();
        saw.done(fs::write(dir.join("a"), &data));
        saw.value(fs::read(dir.join("a")).is_ok_and(|read| read == data));
    }
    sparse_reads_are_zero |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.io(file.write_at(b"x", 1 << 30));
            let mut part = [9; 64];
            saw.io(file.read_at(&mut part, 12_345));
            saw.value(part.iter().all(|&b| b == 0));
            saw.io(file.metadata().map(|m| m.len()));
        }
    }
    syncs |dir, saw| {
        if let Ok(mut file) = both(dir.join("a")) {
            let _ = file.write(b"abc");
            saw.io(file.sync_data());
            saw.io(file.sync_all());
        }
        saw.io(File::open(dir.join("a")).and_then(|f| f.sync_all()));
        saw.io(File::open(dir).and_then(|f| f.sync_all()));
        saw.io(File::open(dir).and_then(|f| f.sync_data()));
    }
    whole_copies |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef");
        let _ = fs::write(dir.join("b"), "longer than that");
        saw.io(fs::copy(dir.join("a"), dir.join("b")));
        saw.text(dir.join("b"));
        saw.io(fs::copy(dir.join("no"), dir.join("c")));
        saw.io(fs::copy(dir.join("a"), dir.join("no/c")));
        saw.names(dir);
    }
    copies_take_permissions |dir, saw| {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::write(dir.join("a"), "abcdef");
        let _ = fs::set_permissions(dir.join("a"), fs::Permissions::from_mode(0o640));
        saw.io(fs::copy(dir.join("a"), dir.join("b")));
        saw.io(fs::metadata(dir.join("b")).map(|m| format!("{:o}", m.permissions().mode())));
    }
    io_copy_between_files |dir, saw| {
        let _ = fs::write(dir.join("a"), vec![5; 100_000]);
        if let (Ok(mut from), Ok(mut to)) = (File::open(dir.join("a")), File::create(dir.join("b"))) {
            saw.io(std::io::copy(&mut from, &mut to));
        }
        saw.io(fs::read(dir.join("b")).map(|b| b.len()));
    }
    read_to_string_refuses_other_bytes |dir, saw| {
        let _ = fs::write(dir.join("a"), [0xff, 0xfe]);
        saw.value(fs::read_to_string(dir.join("a")).map_err(|e| e.kind()).err());
    }
    buffered_lines |dir, saw| {
        use std::io::{BufRead, BufReader, BufWriter};
        if let Ok(file) = File::create(dir.join("a")) {
            let mut out = BufWriter::new(file);
            for i in 0..1_000 { let _ = writeln!(out, "line {i}"); }
            saw.io(out.flush());
        }
        if let Ok(file) = File::open(dir.join("a")) {
            saw.value(BufReader::new(file).lines().map_while(Result::ok).filter(|l| l.ends_with('7')).count());
        }
    }
    a_file_far_too_large |dir, saw| {
        if let Ok(file) = both(dir.join("a")) { saw.io(file.write_at(b"x", i64::MAX as u64 - 1).map_err(|_| std::io::ErrorKind::Other.into())); }
    }
    negative_offsets |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(nix::sys::uio::pread(&file, &mut [0; 4], -1));
            saw.libc(nix::sys::uio::pwrite(&file, &[0; 4], -1));
            saw.libc(nix::unistd::lseek(&file, -1, nix::unistd::Whence::SeekSet));
        }
    }
    a_bad_whence |dir, saw| {
        if let Ok(file) = both(dir.join("a")) {
            saw.libc(nix::unistd::lseek(&file, 5, nix::unistd::Whence::SeekEnd));
            saw.libc(nix::unistd::lseek(&file, i64::MIN, nix::unistd::Whence::SeekCur));
        }
    }
}
