//! Signals. The program sends them to itself: through its kernel, real or simulated.

use std::time::Duration;

use stormglass_tokio::signal::unix::{SignalKind, signal};
use stormglass_tokio::task::yield_now;
use stormglass_tokio::time::timeout;

use crate::seeing::{one, panic_of};
use crate::{behaviours, saw};

/// Sends `kind` to this process, or to this node.
fn raise(kind: SignalKind) {
    let number = kind.as_raw_value();
    let sent = stormglass_kernel::try_with(|u| {
        let node = u.kernel.current_node();
        u.kernel.signal(node, number as u64)
    });
    if sent.is_none() {
        signal_hook::low_level::raise(number).expect("the signal is sent");
    }
}

const SOON: Duration = Duration::from_secs(20);

behaviours! {
    a_signal_arrives => ["Ok(Some(()))"], |saw| {
        one(async {
            let mut user = signal(SignalKind::user_defined1()).expect("a handler");
            raise(SignalKind::user_defined1());
            saw!(saw, timeout(SOON, user.recv()).await);
        });
    }
    a_signal_wakes_who_waits => ["Ok(Some(()))"], |saw| {
        one(async {
            let mut user = signal(SignalKind::user_defined1()).expect("a handler");
            let waits = stormglass_tokio::spawn(async move { timeout(SOON, user.recv()).await });
            yield_now().await;
            raise(SignalKind::user_defined1());
            saw!(saw, waits.await.expect("no panic"));
        });
    }
    signals_that_come_together_are_one => ["Ok(Some(()))", "true"], |saw| {
        one(async {
            let mut user = signal(SignalKind::user_defined2()).expect("a handler");
            raise(SignalKind::user_defined2());
            raise(SignalKind::user_defined2());
            saw!(saw, timeout(SOON, user.recv()).await);
            saw!(saw, timeout(Duration::from_millis(5), user.recv()).await.is_err());
        });
    }
    one_signal_reaches_every_listener => ["Ok(Some(()))", "Ok(Some(()))"], |saw| {
        one(async {
            let mut first = signal(SignalKind::hangup()).expect("a handler");
            let mut second = signal(SignalKind::hangup()).expect("a handler");
            raise(SignalKind::hangup());
            saw!(saw, timeout(SOON, first.recv()).await, timeout(SOON, second.recv()).await);
        });
    }
    another_signal_is_not_heard => ["true", "Ok(Some(()))"], |saw| {
        one(async {
            let mut hangup = signal(SignalKind::hangup()).expect("a handler");
            let mut user = signal(SignalKind::user_defined1()).expect("a handler");
            raise(SignalKind::user_defined1());
            saw!(saw, timeout(Duration::from_millis(5), hangup.recv()).await.is_err());
            saw!(saw, timeout(SOON, user.recv()).await);
        });
    }
    a_listener_hears_what_comes_after_it => ["true"], |saw| {
        one(async {
            let mut first = signal(SignalKind::user_defined2()).expect("a handler");
            raise(SignalKind::user_defined2());
            first.recv().await;
            let mut second = signal(SignalKind::user_defined2()).expect("a handler");
            saw!(saw, timeout(Duration::from_millis(5), second.recv()).await.is_err());
        });
    }
    a_signal_survives_a_cancelled_wait => ["true", "Ok(Some(()))"], |saw| {
        one(async {
            let mut user = signal(SignalKind::user_defined1()).expect("a handler");
            saw!(saw, timeout(Duration::from_millis(1), user.recv()).await.is_err());
            raise(SignalKind::user_defined1());
            saw!(saw, timeout(SOON, user.recv()).await);
        });
    }
    a_dropped_listener_still_keeps_the_signal_from_ending_the_program => ["1"], |saw| {
        one(async {
            drop(signal(SignalKind::terminate()).expect("a handler"));
            raise(SignalKind::terminate());
            saw!(saw, 1);
        });
    }
    ctrl_c_is_sigint => ["Ok(Ok(()))"], |saw| {
        one(async {
            let waits = stormglass_tokio::spawn(async { timeout(SOON, stormglass_tokio::signal::ctrl_c()).await });
            // Handled from here on, whichever runs first.
            let mut interrupt = signal(SignalKind::interrupt()).expect("a handler");
            yield_now().await;
            while !waits.is_finished() {
                raise(SignalKind::interrupt());
                interrupt.recv().await;
                stormglass_tokio::time::sleep(Duration::from_millis(1)).await;
            }
            saw!(saw, waits.await.expect("no panic").map_err(|_| ()).map(|r| r.map_err(|e| e.kind())));
        });
    }
    an_ignored_signal_does_nothing => ["1"], |saw| {
        one(async {
            raise(SignalKind::window_change());
            raise(SignalKind::child());
            saw!(saw, 1);
        });
    }
    some_signals_cannot_be_handled => ["[Other, Other, Other]"], |saw| {
        one(async {
            let kinds = [9, 19, 0].map(|n| signal(SignalKind::from_raw(n)).map(drop).map_err(|e| e.kind()));
            saw!(saw, kinds.map(|kind| kind.expect_err("it is refused")));
        });
    }
    signals_need_a_runtime => ["\"panic: there is no reactor running, must be called from the context of a Tokio 1.x \
        runtime\""], |saw| {
        saw!(saw, panic_of(|| signal(SignalKind::hangup())));
    }
}
