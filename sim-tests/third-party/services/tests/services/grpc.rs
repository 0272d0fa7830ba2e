//! tonic: server and client, streaming both ways. The messages and the service are written by hand, so that no compiler of
//! protocol files is needed.

use std::convert::Infallible;

use futures::StreamExt;
use stormglass::prelude::*;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::{Body, BoxFuture, BoxStream, Context, Poll, Service, StdError, http};
use tonic::server::{ClientStreamingService, NamedService, ServerStreamingService};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use weather::{address, bytes, same};

const PORT: u16 = 50_051;
const CUT: &str = "/weather.Pieces/Cut";
const JOIN: &str = "/weather.Pieces/Join";

#[derive(Clone, PartialEq, prost::Message)]
struct Whole {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pieces: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Piece {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}

/// Cuts something into pieces, and joins pieces to something.
#[derive(Clone)]
struct Pieces;

impl NamedService for Pieces {
    const NAME: &'static str = "weather.Pieces";
}

impl ServerStreamingService<Whole> for Pieces {
    type Response = Piece;
    type ResponseStream = BoxStream<Piece>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Whole>) -> Self::Future {
        Box::pin(async move {
            let Whole { bytes, pieces } = request.into_inner();
            let length = bytes.len().div_ceil(pieces as usize).max(1);
            let pieces: Vec<Piece> = bytes.chunks(length).map(|part| Piece { bytes: part.to_vec() }).collect();
            let stream = tokio_stream::iter(pieces).then(async |piece| {
                tokio::time::sleep(Duration::from_micros(piece.bytes.len() as u64)).await;
                Ok(piece)
            });
            Ok(Response::new(Box::pin(stream) as BoxStream<Piece>))
        })
    }
}

impl ClientStreamingService<Piece> for Pieces {
    type Response = Whole;
    type Future = BoxFuture<Response<Whole>, Status>;

    fn call(&mut self, request: Request<Streaming<Piece>>) -> Self::Future {
        Box::pin(async move {
            let mut stream = request.into_inner();
            let mut whole = Whole::default();
            while let Some(piece) = stream.message().await? {
                whole.bytes.extend_from_slice(&piece.bytes);
                whole.pieces += 1;
            }
            Ok(Response::new(whole))
        })
    }
}

impl<B> Service<http::Request<B>> for Pieces
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                CUT => tonic::server::Grpc::new(ProstCodec::default()).server_streaming(Pieces, request).await,
                JOIN => tonic::server::Grpc::new(ProstCodec::default()).client_streaming(Pieces, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

async fn serve() -> Result<(), String> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.map_err(|error| error.to_string())?;
    let serving = Server::builder().add_service(Pieces).serve_with_incoming(TcpListenerStream::new(listener));
    serving.await.map_err(|error| error.to_string())
}

async fn ask(round: u64) -> Result<Result<(), Evidence>, Status> {
    let address = address("server", PORT).await.map_err(Status::unavailable)?;
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|error| Status::internal(error.to_string()))?;
    let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut grpc = tonic::client::Grpc::new(channel);
    let asked = bytes(round, 1 + (round as usize * 613) % 50_000);
    let ready = |error: tonic::transport::Error| Status::unavailable(error.to_string());

    grpc.ready().await.map_err(ready)?;
    let request = Request::new(Whole { bytes: asked.clone(), pieces: 12 });
    let path = http::uri::PathAndQuery::from_static(CUT);
    let stream = grpc.server_streaming(request, path, ProstCodec::<Whole, Piece>::default()).await?;
    let mut stream = stream.into_inner();
    let mut pieces = Vec::new();
    while let Some(piece) = stream.message().await? {
        pieces.push(piece);
    }
    let cut: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();

    grpc.ready().await.map_err(ready)?;
    let count = pieces.len() as u32;
    let path = http::uri::PathAndQuery::from_static(JOIN);
    let request = Request::new(tokio_stream::iter(pieces));
    let joined = grpc.client_streaming(request, path, ProstCodec::<Piece, Whole>::default()).await?.into_inner();
    Ok(same("cut", &asked, &cut).and_then(|()| same("joined", &asked, &joined.bytes)).and_then(|()| {
        let told = (joined.pieces == count).then_some(());
        told.ok_or_else(|| Evidence::new("joined", format!("{count} pieces were sent and {} told", joined.pieces)))
    }))
}

/// What is cut into pieces by a stream of answers and joined by a stream of questions is what it was.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn tonic_streams(sim: Sim) -> Outcome {
    let server = sim.node("server", |_| serve());
    weather::go_through(
        &sim,
        &[server],
        10,
        |round| async move { ask(round).await.map_err(|status| status.to_string()) },
    )
    .await
}
