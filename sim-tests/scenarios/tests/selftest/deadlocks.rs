//! A stuck run is a verdict with the list of who waits for what, never a hang.

use std::sync::Arc;

use stormglass::harness::Status;
use stormglass::prelude::*;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Mutex;

use crate::judging::{checks, evidence, report};

checks!(a_stuck_run_fails_and_says_which_task_of_which_node_waits_for_what);

/// Two tasks that hold what the other wants, a server that nobody calls, and a socket that nobody writes to.
#[stormglass::scenario(time = "1h", tags("selftest"))]
pub(crate) async fn gets_stuck(sim: Sim) {
    sim.node("locks", |_| async {
        let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (its_a, its_b) = (a.clone(), b.clone());
        let other = tokio::spawn(async move {
            let held = its_b.lock().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop((its_a.lock().await, held));
        });
        let held = a.lock().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop((b.lock().await, held));
        drop(other.await);
    });
    sim.node("server", |_| async {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        listener.accept().await.map(drop)
    });
    sim.node("reader", |_| async {
        let socket = UdpSocket::bind("0.0.0.0:53").await?;
        socket.recv_from(&mut [0; 16]).await.map(drop)
    });
    std::future::pending::<()>().await;
}

fn a_stuck_run_fails_and_says_which_task_of_which_node_waits_for_what() {
    let report = report("gets_stuck", |_| ());
    assert_eq!((report.status, report.record.oracle.as_str()), (Status::Fail, "deadlock"), "{}", evidence(&report));
    let waiting = &report.record.waiting;
    let all = waiting.join("\n");
    let of = |node: &str| waiting.iter().filter(|line| line.starts_with(&format!("{node}: "))).collect::<Vec<_>>();
    assert_eq!((of("driver").len(), of("locks").len(), of("server").len(), of("reader").len()), (1, 2, 1, 1), "{all}");
    assert!(of("locks").iter().all(|line| line.contains("a lock")), "{all}");
    assert!(of("locks").iter().any(|line| line.contains("deadlocks.rs:")), "a spawn site in this file: {all}");
    assert!(waiting.iter().all(|line| line.contains(" spawned at ")), "{all}");
    assert!(of("server")[0].contains("tcp accept"), "{all}");
    assert!(of("reader")[0].contains("udp"), "{all}");
}
