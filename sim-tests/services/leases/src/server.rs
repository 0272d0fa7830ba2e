//! The server: grants the lock to one holder at a time, until the lease ends by its own clock.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::wire::{LeaseError, Question};

const TOKENS: &str = "/tokens";

/// How long to wait before a connection is asked for again after one that could not be had.
const RETRY: Duration = Duration::from_millis(50);

/// The lock was granted anew: whoever held it before does no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Grows with every grant.
    pub token: u64,
}

/// Is told of every new grant, before its holder is.
pub type GrantSink = Arc<dyn Fn(Granted) + Send + Sync>;

struct Lock {
    lease: Duration,
    token: u64,
    /// When the last grant ends. The time of an incarnation's start is held by nobody knows whom.
    until: Instant,
    granted: GrantSink,
}

/// Serves the lock at `address` until the process ends.
///
/// # Errors
/// [`LeaseError`] where the address or the disk cannot be had.
pub async fn serve(address: &str, lease: Duration, granted: GrantSink) -> Result<(), LeaseError> {
    let token = load().await?;
    let lock = Arc::new(Mutex::new(Lock { lease, token, until: Instant::now() + lease, granted }));
    let listener = TcpListener::bind(address).await.map_err(LeaseError::io("listen"))?;
    loop {
        // A connection that cannot be taken now, for want of descriptors or since it is gone again, is no reason to end.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let lock = Arc::clone(&lock);
        tokio::spawn(async move { answer(stream, &lock).await });
    }
}

async fn answer(mut stream: TcpStream, lock: &Mutex<Lock>) -> Result<(), LeaseError> {
    while let Some(question) = Question::receive(&mut stream).await? {
        let token = lock.lock().await.decide(question).await?;
        stream.write_all(&token.to_be_bytes()).await.map_err(LeaseError::io("answer"))?;
    }
    Ok(())
}

impl Lock {
    /// The token under which the lock is granted; 0 where it is not.
    async fn decide(&mut self, question: Question) -> Result<u64, LeaseError> {
        let held = Instant::now() < self.until;
        match question {
            Question::Acquire if held => return Ok(0),
            Question::Renew(token) if token != self.token || !held => return Ok(0),
            Question::Renew(_) => {}
            Question::Acquire => {
                self.token += 1;
                store(self.token).await?;
                (self.granted)(Granted { token: self.token });
            }
        }
        self.until = Instant::now() + self.lease;
        Ok(self.token)
    }
}

async fn load() -> Result<u64, LeaseError> {
    match fs::read(TOKENS).await {
        Ok(bytes) => {
            let found = bytes.len();
            let bytes = bytes.try_into().map_err(|_| LeaseError::Damaged { path: TOKENS, found })?;
            Ok(u64::from_be_bytes(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(LeaseError::io("read the tokens")(error)),
    }
}

async fn store(token: u64) -> Result<(), LeaseError> {
    let written = async {
        let mut file = File::create("/tokens.new").await?;
        file.write_all(&token.to_be_bytes()).await?;
        file.sync_all().await?;
        fs::rename("/tokens.new", TOKENS).await?;
        File::open("/").await?.sync_all().await
    };
    written.await.map_err(LeaseError::io("keep a token"))
}
