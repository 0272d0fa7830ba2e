//! axum's router over `axum::serve`: JSON in, JSON out, a streamed body, and state that handlers share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use stormglass::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use weather::{bytes, same};

const PORT: u16 = 8080;

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Order {
    id: u64,
    item: String,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Receipt {
    order: Order,
    /// How many orders this process has taken.
    taken: u64,
}

async fn take(State(taken): State<Arc<AtomicU64>>, Json(order): Json<Order>) -> Json<Receipt> {
    // Long enough for handlers to overtake each other.
    tokio::time::sleep(Duration::from_millis(order.id % 3)).await;
    Json(Receipt { order, taken: taken.fetch_add(1, Ordering::SeqCst) + 1 })
}

async fn stream(Path((round, length)): Path<(u64, usize)>) -> Vec<u8> {
    bytes(round, length)
}

async fn serve() -> io::Result<()> {
    let app = Router::new()
        .route("/orders", post(take))
        .route("/bytes/{round}/{length}", get(stream))
        .with_state(Arc::new(AtomicU64::new(0)));
    axum::serve(TcpListener::bind(("0.0.0.0", PORT)).await?, app).await
}

async fn ask(request: Request<Full<Bytes>>) -> Result<Bytes, String> {
    let stream = TcpStream::connect(("server", PORT)).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(response.status().to_string());
    }
    Ok(response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes())
}

fn wrong(cause: impl Into<String>) -> Evidence {
    Evidence::new("axum", cause)
}

/// Orders posted as JSON come back with a receipt, and a body of up to 100 KB is whole.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn axum_serves(sim: Sim) -> Outcome {
    let server = sim.node("server", |_| serve());
    weather::go_through(&sim, &[server], 30, |round| async move {
        if round % 2 == 0 {
            let length = (round as usize * 7919) % 100_000;
            let request = Request::get(format!("/bytes/{round}/{length}")).header("host", "server");
            let answer = ask(request.body(Full::default()).expect("a request")).await?;
            return Ok(same("axum stream", &bytes(round, length), &answer));
        }
        let order = Order { id: round, item: format!("item {round}") };
        let text = format!("{{\"id\":{round},\"item\":\"item {round}\"}}");
        let request = Request::post("/orders").header("host", "server").header("content-type", "application/json");
        let answer = ask(request.body(Full::new(text.into())).expect("a request")).await?;
        Ok(match serde_json::from_slice::<Receipt>(&answer) {
            Ok(receipt) if receipt.order == order && receipt.taken > 0 => Ok(()),
            Ok(other) => Err(wrong(format!("{order:?} was answered with {other:?}"))),
            Err(error) => Err(wrong(format!("an answer that is no receipt: {error}"))),
        })
    })
    .await
}
