//! The documented retries, on tokio's paused clock: each wait is exact, and time passes at once.

use std::time::Duration;

use chainfire::{Client, ClientError, Retry};
use tokio::net::TcpListener;

/// An address on which nothing listens.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_client_makes_a_first_attempt_and_three_retries_after_half_one_and_two_seconds() {
    let mut client = Client::new(vec![closed().await, closed().await]);
    let refused = client.put("k", "v").await;
    assert!(matches!(refused, Err(ClientError::NotApplied { attempts: 4, .. })), "{refused:?}");
    let waits: Vec<u64> = client.last_attempts().waits().map(|wait| wait.as_millis() as u64).collect();
    // tokio's clock ticks in milliseconds and rounds up.
    for (wait, expected) in waits.iter().zip([500, 1000, 2000]) {
        assert!((expected..=expected + 1).contains(wait), "{waits:?}");
    }
    assert_eq!(waits.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_makes_a_read_fail_and_a_write_uncertain_only_once_it_was_sent() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = silent.local_addr().expect("bound").to_string();
    let retry = Retry { retries: 1, ..Retry::default() };
    let mut client = Client::with_retry(vec![endpoint], retry);
    let refused = client.get("k").await;
    assert!(matches!(refused, Err(ClientError::NotApplied { attempts: 2, .. })), "{refused:?}");
    for attempt in client.last_attempts().made() {
        let took = attempt.ended - attempt.began;
        assert!(took >= Duration::from_millis(1500) && took < Duration::from_millis(1510), "{took:?}");
    }
    let refused = client.put("k", "v").await;
    assert!(matches!(refused, Err(ClientError::NotApplied { .. })), "no session, so no write was sent: {refused:?}");
}
