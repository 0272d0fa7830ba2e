//! The holder: asks for the lock, and knows by its own clock until when it has it.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::{LeaseError, Question};

/// What a holder thinks of its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// That it runs exactly as the server's does.
    OwnClock,
    /// That neither is off by more than so many millionths.
    Within {
        /// Less than a million.
        ppm: u32,
    },
}

impl Trust {
    /// How much of a lease a holder may use: its clock may be slow, and the server's fast.
    #[must_use]
    pub fn usable(self, lease: Duration) -> Duration {
        match self {
            Self::OwnClock => lease,
            Self::Within { ppm } => lease.mul_f64((1e6 - f64::from(ppm)) / (1e6 + f64::from(ppm))),
        }
    }
}

/// A client of the lock.
#[derive(Debug)]
pub struct Holder {
    server: String,
    lease: Duration,
    trust: Trust,
    /// The token of the last grant and when it ends by this holder's clock.
    grant: Option<(u64, Instant)>,
}

impl Holder {
    /// A holder that has nothing yet, of the lock at `server` (`host:port`), which grants for `lease`.
    #[must_use]
    pub fn new(server: impl Into<String>, lease: Duration, trust: Trust) -> Self {
        Self { server: server.into(), lease, trust, grant: None }
    }

    /// The token under which it holds the lock now, if it does.
    #[must_use]
    pub fn holds(&self) -> Option<u64> {
        self.grant.filter(|(_, until)| Instant::now() < *until).map(|(token, _)| token)
    }

    /// Asks for the lock, or for more time if it has it. Says whether it has it now.
    ///
    /// # Errors
    /// [`LeaseError`]: no answer within a lease's time. What it had it still has.
    pub async fn acquire(&mut self) -> Result<bool, LeaseError> {
        let question = self.holds().map_or(Question::Acquire, Question::Renew);
        // The server counts from a later instant than this.
        let asked = Instant::now();
        let answer = timeout(self.lease, self.ask(question)).await;
        let token = answer.map_err(|late| LeaseError::io("get an answer")(late.into()))??;
        if token != 0 {
            self.grant = Some((token, asked + self.trust.usable(self.lease)));
        }
        Ok(self.holds().is_some())
    }

    async fn ask(&self, question: Question) -> Result<u64, LeaseError> {
        let mut stream = TcpStream::connect(&self.server).await.map_err(LeaseError::io("connect"))?;
        question.send(&mut stream).await.map_err(LeaseError::io("ask"))?;
        stream.read_u64().await.map_err(LeaseError::io("read an answer"))
    }
}
