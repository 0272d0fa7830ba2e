//! tokio-util's codecs: frames with lengths, lines, and whatever a `Framed` does around them.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use stormglass::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};
use weather::{bytes, same};

const FRAMES: u16 = 7001;
const LINES: u16 = 7002;

async fn serve() -> std::io::Result<()> {
    let frames = TcpListener::bind(("0.0.0.0", FRAMES)).await?;
    let lines = TcpListener::bind(("0.0.0.0", LINES)).await?;
    loop {
        tokio::select! {
            accepted = frames.accept() => {
                let mut framed = Framed::new(accepted?.0, LengthDelimitedCodec::new());
                tokio::spawn(async move {
                    while let Some(Ok(frame)) = framed.next().await {
                        if framed.send(frame.freeze()).await.is_err() {
                            break;
                        }
                    }
                });
            }
            accepted = lines.accept() => {
                let (mut sink, stream) = Framed::new(accepted?.0, LinesCodec::new_with_max_length(1000)).split();
                tokio::spawn(async move {
                    let mut stream = stream;
                    while let Some(Ok(line)) = stream.next().await {
                        if sink.send(line.to_uppercase()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        }
    }
}

async fn connect(port: u16) -> Result<TcpStream, String> {
    TcpStream::connect(("server", port)).await.map_err(|error| error.to_string())
}

async fn frames(round: u64) -> weather::Answer {
    let mut framed = Framed::new(connect(FRAMES).await?, LengthDelimitedCodec::new());
    for index in 0..8 {
        let asked = bytes(round + index, (round as usize * 127 + index as usize * 4001) % 30_000);
        framed.feed(Bytes::from(asked)).await.map_err(|error| error.to_string())?;
    }
    SinkExt::<Bytes>::flush(&mut framed).await.map_err(|error| error.to_string())?;
    for index in 0..8 {
        let asked = bytes(round + index, (round as usize * 127 + index as usize * 4001) % 30_000);
        let answered = framed.next().await.ok_or("closed")?.map_err(|error| error.to_string())?;
        if let Err(evidence) = same("frames", &asked, &answered) {
            return Ok(Err(evidence));
        }
    }
    Ok(Ok(()))
}

async fn lines(round: u64) -> weather::Answer {
    let mut framed = Framed::new(connect(LINES).await?, LinesCodec::new());
    for index in 0..20 {
        framed.send(format!("line {index} of round {round}")).await.map_err(|error| error.to_string())?;
    }
    for index in 0..20 {
        let line = framed.next().await.ok_or("closed")?.map_err(|error| error.to_string())?;
        if let Err(evidence) = same("lines", format!("LINE {index} OF ROUND {round}").as_bytes(), line.as_bytes()) {
            return Ok(Err(evidence));
        }
    }
    Ok(Ok(()))
}

/// Frames and lines come back whole and in order.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn codecs_frame(sim: Sim) -> Outcome {
    let server = sim.node("server", |_| serve());
    weather::go_through(&sim, &[server], 30, |round| async move {
        if round % 2 == 0 { frames(round).await } else { lines(round).await }
    })
    .await
}
