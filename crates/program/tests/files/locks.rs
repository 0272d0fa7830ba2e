//! Locks of open files and of processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};

use crate::behaviour::behaviours;

fn two(dir: &Path) -> (File, File) {
    let _ = fs::write(dir.join("a"), "0123456789");
    let open = || OpenOptions::new().read(true).write(true).open(dir.join("a")).expect("just written");
    (open(), open())
}

fn word(result: Result<(), TryLockError>) -> &'static str {
    match result {
        Ok(()) => "taken",
        Err(TryLockError::WouldBlock) => "held",
        Err(TryLockError::Error(_)) => "error",
    }
}

fn range(kind: i32, start: i64, len: i64) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: start, l_len: len, l_pid: 0 }
}

behaviours! {
    exclusive_locks_exclude |dir, saw| {
        let (one, two) = two(dir);
        saw.value(word(one.try_lock()));
        saw.value(word(two.try_lock()));
        saw.value(word(two.try_lock_shared()));
        saw.io(one.unlock());
        saw.value(word(two.try_lock()));
    }
    shared_locks_share |dir, saw| {
        let (one, two) = two(dir);
        saw.value(word(one.try_lock_shared()));
        saw.value(word(two.try_lock_shared()));
        saw.value(word(two.try_lock()));
        saw.io(one.unlock());
        saw.value(word(two.try_lock()));
    }
    a_lock_is_taken_twice_by_its_holder |dir, saw| {
        let (one, _) = two(dir);
        saw.io(one.lock());
        saw.io(one.lock());
        saw.io(one.lock_shared());
        saw.io(one.unlock());
        saw.io(one.unlock());
    }
    closing_unlocks |dir, saw| {
        let (one, two) = two(dir);
        saw.io(one.lock());
        drop(one);
        saw.value(word(two.try_lock()));
    }
    a_duplicate_shares_its_lock |dir, saw| {
        let (one, two) = two(dir);
        saw.io(one.lock());
        let again = one.try_clone();
        drop(one);
        saw.value(word(two.try_lock()));
        drop(again);
        saw.value(word(two.try_lock()));
    }
    locks_are_of_the_file_and_not_of_the_name |dir, saw| {
        let (one, _) = two(dir);
        saw.io(one.lock());
        let _ = fs::rename(dir.join("a"), dir.join("b"));
        let _ = fs::write(dir.join("a"), "x");
        saw.io(File::open(dir.join("a")).map(|f| word(f.try_lock())));
        saw.io(File::open(dir.join("b")).map(|f| word(f.try_lock())));
    }
    downgrading_lets_others_in |dir, saw| {
        let (one, two) = two(dir);
        saw.io(one.lock());
        saw.value(word(two.try_lock_shared()));
        saw.io(one.lock_shared());
        saw.value(word(two.try_lock_shared()));
    }
    ranges_of_open_files |dir, saw| {
        let (one, two) = two(dir);
        saw.libc(fcntl(&one, FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK, 0, 5))));
        saw.libc(fcntl(&two, FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK, 4, 1))));
        saw.libc(fcntl(&two, FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK, 5, 5))));
        saw.libc(fcntl(&one, FcntlArg::F_OFD_SETLK(&range(libc::F_UNLCK, 2, 3))));
        saw.libc(fcntl(&two, FcntlArg::F_OFD_SETLK(&range(libc::F_RDLCK, 2, 1))));
        saw.libc(fcntl(&two, FcntlArg::F_OFD_SETLK(&range(libc::F_RDLCK, 1, 1))));
        saw.libc(fcntl(&two, FcntlArg::F_OFD_SETLK(&range(libc::F_RDLCK, 0, 0))));
    }
    asking_for_ranges |dir, saw| {
        let (one, two) = two(dir);
        let _ = fcntl(&one, FcntlArg::F_OFD_SETLK(&range(libc::F_RDLCK, 0, 5)));
        for (kind, start) in [(libc::F_RDLCK, 0), (libc::F_WRLCK, 0), (libc::F_WRLCK, 5)] {
            let mut asked = range(kind, start, 1);
            saw.libc(fcntl(&two, FcntlArg::F_OFD_GETLK(&mut asked)));
            saw.value(i32::from(asked.l_type) == libc::F_UNLCK);
        }
    }
    ranges_of_a_process_do_not_exclude_it |dir, saw| {
        let (one, two) = two(dir);
        saw.libc(fcntl(&one, FcntlArg::F_SETLK(&range(libc::F_WRLCK, 0, 0))));
        saw.libc(fcntl(&two, FcntlArg::F_SETLK(&range(libc::F_WRLCK, 0, 0))));
        let mut asked = range(libc::F_WRLCK, 0, 0);
        saw.libc(fcntl(&two, FcntlArg::F_GETLK(&mut asked)));
        saw.value(i32::from(asked.l_type) == libc::F_UNLCK);
        saw.libc(fcntl(&one, FcntlArg::F_SETLK(&range(libc::F_UNLCK, 0, 0))));
    }
    locks_ask_for_access |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        if let Ok(file) = File::open(dir.join("a")) {
            saw.libc(fcntl(&file, FcntlArg::F_SETLK(&range(libc::F_WRLCK, 0, 0))));
            saw.libc(fcntl(&file, FcntlArg::F_SETLK(&range(libc::F_RDLCK, 0, 0))));
            saw.libc(fcntl(&file, FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK, 0, 0))));
            saw.value(word(file.try_lock()));
        }
    }
    locks_of_nonsense |dir, saw| {
        let (one, _) = two(dir);
        saw.libc(fcntl(&one, FcntlArg::F_SETLK(&range(libc::F_WRLCK, -5, 1))));
        saw.libc(fcntl(&one, FcntlArg::F_SETLK(&range(77, 0, 1))));
    }
    a_directory_can_be_locked |dir, saw| {
        if let (Ok(one), Ok(two)) = (File::open(dir), File::open(dir)) {
            saw.value(word(one.try_lock()));
            saw.value(word(two.try_lock()));
        }
    }
}
