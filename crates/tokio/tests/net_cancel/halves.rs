//! Halves of streams: those that borrow it, and those that own it.

use std::io::ErrorKind;
use std::time::Duration;

use stormglass_kernel::spawn_local;
use stormglass_tokio as tokio;
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::{numbers, over_seeds, pair, read_when_ready, write_when_ready};

/// Splits both ends of `$pair` with `$split`, and lets numbers go from a half to a half.
macro_rules! through_halves {
    ($pair:expr, $split:ident) => {
        over_seeds(|impatience| async move {
            #[allow(unused_mut, reason = "what borrows does so mutably, what owns takes it")]
            let (mut client, mut server) = $pair;
            let again = impatience.clone();
            let writing = spawn_local(async move {
                let (_other, writer) = client.$split();
                write_when_ready!(again, writer, 30);
            });
            let (reader, _kept) = server.$split();
            assert_eq!(read_when_ready!(impatience, reader), numbers(30));
            writing.await.expect("no task is cancelled");
        })
    };
}

#[test]
fn halves_that_own_a_stream_lose_nothing() {
    through_halves!(pair().await, into_split);
}

#[test]
fn halves_that_borrow_a_stream_lose_nothing() {
    through_halves!(pair().await, split);
}

#[test]
fn halves_that_own_a_unix_stream_lose_nothing() {
    through_halves!(UnixStream::pair().expect("a pair"), into_split);
}

#[test]
fn halves_that_borrow_a_unix_stream_lose_nothing() {
    through_halves!(UnixStream::pair().expect("a pair"), split);
}
