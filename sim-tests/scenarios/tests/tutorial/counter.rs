//! The tutorial's service: it adds up the numbers it is sent and answers each with the total. An ordinary tokio program.

use std::io;
use std::sync::Arc;

use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// Where the counter listens.
pub const PORT: u16 = 7070;

/// How the total is kept on disk.
#[derive(Clone, Copy, Debug)]
pub enum Store {
    /// Written, and left to the page cache.
    Careless,
    /// Written beside the old one, synced, renamed over it, and the directory synced.
    Careful,
}

impl Store {
    async fn load(self) -> io::Result<u64> {
        match fs::read("/total").await {
            Ok(bytes) => {
                let bytes = bytes.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                Ok(u64::from_be_bytes(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    async fn save(self, total: u64) -> io::Result<()> {
        match self {
            Store::Careless => fs::write("/total", total.to_be_bytes()).await,
            Store::Careful => {
                let mut file = File::create("/total.new").await?;
                file.write_all(&total.to_be_bytes()).await?;
                file.sync_all().await?;
                fs::rename("/total.new", "/total").await?;
                File::open("/").await?.sync_all().await
            }
        }
    }
}

/// Serves until the process ends.
pub async fn serve(name: String, store: Store) -> io::Result<()> {
    let total = Arc::new(Mutex::new(store.load().await?));
    let listener = TcpListener::bind((name, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, Arc::clone(&total), store));
    }
}

async fn answer(mut stream: TcpStream, total: Arc<Mutex<u64>>, store: Store) -> io::Result<()> {
    let amount = stream.read_u64().await?;
    let mut total = total.lock().await;
    *total += amount;
    store.save(*total).await?;
    stream.write_u64(*total).await
}

/// A client's call: adds `amount` and gives the total.
pub async fn add(counter: &str, amount: u64) -> io::Result<u64> {
    let mut stream = TcpStream::connect((counter, PORT)).await?;
    stream.write_u64(amount).await?;
    stream.read_u64().await
}
