//! Closing connections: in order, by halves, at once.

use std::io::ErrorKind;
use std::time::Duration;

use stormglass_kernel::*;
use stormglass_net::tcp::Stream;

use crate::common::*;

/// Runs `server` on n1 with the connection that the driver's `client` opens.
fn pair<S, C, T>(server: impl Fn(Stream) -> S + Copy + 'static, client: impl FnOnce(Stream) -> C + 'static) -> T
where
    S: Future<Output = ()> + 'static,
    C: Future<Output = T>,
    T: std::fmt::Debug + 'static,
{
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, move || async move {
        let listener = listen(80);
        loop {
            let stream = accept(&listener).await.expect("a listener");
            spawn_local(server(stream));
        }
    });
    finish(simulation, async move {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        client(stream).await
    })
}

#[test]
fn what_was_written_before_a_drop_is_delivered_and_then_the_end() {
    let sent = pattern(300_000);
    let expected = sent.clone();
    let (received, end) = pair(
        |stream| async move {
            write_all(&stream, &pattern(300_000)).await.expect("an open connection");
        },
        |stream| async move { read_to_end(&stream).await },
    );
    end.expect("an orderly end");
    assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
}

#[test]
fn a_half_closed_connection_still_carries_the_other_half() {
    let answer = pair(
        |stream| async move {
            let (request, end) = read_to_end(&stream).await;
            end.expect("the client has closed its half only");
            write_all(&stream, &request).await.expect("this half is open");
        },
        |stream| async move {
            write_all(&stream, b"ask").await.expect("an open connection");
            stream.shutdown_write().expect("an open connection");
            let refused = kind(write_all(&stream, b"more").await);
            assert_eq!(refused, Some(ErrorKind::BrokenPipe));
            read_to_end(&stream).await.0
        },
    );
    assert_eq!(answer, b"ask");
}

#[test]
fn both_ends_may_close_at_once() {
    pair(
        |stream| async move {
            sleep(ms(20)).await;
            drop(stream);
        },
        |stream| async move {
            sleep(ms(18)).await;
            stream.shutdown_write().expect("an open connection");
            assert_eq!(read_to_end(&stream).await.1.map_err(|e| e.kind()), Ok(()));
            sleep(secs(1)).await;
            assert_eq!(net(|n| (n.totals().resets, n.totals().segments_retransmitted)), (0, 0));
        },
    );
}

#[test]
fn dropping_a_stream_with_unread_bytes_resets_it() {
    let error = pair(
        |stream| async move {
            sleep(ms(5)).await;
            drop(stream);
        },
        |stream| async move {
            write_all(&stream, b"never read").await.expect("an open connection");
            let first = kind(read(&stream, 10).await);
            // Told once; then the stream is simply over.
            let second = read(&stream, 10).await.expect("the error was told");
            let write = kind(write_all(&stream, b"x").await);
            assert_eq!((second.len(), write), (0, Some(ErrorKind::BrokenPipe)));
            first
        },
    );
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
}

#[test]
fn zero_linger_resets_and_forgets_what_was_written() {
    let (received, end) = pair(
        |stream| async move {
            stream.set_linger(Some(Duration::ZERO)).expect("an open connection");
            write_all(&stream, b"forgotten").await.expect("an open connection");
            drop(stream);
        },
        |stream| async move { read_to_end(&stream).await },
    );
    assert_eq!((received.len(), end.map_err(|e| e.kind())), (0, Err(ErrorKind::ConnectionReset)));
}

#[test]
fn writing_to_a_peer_that_closed_is_reset_and_then_a_broken_pipe() {
    let errors = pair(
        |stream| async move { drop(stream) },
        |stream| async move {
            sleep(ms(10)).await;
            // The first write does not know yet; its segment provokes the reset.
            write_all(&stream, b"a").await.expect("nothing tells that the peer is gone for good");
            sleep(ms(10)).await;
            [kind(write_all(&stream, b"b").await), kind(write_all(&stream, b"c").await)]
        },
    );
    assert_eq!(errors, [Some(ErrorKind::BrokenPipe); 2]);
}

#[test]
fn bytes_before_a_reset_can_still_be_read() {
    let (received, end) = pair(
        |stream| async move {
            write_all(&stream, b"last words").await.expect("an open connection");
            sleep(ms(5)).await;
            stream.set_linger(Some(Duration::ZERO)).expect("an open connection");
        },
        |stream| async move {
            sleep(ms(50)).await;
            read_to_end(&stream).await
        },
    );
    assert_eq!(received, b"last words");
    assert_eq!(end.map_err(|e| e.kind()), Err(ErrorKind::ConnectionReset));
}

#[test]
fn connections_that_nobody_accepted_are_reset_with_their_listener() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        sleep(ms(20)).await;
        drop(listener);
        idle().await;
    });
    let error = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        kind(read(&stream, 1).await)
    });
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_lost_fin_is_sent_again_and_a_repeated_one_answered() {
    for direction in [(0, 1), (1, 0)] {
        let taken = pair(
            |stream| async move {
                assert_eq!(read_to_end(&stream).await.1.map_err(|e| e.kind()), Ok(()));
            },
            move |stream| async move {
                sleep(ms(10)).await;
                net(|n| n.rules().cut(1, &[(node(direction.0), node(direction.1))]));
                stream.shutdown_write().expect("an open connection");
                let begun = now();
                sleep(ms(100)).await;
                net(|n| n.rules().remove(1));
                let (bytes, end) = read_to_end(&stream).await;
                assert_eq!((bytes.len(), end.map_err(|e| e.kind())), (0, Ok(())));
                now() - begun
            },
        );
        assert!((ms(200)..ms(450)).contains(&taken), "{direction:?}: {taken:?}");
    }
}

#[test]
fn a_connection_given_up_while_opening_leaves_nothing_behind() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await;
        // The handshake ends on this side only if the opener's last segment came; it gave up before.
        panic!("accepted {stream:?}");
    });
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let given_up = timeout(ms(1), connect(address(1, 80))).await;
        assert!(given_up.is_none());
        sleep(secs(100)).await;
    });
}
