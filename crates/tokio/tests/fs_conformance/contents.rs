//! What files hold, and what handles on them do.

use std::io::{self, SeekFrom};
use std::path::PathBuf;

use real_tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use stormglass_tokio::fs::{self, File, OpenOptions};

use crate::behaviour::Behaviour;
use crate::seeing::{begin_to_read, text, word};

behaviours! {
    write_then_read => ["()", "hello", "Ok(true)"], |dir, saw| {
        saw!(saw, fs::write(dir.join("a"), "hello").await);
        saw.push(text(dir.join("a")).await);
        saw.push(format!("{:?}", fs::try_exists(dir.join("a")).await.map_err(|e| e.kind())));
    }
    write_replaces_all => ["by"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "hello").await;
        let _ = fs::write(dir.join("a"), "by").await;
        saw.push(text(dir.join("a")).await);
    }
    read_of_nothing => ["ENOENT", "ENOENT", "Ok(false)"], |dir, saw| {
        saw!(saw, fs::read(dir.join("a")).await);
        saw!(saw, File::open(dir.join("a")).await.map(drop));
        saw.push(format!("{:?}", fs::try_exists(dir.join("a")).await.map_err(|e| e.kind())));
    }
    read_to_string_refuses_other_bytes => ["InvalidData"], |dir, saw| {
        let _ = fs::write(dir.join("a"), [0xff, 0xfe]).await;
        saw!(saw, fs::read_to_string(dir.join("a")).await);
    }
    create_new_refuses_an_existing_file => ["()", "EEXIST", "EEXIST"], |dir, saw| {
        saw!(saw, File::create_new(dir.join("a")).await.map(drop));
        saw!(saw, File::create_new(dir.join("a")).await.map(drop));
        saw!(saw, OpenOptions::new().write(true).create_new(true).open(&dir).await.map(drop));
    }
    options_that_contradict => ["InvalidInput", "InvalidInput", "InvalidInput", "InvalidInput"], |dir, saw| {
        let kind = |r: io::Result<File>| r.map_or_else(|e| format!("{:?}", e.kind()), |_| "ok".into());
        let a = dir.join("a");
        saw.push(kind(OpenOptions::new().open(&a).await));
        saw.push(kind(OpenOptions::new().read(true).create(true).open(&a).await));
        saw.push(kind(OpenOptions::new().read(true).truncate(true).open(&a).await));
        saw.push(kind(OpenOptions::new().append(true).truncate(true).open(&a).await));
    }
    reading_in_parts_and_to_the_end => ["3", "abc", "2", "0"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcde").await;
        if let Ok(mut file) = File::open(dir.join("a")).await {
            let mut part = [0; 3];
            saw!(saw, file.read(&mut part).await);
            saw.push(String::from_utf8_lossy(&part).into_owned());
            saw!(saw, file.read(&mut part).await);
            saw!(saw, file.read(&mut part).await);
        }
    }
    writing_moves_the_position_and_seek_moves_it_back => ["6", "aBCdef", "def"], |dir, saw| {
        if let Ok(mut file) = OpenOptions::new().read(true).write(true).create(true).open(dir.join("a")).await {
            let _ = file.write_all(b"abcdef").await;
            saw!(saw, file.stream_position().await);
            let _ = file.seek(SeekFrom::Start(1)).await;
            let _ = file.write_all(b"BC").await;
            let _ = file.flush().await;
            saw.push(text(dir.join("a")).await);
            let mut rest = String::new();
            let _ = file.read_to_string(&mut rest).await;
            saw.push(rest);
        }
    }
    seek_from_the_end_and_before_the_start => ["2", "EINVAL", "2", "4"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcde").await;
        if let Ok(mut file) = File::open(dir.join("a")).await {
            saw!(saw, file.seek(SeekFrom::End(-3)).await);
            saw!(saw, file.seek(SeekFrom::Current(-9)).await);
            saw!(saw, file.stream_position().await);
            saw!(saw, file.seek(SeekFrom::Current(2)).await);
        }
    }
    seek_beyond_the_end_leaves_a_hole => ["[97, 0, 0, 0, 98]", "5"], |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")).await {
            let _ = file.write_all(b"a").await;
            let _ = file.seek(SeekFrom::Start(4)).await;
            let _ = file.write_all(b"b").await;
            let _ = file.flush().await;
            saw!(saw, fs::read(dir.join("a")).await);
            saw!(saw, file.metadata().await.map(|m| m.len()));
        }
    }
    a_write_follows_what_was_read => ["abXYef"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef").await;
        if let Ok(mut file) = OpenOptions::new().read(true).write(true).open(dir.join("a")).await {
            let _ = file.read_exact(&mut [0; 2]).await;
            let _ = file.write_all(b"XY").await;
            let _ = file.flush().await;
            saw.push(text(dir.join("a")).await);
        }
    }
    what_a_cancelled_read_brought_is_given_back_before_a_write_and_a_seek => ["abXYef", "ab", "3"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef").await;
        if let Ok(mut file) = OpenOptions::new().read(true).write(true).open(dir.join("a")).await {
            begin_to_read(&mut file, 6).await;
            let _ = file.read_exact(&mut [0; 2]).await;
            let _ = file.write_all(b"XY").await;
            let _ = file.flush().await;
            saw.push(text(dir.join("a")).await);
            let _ = file.rewind().await;
            begin_to_read(&mut file, 6).await;
            let mut taken = [0; 2];
            let _ = file.read_exact(&mut taken).await;
            saw.push(String::from_utf8_lossy(&taken).into_owned());
            saw!(saw, file.seek(SeekFrom::Current(1)).await);
        }
    }
    append_goes_to_the_end_wherever_the_position_is => ["abcdXY", "6"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcd").await;
        if let Ok(mut file) = OpenOptions::new().append(true).open(dir.join("a")).await {
            let _ = file.seek(SeekFrom::Start(0)).await;
            let _ = file.write_all(b"XY").await;
            let _ = file.flush().await;
            saw.push(text(dir.join("a")).await);
            saw!(saw, file.stream_position().await);
        }
    }
    two_handles_that_append_do_not_overwrite => ["onetwothree"], |dir, saw| {
        let options = OpenOptions::new().append(true).create(true).clone();
        if let (Ok(mut a), Ok(mut b)) = (options.open(dir.join("a")).await, options.open(dir.join("a")).await) {
            for (file, word) in [(&mut a, "one"), (&mut b, "two")] {
                let _ = file.write_all(word.as_bytes()).await;
                let _ = file.flush().await;
            }
            let _ = a.write_all(b"three").await;
            let _ = a.flush().await;
            saw.push(text(dir.join("a")).await);
        }
    }
    a_handle_opened_for_one_thing_refuses_the_other => ["EBADF", "3", "Uncategorized"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc").await;
        if let Ok(mut file) = OpenOptions::new().write(true).open(dir.join("a")).await {
            saw!(saw, file.read(&mut [0; 4]).await);
        }
        if let Ok(mut file) = File::open(dir.join("a")).await {
            // The write is handed over, and its error comes with the flush; of the number only the kind is left.
            saw!(saw, file.write(b"xyz").await);
            let flushed = file.flush().await;
            saw.push(flushed.map_or_else(|e| format!("{:?}", e.kind()), |()| "ok".into()));
        }
    }
    an_error_of_a_write_surfaces_once_at_the_next => ["3", "EBADF", "3"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc").await;
        if let Ok(mut file) = File::open(dir.join("a")).await {
            saw!(saw, file.write(b"xyz").await);
            saw!(saw, file.write(b"xyz").await);
            saw!(saw, file.write(b"xyz").await);
        }
    }
    a_sync_does_not_report_a_failed_write => ["()", "Uncategorized"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc").await;
        if let Ok(mut file) = File::open(dir.join("a")).await {
            let _ = file.write(b"xyz").await;
            saw!(saw, file.sync_all().await);
            saw.push(file.write(b"x").await.map_or_else(|e| format!("{:?}", e.kind()), |n| n.to_string()));
        }
    }
    set_len_cuts_and_grows => ["ab", "[97, 98, 0, 0]", "()", "[0, 0]"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcdef").await;
        if let Ok(file) = OpenOptions::new().write(true).open(dir.join("a")).await {
            let _ = file.set_len(2).await;
            saw.push(text(dir.join("a")).await);
            let _ = file.set_len(4).await;
            saw!(saw, fs::read(dir.join("a")).await);
            let _ = file.set_len(0).await;
            saw!(saw, file.set_len(2).await);
            saw!(saw, fs::read(dir.join("a")).await);
        }
    }
    set_len_needs_a_handle_for_writing => ["EINVAL"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abc").await;
        if let Ok(file) = File::open(dir.join("a")).await {
            saw!(saw, file.set_len(1).await);
        }
    }
    set_len_does_not_move_the_position => ["[0, 0, 0, 100]"], |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")).await {
            let _ = file.write_all(b"abc").await;
            let _ = file.set_len(0).await;
            let _ = file.write_all(b"d").await;
            let _ = file.flush().await;
            saw!(saw, fs::read(dir.join("a")).await);
        }
    }
    a_clone_shares_the_position => ["2", "cd"], |dir, saw| {
        let _ = fs::write(dir.join("a"), "abcd").await;
        if let Ok(mut file) = File::open(dir.join("a")).await
            && let Ok(mut clone) = file.try_clone().await
        {
            saw!(saw, file.read_exact(&mut [0; 2]).await);
            let mut rest = String::new();
            let _ = clone.read_to_string(&mut rest).await;
            saw.push(rest);
        }
    }
    a_large_write_goes_in_parts => ["2097152", "3145728", "true"], |dir, saw| {
        let data: Vec<u8> = (0..3 << 20_u32).map(|i: u32| (i % 251) as u8).collect();
        if let Ok(mut file) = File::create(dir.join("a")).await {
            saw!(saw, file.write(&data).await);
            let _ = file.rewind().await;
            let _ = file.write_all(&data).await;
            let _ = file.flush().await;
            saw!(saw, file.metadata().await.map(|m| m.len()));
            saw.push(fs::read(dir.join("a")).await.is_ok_and(|read| read == data).to_string());
        }
    }
    a_dropped_write_still_happens => ["abc"], |dir, saw| {
        if let Ok(mut file) = File::create(dir.join("a")).await {
            let _ = file.write_all(b"abc").await;
            let _ = file.sync_all().await;
        }
        saw.push(text(dir.join("a")).await);
    }
}
