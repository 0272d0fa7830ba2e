//! Hard and symbolic links.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::behaviour::behaviours;

behaviours! {
    hard_links_share_bytes |dir, saw| {
        let _ = fs::write(dir.join("a"), "shared");
        saw.io(fs::hard_link(dir.join("a"), dir.join("b")));
        let _ = OpenOptions::new().append(true).open(dir.join("b")).and_then(|mut f| f.write(b"!"));
        saw.text(dir.join("a"));
        saw.io(fs::metadata(dir.join("a")).map(|m| m.nlink()));
        let _ = fs::remove_file(dir.join("a"));
        saw.io(fs::metadata(dir.join("b")).map(|m| m.nlink()));
        saw.text(dir.join("b"));
    }
    hard_links_have_one_inode |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::hard_link(dir.join("a"), dir.join("b"));
        saw.value(fs::metadata(dir.join("a")).ok().map(|m| m.ino()) == fs::metadata(dir.join("b")).ok().map(|m| m.ino()));
    }
    hard_link_errors |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::create_dir(dir.join("d"));
        saw.io(fs::hard_link(dir.join("no"), dir.join("b")));
        saw.io(fs::hard_link(dir.join("a"), dir.join("a")));
        saw.io(fs::hard_link(dir.join("d"), dir.join("e")));
        saw.io(fs::hard_link(dir.join("a"), dir.join("no/b")));
        saw.io(fs::hard_link(dir.join("a"), dir.join("d")));
    }
    symlinks_lead |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(symlink("a", dir.join("l")));
        saw.text(dir.join("l"));
        saw.io(fs::read_link(dir.join("l")));
        saw.io(fs::metadata(dir.join("l")).map(|m| m.is_file()));
        saw.io(fs::symlink_metadata(dir.join("l")).map(|m| (m.is_symlink(), m.len())));
    }
    symlinks_to_directories |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = fs::write(dir.join("d/a"), "x");
        saw.io(symlink("d", dir.join("l")));
        saw.text(dir.join("l/a"));
        saw.io(fs::write(dir.join("l/b"), "y"));
        saw.names(dir.join("d"));
        saw.names(dir.join("l"));
        saw.text(dir.join("l/../d/a"));
    }
    symlinks_with_dots |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        let _ = fs::write(dir.join("d/a"), "x");
        saw.io(symlink("../a", dir.join("d/e/l")));
        saw.text(dir.join("d/e/l"));
        saw.io(symlink("../../d/e", dir.join("d/e/m")));
        saw.text(dir.join("d/e/m/m/l"));
    }
    absolute_symlinks |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(symlink(dir.join("a"), dir.join("l")));
        saw.text(dir.join("l"));
    }
    dangling_symlinks |dir, saw| {
        saw.io(symlink("gone", dir.join("l")));
        saw.text(dir.join("l"));
        saw.done(fs::metadata(dir.join("l")));
        saw.value(dir.join("l").exists());
        saw.io(fs::write(dir.join("l"), "made"));
        saw.text(dir.join("gone"));
    }
    loops_of_symlinks |dir, saw| {
        let _ = symlink("b", dir.join("a"));
        let _ = symlink("a", dir.join("b"));
        saw.text(dir.join("a"));
        saw.io(fs::write(dir.join("a/x"), ""));
        saw.done(fs::canonicalize(dir.join("a")));
    }
    chains_of_symlinks |dir, saw| {
        let _ = fs::write(dir.join("l0"), "x");
        for i in 1..45 { let _ = symlink(format!("l{}", i - 1), dir.join(format!("l{i}"))); }
        saw.text(dir.join("l40"));
        saw.text(dir.join("l41"));
    }
    symlink_errors |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        saw.io(symlink("x", dir.join("a")));
        saw.io(symlink("", dir.join("b")));
        saw.io(symlink("x", dir.join("no/b")));
        saw.done(fs::read_link(dir.join("a")));
        saw.done(fs::read_link(dir));
        saw.done(fs::read_link(dir.join("no")));
    }
    removing_a_symlink_keeps_the_file |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = symlink("a", dir.join("l"));
        saw.io(fs::remove_file(dir.join("l")));
        saw.names(dir);
    }
    removing_a_symlink_to_a_directory |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = symlink("d", dir.join("l"));
        saw.io(fs::remove_dir(dir.join("l")));
        saw.io(fs::remove_file(dir.join("l")));
        saw.names(dir);
    }
    remove_dir_all_does_not_follow |dir, saw| {
        let _ = fs::create_dir_all(dir.join("keep"));
        let _ = fs::write(dir.join("keep/a"), "x");
        let _ = fs::create_dir(dir.join("d"));
        let _ = symlink("../keep", dir.join("d/l"));
        saw.io(fs::remove_dir_all(dir.join("d")));
        saw.text(dir.join("keep/a"));
        let _ = symlink("keep", dir.join("m"));
        saw.io(fs::remove_dir_all(dir.join("m")));
        saw.names(dir);
    }
    renaming_a_symlink |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = symlink("a", dir.join("l"));
        saw.io(fs::rename(dir.join("l"), dir.join("m")));
        saw.io(fs::read_link(dir.join("m")));
        saw.names(dir);
    }
    renaming_over_a_symlink |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = fs::write(dir.join("b"), "y");
        let _ = symlink("a", dir.join("l"));
        saw.io(fs::rename(dir.join("b"), dir.join("l")));
        saw.text(dir.join("a"));
        saw.text(dir.join("l"));
        saw.io(fs::symlink_metadata(dir.join("l")).map(|m| m.is_symlink()));
    }
    a_hard_link_to_a_symlink |dir, saw| {
        let _ = fs::write(dir.join("a"), "x");
        let _ = symlink("a", dir.join("l"));
        saw.io(fs::hard_link(dir.join("l"), dir.join("m")));
        saw.io(fs::symlink_metadata(dir.join("m")).map(|m| m.is_symlink()));
    }
    mkdir_over_a_dangling_symlink |dir, saw| {
        let _ = symlink("gone", dir.join("l"));
        saw.io(fs::create_dir(dir.join("l")));
        saw.names(dir);
    }
    create_dir_all_through_a_symlink |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = symlink("d", dir.join("l"));
        saw.io(fs::create_dir_all(dir.join("l/e/f")));
        saw.names(dir.join("d/e"));
        saw.io(fs::create_dir_all(dir.join("l")));
    }
    canonical_paths |dir, saw| {
        let _ = fs::create_dir_all(dir.join("d/e"));
        let _ = fs::write(dir.join("d/e/a"), "x");
        let _ = symlink("d/e", dir.join("l"));
        let top = fs::canonicalize(dir);
        let below = |path: &str| fs::canonicalize(dir.join(path)).map(|p| top.as_ref().is_ok_and(|t| p == t.join("d/e/a")));
        saw.io(below("l/a"));
        saw.io(below("./d/../d/e/./a"));
        saw.io(below("l/../e/a"));
        saw.io(below("no"));
        saw.io(below("d/e/a/.."));
    }
    readlink_cuts_to_the_buffer |dir, saw| {
        let _ = symlink("0123456789", dir.join("l"));
        saw.libc(nix::fcntl::readlink(&dir.join("l")));
    }
    a_slash_after_a_symlink |dir, saw| {
        let _ = fs::create_dir(dir.join("d"));
        let _ = fs::write(dir.join("a"), "x");
        let _ = symlink("d", dir.join("l"));
        let _ = symlink("a", dir.join("m"));
        saw.io(fs::symlink_metadata(dir.join("l/")).map(|m| m.is_dir()));
        saw.io(fs::symlink_metadata(dir.join("m/")).map(|m| m.is_file()));
    }
}
