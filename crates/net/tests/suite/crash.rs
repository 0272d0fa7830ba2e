//! Nodes that end, are killed, lose power, pause.

use std::io::ErrorKind;

use stormglass_kernel::*;

use crate::common::*;

/// A server that accepts and then holds its connections without reading.
async fn hold(port: u16) {
    let listener = listen(port);
    let mut held = Vec::new();
    while let Ok(stream) = accept(&listener).await {
        held.push(stream);
    }
}

#[test]
fn a_killed_peer_closes_in_order_if_it_had_read_everything() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (bytes, end, taken) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        write_all(&stream, b"x").await.expect("an open connection");
        read_exact(&stream, 1).await.expect("an echo");
        take_down(1, Down::Kill);
        let begun = now();
        let (bytes, end) = read_to_end(&stream).await;
        (bytes, end.map_err(|e| e.kind()), now() - begun)
    });
    assert_eq!((bytes.len(), end), (0, Ok(())));
    assert!((ms(1)..ms(2)).contains(&taken), "FIN takes the link's latency: {taken:?}");
}

#[test]
fn a_killed_peer_resets_if_bytes_were_unread() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || hold(80));
    let error = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        write_all(&stream, b"x").await.expect("an open connection");
        sleep(ms(10)).await;
        take_down(1, Down::Kill);
        kind(read(&stream, 1).await)
    });
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_connect_to_a_killed_process_is_refused_by_its_machine() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (before, killed, again) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let before = kind(connect(address(1, 80)).await);
        take_down(1, Down::Kill);
        sleep(ms(1)).await;
        let killed = kind(connect(address(1, 80)).await);
        boot(1);
        sleep(ms(1)).await;
        (before, killed, kind(connect(address(1, 80)).await))
    });
    assert_eq!((before, killed, again), (None, Some(ErrorKind::ConnectionRefused), None));
}

#[test]
fn power_loss_is_silence_until_the_machine_is_back_and_then_a_reset() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (silent, connecting, error, taken) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        take_down(1, Down::PowerLoss);
        let silent = timeout(secs(60), read(&stream, 1)).await.is_none();
        let connecting = timeout(secs(5), connect(address(1, 80))).await.is_none();
        boot(1);
        sleep(secs(1)).await;
        // An idle reader of a half-open connection learns nothing; a writer does.
        assert!(timeout(secs(10), read(&stream, 1)).await.is_none());
        write_all(&stream, b"x").await.expect("this end does not know yet");
        let begun = now();
        let error = kind(read(&stream, 1).await);
        (silent, connecting, error, now() - begun)
    });
    assert!(silent && connecting);
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!((ms(2)..ms(3)).contains(&taken), "{taken:?}");
}

#[test]
fn a_writer_to_a_dead_machine_gives_up_after_a_quarter_of_an_hour() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    let (error, taken) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        take_down(1, Down::PowerLoss);
        write_all(&stream, b"x").await.expect("this end does not know yet");
        let begun = now();
        let error = kind(read(&stream, 1).await);
        (error, (now() - begun).as_secs())
    });
    assert_eq!(error, Some(ErrorKind::TimedOut));
    // tcp(7), tcp_retries2: 924.6 s with the least timeout.
    assert!((920..=940).contains(&taken), "{taken} s");
}

/// What arrives of 200,000 bytes from a program that is killed `pause` after it wrote them.
fn written_then_killed(pause: std::time::Duration) -> Vec<u8> {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, move || async move {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        write_all(&stream, &pattern(200_000)).await.expect("room for all of it");
        if !pause.is_zero() {
            sleep(pause).await;
        }
        take_down(1, Down::Kill);
        idle().await;
    });
    let (bytes, end) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        read_to_end(&stream).await
    });
    end.expect("an orderly end");
    bytes
}

#[test]
fn what_a_killed_process_wrote_still_arrives() {
    let bytes = written_then_killed(std::time::Duration::from_micros(10));
    assert!(bytes == pattern(200_000), "{} bytes", bytes.len());
}

#[test]
fn what_a_poll_wrote_that_the_kill_voided_never_left() {
    assert_eq!(written_then_killed(std::time::Duration::ZERO).len(), 0);
}

#[test]
fn a_stream_that_a_voided_poll_dropped_is_closed_with_its_process() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        drop(stream);
        take_down(1, Down::Kill);
        idle().await;
    });
    let end = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        timeout(secs(1), read_to_end(&stream)).await.map(|(_, end)| end.map_err(|e| e.kind()))
    });
    assert_eq!(end, Some(Ok(())));
}

#[test]
fn what_an_exiting_program_wrote_last_arrives_whole() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        let stream = accept(&listener).await.expect("a listener");
        write_all(&stream, &pattern(200_000)).await.expect("an open connection");
        std::mem::forget(stream);
    });
    let (bytes, end) = finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        let (bytes, end) = read_to_end(&stream).await;
        (bytes, end.map_err(|e| e.kind()))
    });
    assert_eq!(end, Ok(()));
    assert!(bytes == pattern(200_000), "{} bytes", bytes.len());
}

#[test]
fn a_paused_process_keeps_its_connections_and_goes_on_where_it_was() {
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, || echo(80));
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let stream = connect(address(1, 80)).await.expect("n1 listens");
        with(|u| u.kernel.pause(node(1)));
        write_all(&stream, b"hello").await.expect("an open connection");
        // Its machine still takes connections and bytes for it.
        let other = timeout(secs(5), connect(address(1, 80))).await;
        assert!(other.expect("the machine answers").is_ok());
        assert!(timeout(secs(60), read(&stream, 5)).await.is_none());
        assert_eq!(net(|n| n.totals().segments_retransmitted), 0, "the machine acknowledges");
        with(|u| u.kernel.resume(node(1)));
        assert_eq!(read_exact(&stream, 5).await.expect("an echo"), b"hello");
    });
}

#[test]
fn a_handle_of_an_earlier_life_fails_by_name_and_its_drop_does_nothing() {
    let kept = std::rc::Rc::new(std::cell::RefCell::new(None));
    let copy = std::rc::Rc::clone(&kept);
    let mut simulation = simulation(1, 1);
    program(&mut simulation, 1, move || {
        let kept = std::rc::Rc::clone(&copy);
        async move {
            *kept.borrow_mut() = Some(listen(80));
            idle().await;
        }
    });
    finish(simulation, async move {
        boot(1);
        sleep(ms(1)).await;
        take_down(1, Down::PowerLoss);
        sleep(ms(1)).await;
        let old = kept.take().expect("n1 kept it");
        let error = old.local_addr().expect_err("the listener is gone");
        assert!(error.to_string().contains("n1 has gone down"), "{error}");
        boot(1);
        sleep(ms(1)).await;
        drop(old);
        assert_eq!(kind(connect(address(1, 80)).await), None, "the new listener is untouched");
    });
}
