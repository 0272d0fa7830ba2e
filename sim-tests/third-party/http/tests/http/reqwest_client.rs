//! reqwest without TLS, with its pool of connections, against axum.

use std::io;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use stormglass::prelude::*;
use tokio::net::TcpListener;
use weather::{address, bytes, same};

const PORT: u16 = 8081;

async fn serve() -> io::Result<()> {
    let app = Router::new().route("/echo", post(async |body: Bytes| body));
    axum::serve(TcpListener::bind(("0.0.0.0", PORT)).await?, app).await
}

/// Bodies posted through a pooled client come back whole.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn reqwest_asks(sim: Sim) -> Outcome {
    let server = sim.node("server", |_| serve());
    weather::go_through(&sim, &[server], 30, |round| async move {
        let address = address("server", PORT).await?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        for part in 0..3 {
            let asked = bytes(round + part, (round as usize * 541) % 30_000);
            let sent = client.post(format!("http://{address}/echo")).body(asked.clone()).send().await;
            let answered =
                sent.map_err(|error| format!("{error:?}"))?.bytes().await.map_err(|error| error.to_string())?;
            if let Err(evidence) = same("reqwest echo", &asked, &answered) {
                return Ok(Err(evidence));
            }
        }
        Ok(Ok(()))
    })
    .await
}
