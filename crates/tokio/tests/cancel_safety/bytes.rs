//! Bytes that are read into what the caller keeps, or written from what the caller keeps: given up, they go on where they
//! were.

use std::io::Cursor;

use stormglass_tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use stormglass_tokio::spawn;

use crate::cut::cut;
use crate::{pause, under_every_seed};

const COUNT: u8 = 24;

fn numbers() -> Vec<u8> {
    (0..COUNT).collect()
}

/// What numbers come from, slowly.
fn source() -> DuplexStream {
    let (mut far, near) = duplex(4);
    spawn(async move {
        for n in 0..COUNT {
            far.write_u8(n).await.expect("it is read");
            pause(n.into()).await;
        }
    });
    near
}

#[test]
fn what_is_read_until_a_byte_is_kept() {
    under_every_seed(|cuts| async move {
        let mut reader = BufReader::with_capacity(3, source());
        let mut seen = Vec::new();
        for last in [5, 11, COUNT - 1] {
            // What has been read when it is given up is in the buffer, and the next call goes on behind it.
            while cut(&cuts, reader.read_until(last, &mut seen)).await.is_none() {}
            assert_eq!(seen, (0..=last).collect::<Vec<_>>());
        }
        assert_eq!(reader.read_until(0, &mut seen).await.expect("the end"), 0);
    });
}

#[test]
fn single_bytes_and_whatever_is_there_come_once() {
    under_every_seed(|cuts| async move {
        let mut reader = source();
        let mut seen = Vec::new();
        while seen.len() < COUNT.into() {
            match seen.len() % 3 {
                0 => seen.extend(cut(&cuts, reader.read_u8()).await.map(|byte| byte.expect("open"))),
                1 => seen.extend(cut(&cuts, reader.read_i8()).await.map(|byte| byte.expect("open") as u8)),
                _ => drop(cut(&cuts, reader.read_buf(&mut seen)).await.map(|count| count.expect("open"))),
            }
        }
        assert_eq!(seen, numbers());
        assert_eq!(reader.read(&mut [0]).await.expect("the end"), 0);
    });
}

#[test]
fn a_buffer_is_written_once() {
    under_every_seed(|cuts| async move {
        let (mut near, mut far) = duplex(4);
        let reader = spawn(async move {
            let mut seen = Vec::new();
            while let Ok(byte) = far.read_u8().await {
                seen.push(byte);
                pause(byte.into()).await;
            }
            seen
        });
        let mut bytes = Cursor::new(numbers());
        while cut(&cuts, near.write_all_buf(&mut bytes)).await.is_none() {}
        drop(near);
        assert_eq!(reader.await.expect("no panic"), numbers());
    });
}
