//! Pipes within a process and buffered readers, which are tokio's own: they work on the simulated tasks as on real ones.

use stormglass_tokio::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};

use crate::seeing::one;
use crate::{behaviours, saw};

behaviours! {
    a_duplex_carries_bytes => ["\"hello\""], |saw| {
        one(async {
            let (mut a, mut b) = io::duplex(2);
            let writes = stormglass_tokio::spawn(async move { a.write_all(b"hello").await });
            let mut text = String::new();
            b.read_to_string(&mut text).await.expect("it is text");
            writes.await.expect("no panic").expect("it is read");
            saw!(saw, text);
        });
    }
    a_closed_duplex_breaks => ["Some(BrokenPipe)"], |saw| {
        one(async {
            let (mut a, b) = io::duplex(2);
            drop(b);
            saw!(saw, a.write_all(b"x").await.err().map(|e| e.kind()));
        });
    }
    lines_are_read => ["[\"a\", \"b\"]"], |saw| {
        one(async {
            let mut lines = BufReader::new(&b"a\nb"[..]).lines();
            let mut all = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                all.push(line);
            }
            saw!(saw, all);
        });
    }
    a_split_duplex_is_joined_again => ["\"ok\""], |saw| {
        one(async {
            let (a, mut b) = io::duplex(8);
            let (mut reads, mut writes) = io::split(a);
            b.write_all(b"ok").await.expect("it fits");
            let mut two = [0; 2];
            reads.read_exact(&mut two).await.expect("two bytes");
            writes.write_all(&two).await.expect("it fits");
            let mut back = [0; 2];
            b.read_exact(&mut back).await.expect("two bytes");
            drop(reads.unsplit(writes));
            saw!(saw, String::from_utf8_lossy(&back));
        });
    }
    copy_counts_bytes => ["5"], |saw| {
        one(async {
            let mut to = BufWriter::new(io::sink());
            saw!(saw, io::copy(&mut &b"hello"[..], &mut to).await.expect("a sink takes all"));
        });
    }
    standard_output_takes_what_is_written => ["Ok(())", "Ok(())"], |saw| {
        one(async {
            saw!(saw, io::stdout().write_all(b"").await.map_err(|e| e.kind()));
            saw!(saw, io::stderr().flush().await.map_err(|e| e.kind()));
        });
    }
}
