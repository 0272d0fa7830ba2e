//! What is over leaves nothing behind: counted in slots and entries, not in time.

use stormglass_kernel::*;
use stormglass_net::Residue;

use crate::common::*;

fn residue(index: u16) -> Residue {
    net(|n| n.residue(node(index)))
}

#[test]
fn a_million_connections_opened_and_closed_leave_nothing() {
    const CONNECTIONS: u32 = 1_000_000;
    // Each of them: a handshake, a byte each way, both ends closed; a hundred at a time.
    let options =
        Options { limits: Limits { events: u64::MAX, polls: u64::MAX, ..Limits::default() }, ..Options::new(1) };
    let mut simulation = simulation_with(options, 1, stormglass_net::LinkOptions::constant(ms(1)));
    program(&mut simulation, 1, || async {
        let listener = listen(80);
        while let Ok(stream) = accept(&listener).await {
            spawn_local(async move {
                while let Ok(bytes) = read(&stream, 16).await {
                    if bytes.is_empty() || write_all(&stream, &bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    finish(simulation, async {
        boot(1);
        sleep(ms(1)).await;
        let mut after_warming_up = None;
        for round in 0..CONNECTIONS / 100 {
            let tasks: Vec<_> = (0..100)
                .map(|_| {
                    spawn_local(async {
                        let stream = connect(address(1, 80)).await.expect("a listener");
                        // The address is free again at once: a reset leaves no TIME_WAIT.
                        stream.set_linger(Some(std::time::Duration::ZERO)).expect("open");
                        write_all(&stream, b"x").await.expect("open");
                        assert_eq!(read(&stream, 16).await.expect("open"), b"x");
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no task is cancelled");
            }
            if round == 10 {
                after_warming_up = Some([residue(0), residue(1)].map(|r| (r.slots, r.packet_slots)));
            }
        }
        sleep(secs(100)).await;
        for index in [0, 1] {
            let left = residue(index);
            assert_eq!((left.connections, left.time_wait, left.ports, left.packets), (0, 0, 0, 0), "n{index}");
            // The listener alone; the slots are those of the first rounds.
            assert_eq!(left.sockets, usize::from(index));
            assert!(left.slots <= 2 * after_warming_up.expect("warmed up")[usize::from(index)].0, "{left:?}");
            assert!(left.packet_slots <= 1_000, "{left:?}");
        }
    });
}

#[test]
fn time_wait_ends_after_a_minute_and_unix_sockets_leave_no_name() {
    finish(simulation(1, 1), async {
        let listener = listen(80);
        for _ in 0..1_000 {
            let client = connect(([127, 0, 0, 1], 80).into()).await.expect("a listener");
            let server = accept(&listener).await.expect("a connection");
            drop(client);
            assert_eq!(read(&server, 1).await.expect("the end"), b"");
        }
        sleep(secs(1)).await;
        assert_eq!(residue(0).time_wait, 1_000);
        sleep(secs(61)).await;
        let _last = connect(([127, 0, 0, 1], 80).into()).await.expect("a listener");
        assert_eq!(residue(0).time_wait, 0);
        for _ in 0..1_000 {
            let (a, b) = stormglass_net::unix::Stream::pair().expect("room");
            drop((a, b));
        }
        assert!(residue(0).slots < 100, "{:?}", residue(0));
    });
}
