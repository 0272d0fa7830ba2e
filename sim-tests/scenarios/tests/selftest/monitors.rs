//! Properties over time fail at their bound and not before, and say what can be seen of the cause.

use stormglass::faults::{Observed, one_way};
use stormglass::harness::{CaseReport, Status};
use stormglass::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

use crate::judging::{checks, evidence, report};

checks!(
    what_happens_in_time_is_no_violation,
    what_does_not_happen_in_time_is_told_at_its_bound,
    each_thing_that_is_to_follow_has_its_own_bound,
    work_of_which_nothing_comes_is_a_livelock_with_its_cause,
    what_held_must_hold,
    a_cluster_that_does_not_come_to_rest_says_who_waits_for_what_since_when,
);

const SECOND: Duration = Duration::from_secs(1);

/// Everything in time, and a pause in which nothing is owed.
#[stormglass::scenario(tags("selftest"))]
async fn keeps_its_promises(sim: Sim) {
    let done = sim.eventually("the work is done", 3 * SECOND);
    let answers = sim.leads_to("a request is answered", SECOND);
    let beats = sim.recurs("a beat", 2 * SECOND);
    let risen = sim.stable("the sun has risen");
    for round in 0..20_u32 {
        answers.begins(round);
        risen.saw(round > 3);
        sleep(SECOND / 2).await;
        answers.ends(round);
        beats.happened();
        if round == 4 {
            done.happened();
        }
    }
    answers.begins("of a node that crashes");
    beats.suspend();
    sleep(SECOND / 2).await;
    answers.forgive("of a node that crashes");
    sleep(5 * SECOND).await;
    beats.resume();
    sleep(SECOND).await;
    beats.happened();
}

#[stormglass::scenario(tags("selftest"))]
async fn never_gets_done(sim: Sim) {
    let _done = sim.eventually("the work is done", 3 * SECOND);
    sleep(10 * SECOND).await;
}

#[stormglass::scenario(tags("selftest"))]
async fn forgets_a_request(sim: Sim) {
    let answers = sim.leads_to("a request is answered", SECOND);
    answers.begins("a");
    sleep(SECOND / 4).await;
    answers.begins("b");
    sleep(SECOND / 4).await;
    answers.ends("a");
    sleep(10 * SECOND).await;
}

/// A node that tries again and again, over a link that takes nothing any more.
#[stormglass::scenario(tags("selftest"))]
async fn tries_in_vain(sim: Sim) {
    let beats = sim.recurs("an answer", 4 * SECOND);
    sim.node("server", |_| async {
        let socket = UdpSocket::bind("0.0.0.0:7").await?;
        let mut buffer = [0; 16];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..length], from).await?;
        }
        #[allow(unreachable_code, reason = "gives the block its type")]
        Ok::<(), std::io::Error>(())
    });
    let told = sim.clone();
    sim.node("client", move |_| {
        let (told, beats) = (told.clone(), beats.clone());
        async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await?;
            let mut buffer = [0; 16];
            loop {
                told.tell(Observed::Probe { node: "client".into(), name: "Tried".to_owned(), value: 0 });
                socket.send_to(b"ping!", "server:7").await?;
                let answer = tokio::time::timeout(SECOND / 5, socket.recv_from(&mut buffer)).await;
                if answer.is_ok() {
                    beats.happened();
                    sleep(SECOND / 5).await;
                }
            }
            #[allow(unreachable_code, reason = "gives the block its type")]
            Ok::<(), std::io::Error>(())
        }
    });
    sleep(3 * SECOND).await;
    sim.inject(one_way(["client"], ["server"]));
    sleep(20 * SECOND).await;
}

#[stormglass::scenario(tags("selftest"))]
async fn takes_it_back(sim: Sim) {
    let risen = sim.stable("the sun has risen");
    for hour in 0..24 {
        risen.saw((6..18).contains(&hour));
        sleep(SECOND).await;
    }
}

/// A client whose request is never answered.
#[stormglass::scenario(time = "5m", tags("selftest"))]
async fn waits_for_an_answer(sim: Sim) -> Outcome {
    sim.node("server", |_| async {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let _held = listener.accept().await?;
        std::future::pending::<()>().await;
        Ok::<(), std::io::Error>(())
    });
    sim.node("client", |_| async {
        sleep(SECOND / 10).await;
        let mut stream = TcpStream::connect("server:80").await?;
        stream.read_u8().await.map(drop)
    });
    sleep(SECOND).await;
    sim.calm(20 * SECOND).until(async || Convergence::pending("the client has no answer")).await?;
    Ok(Verdict::Pass)
}

fn fails(scenario: &str, oracle: &str) -> (CaseReport, String) {
    let told = report(scenario, |_| ());
    let text = evidence(&told);
    assert_eq!((told.status, told.record.oracle.as_str()), (Status::Fail, oracle), "{text}");
    (told, text)
}

fn ended_at(report: &CaseReport) -> u64 {
    report.record.virtual_ns / 1_000_000
}

fn what_happens_in_time_is_no_violation() {
    let told = report("keeps_its_promises", |_| ());
    assert_eq!(told.status, Status::Pass, "{}", evidence(&told));
}

fn what_does_not_happen_in_time_is_told_at_its_bound() {
    let (told, text) = fails("never_gets_done", "eventually");
    assert!(text.contains("the work is done: not within 3.000 s, since 0.000 s"), "{text}");
    assert_eq!(ended_at(&told), 3_000);
}

fn each_thing_that_is_to_follow_has_its_own_bound() {
    let (told, text) = fails("forgets_a_request", "leads to");
    assert!(text.contains("a request is answered: not for b within 1.000 s, since 0.250 s"), "{text}");
    assert_eq!(ended_at(&told), 1_250);
}

fn work_of_which_nothing_comes_is_a_livelock_with_its_cause() {
    let (_, text) = fails("tries_in_vain", "recurs");
    let causes = [
        "an answer: nothing came for 4.000 s",
        "a livelock: the same happens again and again: client Tried",
        "lost for good 19 times, at last at 6.6",
        " > server:7: a datagram of 5 bytes (the link was cut)",
        "still in effect: f",
        "one-way client > server",
        "client: the task spawned at boot ran",
    ];
    let missing: Vec<&&str> = causes.iter().filter(|cause| !text.contains(**cause)).collect();
    assert!(missing.is_empty(), "{missing:?} in\n{text}");
}

fn what_held_must_hold() {
    let (told, text) = fails("takes_it_back", "stable");
    assert!(text.contains("the sun has risen held since 6.0") && text.contains("no longer does"), "{text}");
    assert_eq!(ended_at(&told), 18_000);
}

fn a_cluster_that_does_not_come_to_rest_says_who_waits_for_what_since_when() {
    let (_, text) = fails("waits_for_an_answer", "convergence");
    assert!(text.contains("the client has no answer"), "{text}");
    assert!(text.contains("a hang: nobody ran in the last"), "{text}");
    let waits = text.lines().find(|line| line.trim_start().starts_with("client: task")).unwrap_or_default();
    assert!(waits.contains("waits for tcp read on client:"), "{text}");
    assert!(waits.contains(" > server:80, since before 1."), "{text}");
    assert!(!text.contains("livelock"), "{text}");
}
