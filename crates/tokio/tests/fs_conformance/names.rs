//! Names and what they stand for: directories, links, devices, and what is known of them.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use real_tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use stormglass_tokio::fs::{self, File, FileTimes, OpenOptions};

use crate::behaviour::Behaviour;
use crate::seeing::{names, text, word};

/// What is known of a device, its mode in octal.
struct Octal(bool, bool, u64, u32, u64);

impl std::fmt::Debug for Octal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(is_device, is_file, len, mode, number) = self;
        write!(f, "({is_device}, {is_file}, {len}, {mode:o}, {number})")
    }
}

behaviours! {
    devices_that_every_machine_has => ["(true, false, 0, 20666, 103)", "(true, false, 0, 20666, 109)", "", "()", "4", "StorageFull", "true"], |dir, saw| {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        for path in ["/dev/null", "/dev/urandom"] {
            saw!(saw, fs::metadata(path).await.map(|metadata| {
                let kind = metadata.file_type();
                let (major, minor) = (metadata.rdev() >> 8, metadata.rdev() & 0xff);
                Octal(kind.is_char_device(), kind.is_file(), metadata.len(), metadata.mode(), major * 100 + minor)
            }));
        }
        saw.push(text("/dev/null").await);
        saw!(saw, fs::write("/dev/null", "gone").await);
        let _ = fs::write(dir.join("a"), "four").await;
        saw!(saw, fs::copy(dir.join("a"), "/dev/null").await);
        saw!(saw, fs::write("/dev/full", "x").await);
        let mut drawn = [[0; 16]; 2];
        for (bytes, path) in drawn.iter_mut().zip(["/dev/urandom", "/dev/random"]) {
            if let Ok(mut device) = File::open(path).await {
                let _ = device.read_exact(bytes).await;
            }
        }
        saw.push((drawn[0] != drawn[1] && drawn[0] != [0; 16]).to_string());
    }
    a_missing_directory_before_the_name => ["ENOENT", "ENOENT", "ENOENT"], |dir, saw| {
        saw!(saw, fs::write(dir.join("no/a"), "x").await);
        saw!(saw, fs::create_dir(dir.join("no/a")).await);
        saw!(saw, fs::metadata(dir.join("no/a")).await.map(drop));
    }
    a_file_where_a_directory_must_be => ["ENOTDIR", "ENOTDIR", "ENOTDIR", "ENOTDIR", "EISDIR"], |dir, saw| {
        let _ = fs::write(dir.join("f"), "x").await;
        saw!(saw, fs::write(dir.join("f/a"), "x").await);
        saw!(saw, fs::metadata(dir.join("f/")).await.map(drop));
        saw!(saw, fs::create_dir_all(dir.join("f/a/b")).await);
        saw.push(names(dir.join("f")).await);
        saw!(saw, fs::write(dir.join("g/"), "x").await);
    }
    a_directory_where_a_file_must_be => ["EISDIR", "EISDIR", "EISDIR", "()", "EISDIR"], |dir, saw| {
        let _ = fs::create_dir(dir.join("d")).await;
        saw!(saw, fs::write(dir.join("d"), "x").await);
        saw!(saw, fs::read(dir.join("d")).await);
        saw!(saw, fs::remove_file(dir.join("d")).await);
        let mut opened = File::open(dir.join("d")).await;
        saw!(saw, opened.as_ref().map(drop).map_err(|e| io::Error::from(e.kind())));
        if let Ok(file) = &mut opened {
            saw!(saw, file.read(&mut [0; 4]).await);
        }
    }
    names_that_are_too_long => ["ENAMETOOLONG", "()", "ENAMETOOLONG"], |dir, saw| {
        saw!(saw, fs::write(dir.join("x".repeat(256)), "x").await);
        saw!(saw, fs::write(dir.join("x".repeat(255)), "x").await);
        saw!(saw, fs::metadata(dir.join("x/".repeat(2_100))).await.map(drop));
    }
    empty_and_nul_paths => ["ENOENT", "InvalidInput"], |_dir, saw| {
        saw!(saw, fs::read("").await);
        saw.push(fs::read("a\0b").await.map_or_else(|e| format!("{:?}", e.kind()), |_| "ok".into()));
    }
    an_unlinked_file_lives_while_it_is_open => ["ENOENT", "still here"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "still here").await;
        if let Ok(mut file) = File::open(dir.join("a")).await {
            let _ = fs::remove_file(dir.join("a")).await;
            saw.push(text(dir.join("a")).await);
            let mut rest = String::new();
            let _ = file.read_to_string(&mut rest).await;
            saw.push(rest);
        }
    }
    a_removed_name_can_be_made_again => ["()", "new", "ENOENT"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "old").await;
        saw!(saw, fs::remove_file(dir.join("a")).await);
        let _ = fs::write(dir.join("a"), "new").await;
        saw.push(text(dir.join("a")).await);
        let _ = fs::remove_file(dir.join("a")).await;
        saw!(saw, fs::remove_file(dir.join("a")).await);
    }
    rename_replaces_in_one_step => ["()", "ENOENT", "new"], |dir, saw| {
        let _ = fs::write(dir.join("cur"), "old").await;
        let _ = fs::write(dir.join("tmp"), "new").await;
        saw!(saw, fs::rename(dir.join("tmp"), dir.join("cur")).await);
        saw.push(text(dir.join("tmp")).await);
        saw.push(text(dir.join("cur")).await);
    }
    a_handle_follows_a_rename_and_outlives_a_replacement => ["old!", "new"], |dir, saw| {
        let _ = fs::write(dir.join("cur"), "old").await;
        let _ = fs::write(dir.join("tmp"), "new").await;
        if let Ok(mut file) = OpenOptions::new().read(true).write(true).open(dir.join("cur")).await {
            let _ = fs::rename(dir.join("tmp"), dir.join("cur")).await;
            let _ = file.seek(SeekFrom::End(0)).await;
            let _ = file.write_all(b"!").await;
            let _ = file.rewind().await;
            let mut all = String::new();
            let _ = file.read_to_string(&mut all).await;
            saw.push(all);
            saw.push(text(dir.join("cur")).await);
        }
    }
    rename_of_directories => ["()", "x", "ENOTEMPTY", "()", "EINVAL", "ENOENT"], |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e")).await;
        let _ = fs::write(dir.join("d/e/a"), "x").await;
        saw!(saw, fs::rename(dir.join("d"), dir.join("f")).await);
        saw.push(text(dir.join("f/e/a")).await);
        let _ = fs::create_dir_all(dir.join("g/h")).await;
        saw!(saw, fs::rename(dir.join("f"), dir.join("g")).await);
        let _ = fs::remove_dir(dir.join("g/h")).await;
        saw!(saw, fs::rename(dir.join("f"), dir.join("g")).await);
        saw!(saw, fs::rename(dir.join("g"), dir.join("g/e/inside")).await);
        saw!(saw, fs::rename(dir.join("nothing"), dir.join("g")).await);
    }
    rename_between_kinds => ["EISDIR", "ENOTDIR", "()", "x"], |dir, saw| {
        let _ = fs::create_dir(dir.join("d")).await;
        let _ = fs::write(dir.join("f"), "x").await;
        saw!(saw, fs::rename(dir.join("f"), dir.join("d")).await);
        saw!(saw, fs::rename(dir.join("d"), dir.join("f")).await);
        saw!(saw, fs::rename(dir.join("f"), dir.join("f")).await);
        saw.push(text(dir.join("f")).await);
    }
    directories_are_made_and_removed => ["()", "EEXIST", "()", "()", "ENOTEMPTY", "()", "()", "ENOENT"], |dir, saw| {
        saw!(saw, fs::create_dir(dir.join("d")).await);
        saw!(saw, fs::create_dir(dir.join("d")).await);
        saw!(saw, fs::create_dir_all(dir.join("d")).await);
        saw!(saw, fs::create_dir_all(dir.join("d/e/f/")).await);
        saw!(saw, fs::remove_dir(dir.join("d")).await);
        saw!(saw, fs::remove_dir(dir.join("d/e/f")).await);
        saw!(saw, fs::remove_dir_all(dir.join("d")).await);
        saw!(saw, fs::remove_dir(dir.join("d")).await);
    }
    removing_the_wrong_kind => ["ENOTDIR", "ENOTDIR", "EEXIST", "EEXIST", "ENOTDIR"], |dir, saw| {
        let _ = fs::write(dir.join("f"), "x").await;
        saw!(saw, fs::remove_dir(dir.join("f")).await);
        saw!(saw, fs::remove_dir_all(dir.join("f")).await);
        saw!(saw, fs::create_dir(dir.join("f")).await);
        saw!(saw, fs::create_dir_all(dir.join("f")).await);
        saw!(saw, fs::remove_file(dir.join("f/")).await);
    }
    reading_a_directory => ["a,d/", "", "ENOENT"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "x").await;
        let _ = fs::create_dir(dir.join("d")).await;
        saw.push(names(&dir).await);
        saw.push(names(dir.join("d")).await);
        saw.push(names(dir.join("no")).await);
    }
    entries_know_their_paths_and_metadata => ["true", "5", "true"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcde").await;
        if let Ok(mut entries) = fs::read_dir(&dir).await
            && let Ok(Some(entry)) = entries.next_entry().await
        {
            saw.push((entry.path() == dir.join("a")).to_string());
            saw!(saw, entry.metadata().await.map(|m| m.len()));
            saw.push(entry.metadata().await.is_ok_and(|m| m.is_file() && !m.is_dir() && !m.is_symlink()).to_string());
        }
    }
    metadata_of_files_and_directories => ["(3, true, false)", "(false, true)", "(false, true)"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc").await;
        saw!(saw, fs::metadata(dir.join("a")).await.map(|m| (m.len(), m.is_file(), m.is_dir())));
        saw!(saw, fs::metadata(&dir).await.map(|m| (m.is_file(), m.is_dir())));
        saw!(saw, fs::symlink_metadata(&dir).await.map(|m| (m.is_file(), m.is_dir())));
    }
    times_can_be_set => ["()", "Ok(1234.000000567s)", "()", "Ok(1234.000000567s)", "()", "Ok(99s)"], |dir, saw| {
        let since = |m: fs::Metadata| m.modified().map(|t| t.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let _ = fs::write(dir.join("a"), "x").await;
        if let Ok(file) = File::options().write(true).open(dir.join("a")).await {
            let then = SystemTime::UNIX_EPOCH + Duration::new(1_234, 567);
            saw!(saw, file.set_times(FileTimes::new().set_modified(then)).await);
            saw.push(format!("{:?}", file.metadata().await.and_then(since).map_err(|e| e.kind())));
            saw!(saw, file.set_times(FileTimes::new()).await);
            saw.push(format!("{:?}", file.metadata().await.and_then(since).map_err(|e| e.kind())));
            saw!(saw, file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(99)).await);
            saw.push(format!("{:?}", fs::metadata(dir.join("a")).await.and_then(since).map_err(|e| e.kind())));
        }
    }
    modified_does_not_run_backwards => ["true", "true"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc").await;
        let first = fs::metadata(dir.join("a")).await.and_then(|m| m.modified());
        let _ = fs::write(dir.join("a"), "abcd").await;
        let second = fs::metadata(dir.join("a")).await.and_then(|m| m.modified());
        saw.push(first.is_ok().to_string());
        saw.push(matches!((first, second), (Ok(a), Ok(b)) if a <= b).to_string());
    }
    permissions_are_kept => ["33152", "33188"], |dir, saw| {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let _ = fs::write(dir.join("a"), "abc").await;
        let _ = fs::set_permissions(dir.join("a"), std::fs::Permissions::from_mode(0o600)).await;
        saw!(saw, fs::metadata(dir.join("a")).await.map(|m| m.mode()));
        if let Ok(file) = File::open(dir.join("a")).await {
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o644)).await;
            saw!(saw, file.metadata().await.map(|m| m.mode()));
        }
    }
    copy_takes_bytes_and_length => ["5", "hello", "InvalidInput", "ENOENT"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "hello").await;
        let _ = fs::write(dir.join("b"), "something longer").await;
        saw!(saw, fs::copy(dir.join("a"), dir.join("b")).await);
        saw.push(text(dir.join("b")).await);
        let of_a_directory = fs::copy(&dir, dir.join("c")).await;
        saw.push(of_a_directory.map_or_else(|e| format!("{:?}", e.kind()), |n| n.to_string()));
        saw!(saw, fs::copy(dir.join("no"), dir.join("c")).await);
    }
    hard_links_share_their_bytes => ["()", "shared!", "2", "EEXIST", "EPERM", "shared!"], |dir, saw| {
        use std::os::unix::fs::MetadataExt;
        let _ = fs::write(dir.join("a"), "shared").await;
        saw!(saw, fs::hard_link(dir.join("a"), dir.join("b")).await);
        if let Ok(mut file) = OpenOptions::new().append(true).open(dir.join("b")).await {
            let _ = file.write_all(b"!").await;
            let _ = file.flush().await;
        }
        saw.push(text(dir.join("a")).await);
        saw!(saw, fs::metadata(dir.join("a")).await.map(|m| m.nlink()));
        saw!(saw, fs::hard_link(dir.join("a"), dir.join("b")).await);
        saw!(saw, fs::hard_link(&dir, dir.join("c")).await);
        let _ = fs::remove_file(dir.join("a")).await;
        saw.push(text(dir.join("b")).await);
    }
    canonicalize_resolves_dots => ["true", "ENOENT", "ENOTDIR"], |dir, saw| {
        let _ = fs::create_dir(dir.join("d")).await;
        let _ = fs::write(dir.join("a"), "x").await;
        let plain = fs::canonicalize(&dir).await.map(|d| d.join("a")).ok();
        saw.push((fs::canonicalize(dir.join("d/.././a")).await.ok() == plain).to_string());
        saw!(saw, fs::canonicalize(dir.join("no")).await);
        saw!(saw, fs::canonicalize(dir.join("a/..")).await);
    }
    syncs_succeed_on_files_and_directories => ["()", "()", "()", "()"], |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")).await {
            let _ = file.write_all(b"abc").await;
            saw!(saw, file.sync_data().await);
            saw!(saw, file.sync_all().await);
        }
        if let (Ok(file), Ok(directory)) = (File::open(dir.join("a")).await, File::open(&dir).await) {
            saw!(saw, file.sync_all().await);
            saw!(saw, directory.sync_all().await);
        }
    }
}
