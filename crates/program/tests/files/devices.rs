//! `/dev`: the character devices that every machine has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, FcntlArg, Flock, FlockArg, OFlag, fallocate, fcntl};
use nix::sys::stat::{Mode, SFlag, stat};
use nix::unistd::{AccessFlags, Whence, access, lseek};

use crate::behaviour::{Saw, behaviours};

const NAMES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

fn each(saw: &mut Saw, look: impl Fn(&mut Saw, &Path)) {
    NAMES.iter().for_each(|name| look(saw, &Path::new("/dev").join(name)));
}

fn both(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn drawn(path: &str, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    File::open(path)?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Whether bytes look drawn: neither zeros nor one word again and again.
fn looks_random(bytes: &[u8]) -> bool {
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    let share = f64::from(ones) / (bytes.len() as f64 * 8.0);
    (0.45..0.55).contains(&share) && bytes.chunks(8).skip(1).all(|word| word != &bytes[..8])
}

behaviours! {
    devices_are_character_devices |_dir, saw| {
        each(&mut saw, |saw, path| {
            let kind = fs::metadata(path).map(|metadata| {
                let kind = metadata.file_type();
                (kind.is_char_device(), kind.is_block_device(), kind.is_file(), metadata.mode(), metadata.rdev())
            });
            saw.io(kind);
            saw.io(fs::metadata(path).map(|metadata| (metadata.len(), metadata.blocks(), metadata.nlink())));
            saw.libc(stat(path).map(|stat| (stat.st_mode & SFlag::S_IFMT.bits(), stat.st_rdev)));
            saw.io(fs::symlink_metadata(path).map(|metadata| metadata.file_type().is_symlink()));
            saw.io(File::open(path).and_then(|file| file.metadata()).map(|metadata| metadata.rdev()));
        });
    }
    devices_lie_beside_the_disk |dir, saw| {
        let apart = fs::metadata("/dev/null").and_then(|null| Ok(null.dev() != fs::metadata(dir)?.dev()));
        saw.io(apart);
        saw.io(fs::metadata("/dev").map(|dev| (dev.is_dir(), dev.mode())));
        saw.io(fs::canonicalize("/dev/../dev/./urandom"));
        saw.value(["/dev/null", "/dev/urandom", "/dev/no"].map(|path| path == "/dev/no" || Path::new(path).exists()));
    }
    devices_are_listed |_dir, saw| {
        let listed = fs::read_dir("/dev").and_then(|entries| {
            let mut found = Vec::new();
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if NAMES.contains(&name.as_str()) {
                    found.push((name, entry.file_type()?.is_char_device()));
                }
            }
            found.sort();
            Ok(found)
        });
        saw.io(listed);
    }
    null_takes_everything_and_gives_nothing |_dir, saw| {
        saw.io(fs::read("/dev/null"));
        saw.io(fs::write("/dev/null", "gone"));
        saw.io(both(Path::new("/dev/null")).and_then(|mut null| {
            let written = null.write(&[7; 10_000])?;
            Ok((written, null.read(&mut [0; 8])?, null.stream_position()?))
        }));
        saw.io(OpenOptions::new().append(true).open("/dev/null").and_then(|mut null| null.write(b"more")));
    }
    zero_gives_zeros |_dir, saw| {
        saw.io(drawn("/dev/zero", 70_000).map(|bytes| bytes.iter().all(|byte| *byte == 0)));
        saw.io(both(Path::new("/dev/zero")).and_then(|mut zero| {
            let mut bytes = [9; 16];
            zero.read_exact(&mut bytes)?;
            Ok((bytes, zero.stream_position()?, zero.write(b"abc")?))
        }));
    }
    full_has_no_room |_dir, saw| {
        saw.io(both(Path::new("/dev/full")).and_then(|mut full| full.write(b"x")));
        saw.io(both(Path::new("/dev/full")).and_then(|full| full.write_at(b"x", 4)));
        saw.io(both(Path::new("/dev/full")).and_then(|mut full| full.write(b"")));
        saw.io(fs::write("/dev/full", "x"));
        saw.io(drawn("/dev/full", 8));
    }
    entropy_looks_drawn_and_never_comes_again |_dir, saw| {
        for path in ["/dev/urandom", "/dev/random"] {
            saw.io(drawn(path, 4096).map(|bytes| (bytes.len(), looks_random(&bytes))));
            saw.io(drawn(path, 16).and_then(|one| Ok(one != drawn(path, 16)?)));
            saw.io(drawn(path, 1).map(|bytes| bytes.len()));
            saw.io(drawn(path, 0));
        }
        saw.io(drawn("/dev/urandom", 32).and_then(|one| Ok(one != drawn("/dev/random", 32)?)));
        saw.io(File::open("/dev/urandom").and_then(|device| {
            let (mut one, mut other) = ([0; 16], [0; 16]);
            Ok((device.read_at(&mut one, 0)?, device.read_at(&mut other, 0)?, one != other))
        }));
    }
    entropy_can_be_given |_dir, saw| {
        saw.io(both(Path::new("/dev/urandom")).and_then(|mut device| device.write(b"some of mine")));
        saw.io(fs::write("/dev/random", [1; 100]));
        saw.io(both(Path::new("/dev/random")).and_then(|device| device.write_at(b"x", 9)));
    }
    devices_have_one_place |_dir, saw| {
        each(&mut saw, |saw, path| {
            let Ok(mut file) = both(path) else { return saw.value("none") };
            saw.io(file.seek(SeekFrom::Start(100)));
            saw.io(file.seek(SeekFrom::Current(-5)));
            saw.io(file.seek(SeekFrom::End(7)));
            saw.libc(lseek(&file, -3, Whence::SeekSet));
            saw.libc(lseek(&file, 3, Whence::SeekHole));
            saw.libc(lseek(&file, 3, Whence::SeekData));
            saw.io(file.read_at(&mut [0; 4], 1 << 40));
            saw.io(file.stream_position());
        });
    }
    devices_open_with_most_flags |_dir, saw| {
        each(&mut saw, |saw, path| {
            let flags = [libc::O_SYNC, libc::O_NOFOLLOW, libc::O_NONBLOCK, libc::O_DIRECT, libc::O_DIRECTORY];
            for flags in flags {
                saw.done(OpenOptions::new().read(true).write(true).custom_flags(flags).open(path));
            }
            saw.done(OpenOptions::new().write(true).truncate(true).create(true).open(path));
            saw.done(File::create_new(path));
            saw.done(File::open(path.join("x")));
            saw.io(File::open(path).and_then(|mut file| file.write(b"x")));
            saw.io(OpenOptions::new().write(true).open(path).and_then(|mut file| file.read(&mut [0; 2])));
            saw.libc(nix::fcntl::open(path, OFlag::O_RDONLY | OFlag::O_CREAT, Mode::S_IRUSR).map(drop));
            saw.libc(both(path).map_err(|_| nix::Error::EIO).and_then(|file| fcntl(&file, FcntlArg::F_GETFL)).map(|f| f & libc::O_ACCMODE));
        });
    }
    devices_cannot_be_synced_or_cut |_dir, saw| {
        each(&mut saw, |saw, path| {
            let Ok(file) = both(path) else { return saw.value("none") };
            saw.io(file.sync_all());
            saw.io(file.sync_data());
            saw.io(file.set_len(0));
            saw.libc(fallocate(&file, FallocateFlags::empty(), 0, 10));
            saw.libc(nix::unistd::truncate(path, 0));
            saw.libc_done(Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno));
        });
    }
    devices_are_not_files_of_the_disk |dir, saw| {
        saw.io(fs::rename("/dev/null", dir.join("null")));
        saw.io(fs::hard_link("/dev/null", dir.join("null")));
        let _ = fs::write(dir.join("a"), "x");
        saw.io(fs::rename(dir.join("a"), "/dev/null"));
        saw.io(fs::create_dir("/dev"));
        saw.io(fs::create_dir("/dev/null"));
        saw.io(fs::create_dir_all("/dev"));
        saw.io(fs::remove_dir("/dev"));
        saw.io(fs::remove_dir("/dev/null"));
        saw.io(fs::rename("/dev", dir.join("dev")));
        saw.io(fs::read_link("/dev/null"));
        saw.names(dir);
    }
    devices_may_be_copied_to_and_not_from |dir, saw| {
        let _ = fs::write(dir.join("a"), "bytes");
        saw.io(fs::copy(dir.join("a"), "/dev/null"));
        saw.io(fs::metadata("/dev/null").map(|metadata| metadata.mode()));
        saw.io(fs::copy("/dev/null", dir.join("b")).map_err(|error| io::Error::from(error.kind())));
    }
    devices_are_reached_through_links |dir, saw| {
        saw.io(std::os::unix::fs::symlink("/dev/zero", dir.join("zeros")));
        let mut bytes = [1; 4];
        saw.io(File::open(dir.join("zeros")).and_then(|mut file| file.read_exact(&mut bytes)));
        saw.value(bytes);
        saw.io(std::os::unix::fs::symlink("/dev", dir.join("devices")));
        saw.io(fs::read(dir.join("devices/null")));
        saw.io(fs::canonicalize(dir.join("devices/null")));
        saw.io(fs::canonicalize(dir.join("devices")));
    }
    devices_may_be_read_and_written_by_all |_dir, saw| {
        each(&mut saw, |saw, path| {
            saw.libc(access(path, AccessFlags::R_OK | AccessFlags::W_OK));
            saw.libc(access(path, AccessFlags::X_OK));
        });
    }
    a_copy_of_a_device_descriptor |_dir, saw| {
        let Ok(file) = both(Path::new("/dev/zero")) else { return saw.0 };
        let copy = file.try_clone();
        drop(file);
        saw.io(copy.and_then(|mut copy| {
            let mut bytes = [1; 3];
            copy.read_exact(&mut bytes)?;
            Ok((bytes, copy.as_raw_fd() > 2))
        }));
    }
}
