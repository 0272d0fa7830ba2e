//! Bodies whose thread stays blocked. Outside a simulation they would hang, and so they are not tried there.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use stormglass_program::SEED_VARIABLE;
use stormglass_tokio as tokio;

fn is_simulated() -> bool {
    std::env::var_os(SEED_VARIABLE).is_some()
}

#[tokio::test(crate = "stormglass_tokio")]
async fn nobody_sends() {
    let (tell, told) = mpsc::channel::<()>();
    if is_simulated() {
        let _ = told.recv();
    }
    drop(tell);
}

#[tokio::test(crate = "stormglass_tokio")]
async fn its_own_task_is_to_send() {
    if is_simulated() {
        let (tell, told) = mpsc::channel();
        tokio::spawn(async move { tell.send(()) });
        let _ = told.recv();
    }
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_thread_and_a_body_join_each_other() {
    if is_simulated() {
        let held = Arc::new(Mutex::new(()));
        let wanted = Arc::clone(&held);
        let _held = held.lock();
        let _ = thread::spawn(move || drop(wanted.lock())).join();
    }
}

#[tokio::test(crate = "stormglass_tokio")]
async fn time_runs_out() {
    if is_simulated() {
        let (tell, told) = mpsc::channel();
        let sleeper = thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        let _ = told.iter().count();
        let _ = sleeper.join();
    }
}

#[tokio::test(crate = "stormglass_tokio")]
async fn a_thread_reaches_out() {
    if is_simulated() {
        let _ = thread::spawn(|| std::fs::read("/etc/hostname").is_ok()).join();
    }
}
