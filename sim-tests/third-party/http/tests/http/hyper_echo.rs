//! hyper's server and client, HTTP/1 and HTTP/2: what is posted comes back.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use stormglass::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use weather::{bytes, same};

const PORT: u16 = 80;

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    Ok(Response::new(Full::new(request.into_body().collect().await?.to_bytes())))
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // What the weather does to a connection ends that connection.
            let _ =
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service_fn(echo)).await;
        });
    }
}

fn post(body: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::post("/echo").header("host", "server");
    request.body(Full::new(Bytes::copy_from_slice(body))).expect("a well-formed request")
}

async fn http1(body: &[u8]) -> Result<Vec<u8>, String> {
    let stream = TcpStream::connect(("server", PORT)).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let response = sender.send_request(post(body)).await.map_err(|error| error.to_string())?;
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes().to_vec())
}

async fn http2(body: &[u8]) -> Result<Vec<u8>, String> {
    let stream = TcpStream::connect(("server", PORT)).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    // Several streams of one connection at once.
    let mut streams = Vec::new();
    for part in body.chunks(body.len().div_ceil(4)) {
        let mut sender = sender.clone();
        let mut request = post(part);
        *request.uri_mut() = "http://server/echo".parse().expect("a URI");
        streams.push(tokio::spawn(async move {
            let response = sender.send_request(request).await?;
            Ok::<_, hyper::Error>(response.into_body().collect().await?.to_bytes())
        }));
    }
    let mut all = Vec::new();
    for stream in streams {
        let part = stream.await.map_err(|error| error.to_string())?;
        all.extend_from_slice(&part.map_err(|error| error.to_string())?);
    }
    Ok(all)
}

/// A server of hyper and hyper-util answers clients over HTTP/1 and HTTP/2 in turn.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn hyper_echoes(sim: Sim) -> Outcome {
    let server = sim.node("server", |_| serve());
    weather::go_through(&sim, &[server], 30, |round| async move {
        let asked = bytes(round, 1 + (round as usize * 977) % 60_000);
        let answered = if round % 2 == 0 { http1(&asked).await } else { http2(&asked).await };
        answered.map(|answered| same("hyper echo", &asked, &answered))
    })
    .await
}
