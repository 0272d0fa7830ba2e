//! Windows and backpressure, partial reads and writes, and how few packets it takes.

use std::future::poll_fn;
use std::task::Poll;

use stormglass_kernel::*;
use stormglass_net::tcp::{Buffers, Stream};

use crate::common::*;

const SEND_BUFFER: usize = 256 * 1024;
const RECEIVE_BUFFER: usize = 128 * 1024;

#[test]
fn a_writer_waits_when_nobody_reads_and_goes_on_when_somebody_does() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        sleep(secs(300)).await;
        let (bytes, end) = read_to_end(&stream).await;
        end.expect("an orderly end");
        assert!(bytes == pattern(1_000_000), "{} bytes", bytes.len());
    });
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let bytes = pattern(1_000_000);
        let mut written = 0;
        while let Some(n) = timeout(secs(10), poll_fn(|cx| stream.poll_write(cx, &bytes[written..]))).await {
            written += n.expect("an open connection");
        }
        assert_eq!(written, SEND_BUFFER + RECEIVE_BUFFER);
        write_all(&stream, &bytes[written..]).await.expect("the reader wakes up");
        drop(stream);
        sleep(secs(10)).await;
        assert_eq!(with(|u| u.kernel.node(node(1)).state()), NodeState::Exited);
    });
}

#[test]
fn a_lost_window_update_is_found_out_by_a_probe() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        sleep(secs(5)).await;
        let (bytes, _) = read_to_end(&stream).await;
        assert!(bytes == pattern(600_000), "{} bytes", bytes.len());
    });
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        spawn_local(async {
            sleep(ms(4_900)).await;
            net(|n| n.rules().cut(1, &[(node(1), node(0))]));
            sleep(secs(2)).await;
            assert!(net(|n| n.rules().hits(1)).packets_dropped > 0);
            net(|n| n.rules().remove(1));
        });
        write_all(&stream, &pattern(600_000)).await.expect("the window opens");
        drop(stream);
        sleep(secs(60)).await;
        assert_eq!(with(|u| u.kernel.node(node(1)).state()), NodeState::Exited);
    });
}

#[test]
fn small_buffers_are_kept_to() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let buffers = Buffers { send: Some(1_000), receive: Some(500) };
        let stream = Stream::connect(None, address(1, 80), buffers).expect("a route");
        poll_fn(|cx| stream.poll_connected(cx)).await.expect("n1 listens");
        assert_eq!(stream.try_write(&pattern(5_000)).expect("room"), 1_000);
        assert_eq!(stream.try_write(b"x").map_err(|e| e.kind()), Err(std::io::ErrorKind::WouldBlock));
        assert_eq!(read_exact(&stream, 1_000).await.expect("an echo"), pattern(1_000));
    });
}

#[test]
fn reads_take_what_is_asked_for_and_leave_the_rest() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        write_all(&stream, b"abcdef").await.expect("an open connection");
        assert_eq!(read(&stream, 2).await.expect("an echo"), b"ab");
        let mut peeked = Vec::new();
        poll_fn(|cx| stream.poll_peek(cx, 3, |bytes| peeked.extend_from_slice(bytes))).await.expect("more");
        assert_eq!(peeked, b"cde");
        assert_eq!(read(&stream, 0).await.expect("nothing asked for"), b"");
        assert_eq!(read(&stream, 10).await.expect("the rest"), b"cdef");
        // As on a real socket: who asks for nothing waits for something to be there.
        assert!(timeout(secs(1), read(&stream, 0)).await.is_none());
    });
}

#[test]
fn writes_of_one_poll_leave_together_without_flush() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let sent = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        sleep(ms(1)).await;
        let before = net(|n| n.totals().segments_sent);
        for _ in 0..100 {
            stream.try_write(b"0123456789").expect("room");
        }
        assert_eq!(net(|n| n.totals().segments_sent), before, "nothing leaves within the poll");
        assert_eq!(read_exact(&stream, 1_000).await.expect("an echo").len(), 1_000);
        net(|n| n.totals().segments_sent) - before
    });
    assert_eq!(sent, 2, "one there, one back");
}

#[test]
fn a_dialogue_needs_no_packets_beside_its_data() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let sent = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        sleep(ms(100)).await;
        let before = net(|n| n.totals().segments_sent);
        for _ in 0..1_000 {
            write_all(&stream, b"ping").await.expect("an open connection");
            read_exact(&stream, 4).await.expect("an echo");
        }
        net(|n| n.totals().segments_sent) - before
    });
    assert_eq!(sent, 2_000);
}

#[test]
fn an_idle_connection_costs_nothing() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let report = simulation.run(async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        write_all(&stream, b"ping").await.expect("an open connection");
        read_exact(&stream, 4).await.expect("an echo");
        sleep(secs(3_000)).await;
    });
    assert_eq!(report.outcome, Ok(()));
    assert!(report.events < 40, "{} events", report.events);
}

#[test]
fn who_waits_is_told_by_the_names_of_its_flow() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        read(&stream, 1).await.expect("never");
        drop(listener);
    });
    let report = simulation.run(async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        read(&stream, 1).await
    });
    assert!(matches!(report.outcome, Err(Failure::Deadlock)), "{:?}", report.outcome);
    let on: Vec<_> = report.waiting.iter().map(|w| w.on.as_str()).collect();
    assert!(on[0].starts_with("tcp read on driver:") && on[0].ends_with("> n1:80"), "{on:?}");
    assert!(on[1].starts_with("tcp read on n1:80 > driver:"), "{on:?}");
}

#[test]
fn several_tasks_may_wait_for_one_stream() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = std::rc::Rc::new(connect(address(1, 80)).await.expect("n1 listens"));
        let handles: Vec<_> = (0..3)
            .map(|_| {
                let stream = std::rc::Rc::clone(&stream);
                spawn_local(async move {
                    poll_fn(|cx| match stream.poll_ready(cx, true, false) {
                        Poll::Ready(ready) => Poll::Ready(ready.map(|r| r.readable)),
                        Poll::Pending => Poll::Pending,
                    })
                    .await
                })
            })
            .collect();
        sleep(ms(1)).await;
        write_all(&stream, b"x").await.expect("an open connection");
        for handle in handles {
            assert!(handle.await.expect("no task is cancelled").expect("an open connection"));
        }
    });
}
