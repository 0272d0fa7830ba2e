//! Attempts: one operation is tried at most four times, at documented intervals, and every attempt is recorded.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Client;
use super::connection::Connection;
use super::error::ClientError;
use crate::planted;
use crate::wire::messages::{Answer, Refusal, Request, RequestBody};

/// When to give up on an attempt, and when to make the next.
///
/// The default: a first attempt and at most 3 retries, after waits of 0.5, 1 and 2 s, counted from the end of the
/// attempt that failed; no wait would be longer than 30 s. Each attempt has 1.5 s. Within an attempt a client goes on
/// at once to another node, if one says that it does not lead or cannot be reached: nothing was started there.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts after the first.
    pub retries: u32,
    /// The wait before the first retry.
    pub wait: Duration,
    /// Each further wait is this many times as long.
    pub multiplier: f64,
    /// No wait is longer.
    pub wait_max: Duration,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long connecting to one node may take, within an attempt.
    pub connect: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            retries: 3,
            wait: Duration::from_millis(500),
            multiplier: 2.0,
            wait_max: Duration::from_secs(30),
            attempt: Duration::from_millis(1500),
            connect: Duration::from_millis(500),
        }
    }
}

impl Retry {
    /// The wait after this many failed attempts (at least one).
    pub fn wait_after(&self, failed: u32) -> Duration {
        let mut wait = self.wait;
        for _ in 1..failed {
            wait = wait.mul_f64(self.multiplier).min(self.wait_max);
        }
        wait.min(self.wait_max)
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It was answered.
    Answered,
    /// It was refused, and had no effect.
    Refused(String),
    /// It failed, and may have had an effect, or may yet.
    Unknown(String),
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub began: Instant,
    /// When it ended.
    pub ended: Instant,
    /// The last node it asked.
    pub endpoint: String,
    /// What became of it.
    pub outcome: AttemptOutcome,
}

/// The attempts of one operation, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    made: Vec<Attempt>,
    session_ended: bool,
}

impl Attempts {
    /// The attempts.
    pub fn made(&self) -> &[Attempt] {
        &self.made
    }

    /// The waits between them: from the end of each to the beginning of the next.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + '_ {
        self.made.windows(2).map(|pair| pair[1].began.duration_since(pair[0].ended))
    }

    pub(super) fn clear(&mut self) {
        *self = Attempts::default();
    }

    pub(super) fn session_ended(&self) -> bool {
        self.session_ended
    }

    fn maybe_applied(&self) -> bool {
        self.made.iter().any(|attempt| matches!(attempt.outcome, AttemptOutcome::Unknown(_)))
    }
}

/// How one attempt ended.
enum Ended {
    Answered(Answer),
    /// Retrying may help. `unknown`: it may have had an effect.
    Failed {
        unknown: bool,
        reason: String,
    },
    /// Retrying cannot help.
    Final(Refusal),
}

impl Client {
    /// Runs a request through its attempts.
    pub(super) async fn run(&mut self, body: RequestBody) -> Result<Answer, ClientError> {
        if self.endpoints.is_empty() {
            return Err(ClientError::NoEndpoints);
        }
        let effect = matches!(body, RequestBody::Write { .. } | RequestBody::OpenSession);
        self.next_id += 1;
        let mut request = Request { id: self.next_id, body };
        loop {
            let number = self.attempts.made.len() as u32 + 1;
            if planted!("M39")
                && number > 1
                && let RequestBody::Write { seq, .. } = &mut request.body
            {
                self.seq += 1;
                *seq = self.seq;
            }
            let began = Instant::now();
            let mut asked = String::new();
            let ended = match timeout(self.retry.attempt, self.attempt(&request, &mut asked)).await {
                Ok(ended) => ended,
                Err(_) => {
                    let sent = self.connection.as_ref().is_some_and(Connection::is_busy);
                    self.disconnect();
                    Ended::Failed { unknown: sent, reason: format!("no answer within {:?}", self.retry.attempt) }
                }
            };
            let (outcome, result) = match ended {
                Ended::Answered(answer) => (AttemptOutcome::Answered, Some(Ok(answer))),
                Ended::Failed { unknown: true, reason } if effect => (AttemptOutcome::Unknown(reason), None),
                Ended::Failed { reason, .. } => (AttemptOutcome::Refused(reason), None),
                Ended::Final(refusal) => {
                    self.attempts.session_ended = matches!(refusal, Refusal::SessionExpired | Refusal::Superseded);
                    let error = if self.attempts.session_ended && self.attempts.maybe_applied() {
                        ClientError::MaybeApplied { attempts: number, last: refusal.to_string() }
                    } else {
                        ClientError::from_refusal(refusal.clone(), number)
                    };
                    (AttemptOutcome::Refused(refusal.to_string()), Some(Err(error)))
                }
            };
            tracing::debug!(attempt = number, endpoint = asked, ?outcome, "attempt ended");
            self.attempts.made.push(Attempt { began, ended: Instant::now(), endpoint: asked, outcome });
            if let Some(result) = result {
                return result;
            }
            if number > self.retry.retries {
                return Err(self.give_up(number));
            }
            sleep(self.retry.wait_after(number)).await;
        }
    }

    fn give_up(&self, attempts: u32) -> ClientError {
        let last = match self.attempts.made.last().map(|attempt| &attempt.outcome) {
            Some(AttemptOutcome::Refused(reason) | AttemptOutcome::Unknown(reason)) => reason.clone(),
            _ => String::new(),
        };
        if self.attempts.maybe_applied() {
            ClientError::MaybeApplied { attempts, last }
        } else {
            ClientError::NotApplied { attempts, last }
        }
    }

    /// Asks nodes until one answers, going on only from nodes on which the request can have had no effect.
    async fn attempt(&mut self, request: &Request, asked: &mut String) -> Ended {
        let nodes = self.endpoints.len();
        let (mut unreachable, mut hints) = (0, 0);
        loop {
            let connection = match self.connected(asked).await {
                Ok(connection) => connection,
                Err(reason) => {
                    unreachable += 1;
                    if unreachable < nodes {
                        continue;
                    }
                    return Ended::Failed { unknown: false, reason: format!("no node can be reached: {reason}") };
                }
            };
            let refusal = match connection.ask(request).await {
                Ok(Ok(answer)) => return Ended::Answered(answer),
                Ok(Err(refusal)) => refusal,
                Err(error) => {
                    self.disconnect();
                    return Ended::Failed { unknown: true, reason: format!("{asked}: {error}") };
                }
            };
            match refusal {
                Refusal::NotLeader { leader } => {
                    self.disconnect();
                    let hint = leader.map(|member| member.api).filter(|hint| hint != asked);
                    let reason = format!("{asked} does not lead");
                    self.leader = hint;
                    hints += 1;
                    if self.leader.is_none() || hints > nodes {
                        // Nobody to go to: an election is under way, most likely.
                        return Ended::Failed { unknown: false, reason };
                    }
                }
                Refusal::ShuttingDown | Refusal::Overloaded(_) => {
                    self.disconnect();
                    return Ended::Failed { unknown: false, reason: format!("{asked}: {refusal}") };
                }
                Refusal::LeadershipLost => {
                    self.disconnect();
                    return Ended::Failed { unknown: true, reason: format!("{asked}: {refusal}") };
                }
                refusal => return Ended::Final(refusal),
            }
        }
    }

    /// The connection, opened if need be: to the leader if it is known, else to the next node in turn.
    async fn connected(&mut self, asked: &mut String) -> Result<&mut Connection, String> {
        if self.connection.as_ref().is_none_or(|connection| connection.is_busy()) {
            self.connection = None;
            let endpoint = match self.leader.take() {
                Some(leader) => leader,
                None => {
                    self.turn += 1;
                    self.endpoints[(self.turn - 1) % self.endpoints.len()].clone()
                }
            };
            asked.clone_from(&endpoint);
            let opened = timeout(self.retry.connect, Connection::open(endpoint)).await;
            self.connection = Some(match opened {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return Err(format!("{asked}: {error}")),
                Err(_) => return Err(format!("{asked}: connecting took too long")),
            });
        }
        let connection = self.connection.as_mut().ok_or_else(String::new)?;
        asked.clone_from(connection.endpoint());
        Ok(connection)
    }

    fn disconnect(&mut self) {
        self.connection = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let retry = Retry::default();
        let waits: Vec<_> = (1..=9).map(|failed| retry.wait_after(failed).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }
}
