//! Cuts that stay, and links that come and go: what they do to elections with pre-votes, and without.
//!
//! The literature: a follower that hears nobody calls elections for ever, and drives the terms up (Ongaro's dissertation,
//! 4.2.3 and 9.6); with two groups that only one node still joins, plain Raft deposes one leader after another, as in the outage
//! of an etcd cluster that Cloudflare described (*A Byzantine failure in the real world*, 2020); a pre-vote stops both.

use stormglass::Recurs;
use stormglass::check::Evidence;
use stormglass::faults::{Fault, FaultId, bridge, flap, one_way};
use stormglass::prelude::*;

use crate::cluster::{Cluster, Options};
use crate::expect::{demand, ms, rest, s};
use crate::workload::{Book, Load};

/// How long the cut stays.
const CUT: Duration = s(20);

/// How much unrest a cut makes.
struct Unrest {
    /// By how much the term grew while it was on.
    terms: u64,
    /// Elections that somebody won meanwhile.
    elections: u64,
    /// Writes that were acknowledged in a second.
    acknowledged: u64,
    /// Who began elections, and what became of them.
    reasons: Vec<String>,
}

/// Five nodes under load; a cut, made for whoever leads; and what came of it by its end.
async fn unrest(sim: &Sim, plain: bool, cut: impl Fn(&Cluster, u64) -> Vec<Fault>) -> Result<Unrest, Evidence> {
    let cluster = Cluster::start(sim, Options { size: 5, plain_elections: plain, ..Options::default() });
    let (leader, _) = cluster.leader_within(s(5)).await?;
    sim.sleep(s(1)).await;
    let picture = || {
        let picture = cluster.picture.lock();
        (picture.term, picture.elections)
    };
    let before = picture();
    let book = Book::new();
    if !plain {
        tokio::spawn(watch(cluster.clone(), sim.recurs("a leadership of 3 s", s(8))));
    }
    let faults: Vec<FaultId> = cut(&cluster, leader).into_iter().map(|fault| sim.inject(fault)).collect();
    book.run(&cluster, Load { clients: 3, rate: 50, keys: 5, duration: CUT }).await;
    // A link between two followers carries nothing, so one cut alone may hit nothing.
    let hits: u64 = faults.iter().map(|fault| sim.hits(*fault).total()).sum();
    demand(hits > 0, "non-vacuity", || "no cut hit anything".to_owned())?;
    let after = picture();
    let unrest = Unrest {
        terms: after.0 - before.0,
        elections: after.1 - before.1,
        acknowledged: book.acknowledged() as u64 / CUT.as_secs(),
        reasons: cluster.picture.lock().unrest(),
    };
    sim.count("term growth", unrest.terms);
    sim.count("elections won", unrest.elections);
    sim.count("unique writes acknowledged a second", unrest.acknowledged);
    faults.into_iter().for_each(|fault| sim.heal(fault));
    rest(&cluster, s(15)).await?;
    let verdict = book.judge(&cluster).await?;
    verdict.evidence().cloned().map_or(Ok(unrest), Err)
}

/// Tells whenever a leadership has lasted for 3 s. With elections all the time everybody works, and nothing comes of it.
async fn watch(cluster: Cluster, leadership: Recurs) {
    let (mut elections, mut since) = (0, cluster.sim.now());
    loop {
        cluster.sim.sleep(ms(100)).await;
        let now = (cluster.picture.lock().elections, cluster.sim.now());
        if now.0 != elections {
            (elections, since) = now;
        } else if now.1 - since >= s(3) {
            leadership.happened();
        }
    }
}

fn at_rest(unrest: &Unrest, terms_max: u64) -> Outcome {
    let Unrest { terms, elections, acknowledged, ref reasons } = *unrest;
    if terms > terms_max {
        let cause = format!("the term grew by {terms}, and {terms_max} was allowed");
        let evidence = Evidence::new("term growth", cause);
        return Err(reasons.iter().cloned().fold(evidence, Evidence::detail));
    }
    demand(acknowledged > 0, "availability", || format!("no write was acknowledged, with {elections} elections won"))?;
    Ok(Verdict::Pass)
}

fn in_unrest(unrest: &Unrest, (terms_min, elections_min): (u64, u64)) -> Outcome {
    let Unrest { terms, elections, .. } = *unrest;
    demand(terms >= terms_min && elections >= elections_min, "term growth", || {
        format!(
            "the term grew by {terms} with {elections} elections won: without a pre-vote it should by {terms_min}, with \
             {elections_min} won"
        )
    })?;
    Ok(Verdict::Pass)
}

/// A follower that nobody's packets reach, while its own do.
fn deaf_follower(cluster: &Cluster, leader: u64) -> Vec<Fault> {
    let deaf = leader % 5 + 1;
    vec![one_way(cluster.others(deaf), cluster.name(deaf))]
}

/// The leader and one node on one side, two on the other, and one that sees all.
fn two_sides(cluster: &Cluster, leader: u64) -> Vec<Fault> {
    let of = |step: u64| (leader + step - 1) % 5 + 1;
    let names = |ids: [u64; 2]| ids.map(|id| cluster.name(id));
    vec![bridge(cluster.name(of(2)), names([leader, of(1)]), names([of(3), of(4)]))]
}

/// The leader loses one follower and gets it back, again and again.
fn loose_link(cluster: &Cluster, leader: u64) -> Vec<Fault> {
    let follower = leader % 5 + 1;
    vec![flap(cluster.name(leader), cluster.name(follower), s(1), ms(500)).lasting(CUT)]
}

/// What each node says no longer reaches the next one, all around: whoever leads, somebody does not hear him, and everybody
/// is heard by a majority.
fn deaf_ring(cluster: &Cluster, _: u64) -> Vec<Fault> {
    let cut = |id: u64| one_way(cluster.name(id), cluster.name(id % 5 + 1));
    (1..=5).map(cut).collect()
}

/// With pre-votes and undisturbed leaders a node that does not hear the leader is refused by all who do.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_deaf_ring(sim: Sim) -> Outcome {
    // A leader of before the cuts may lose the first round of them.
    at_rest(&unrest(&sim, false, deaf_ring).await?, 2)
}

/// Without them every leader is deposed by the one who does not hear him, for as long as the cuts last: a livelock.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_deaf_ring_without_pre_votes(sim: Sim) -> Outcome {
    in_unrest(&unrest(&sim, true, deaf_ring).await?, (10, 10))
}

/// With pre-votes a follower that hears nobody disturbs nobody.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_deaf_follower(sim: Sim) -> Outcome {
    at_rest(&unrest(&sim, false, deaf_follower).await?, 0)
}

/// Without them it begins term after term. Nobody hears of it while connections need answers; the first message after the
/// heal deposes the leader.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_deaf_follower_without_pre_votes(sim: Sim) -> Outcome {
    in_unrest(&unrest(&sim, true, deaf_follower).await?, (20, 0))
}

/// With pre-votes the node that sees both sides refuses its vote as long as it hears a leader: there is one leader.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_bridge_for_good(sim: Sim) -> Outcome {
    at_rest(&unrest(&sim, false, two_sides).await?, 0)
}

/// Without them the side that hears no leader deposes him, until the node that sees all leads.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_bridge_without_pre_votes(sim: Sim) -> Outcome {
    in_unrest(&unrest(&sim, true, two_sides).await?, (1, 1))
}

/// With pre-votes a link that comes and goes costs no leader.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_loose_link(sim: Sim) -> Outcome {
    at_rest(&unrest(&sim, false, loose_link).await?, 0)
}

/// Without them each cut may cost one.
#[stormglass::scenario(time = "120s", families("network"), tags("election"))]
async fn chainfire_loose_link_without_pre_votes(sim: Sim) -> Outcome {
    in_unrest(&unrest(&sim, true, loose_link).await?, (1, 1))
}
