//! mini-redis: its server and its client.

use bytes::Bytes;
use mini_redis::{client, server};
use stormglass::prelude::*;
use tokio::net::TcpListener;
use weather::{bytes, same};

const PORT: u16 = 6379;

async fn serve() -> Result<(), String> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.map_err(|error| error.to_string())?;
    server::run(listener, tokio::signal::ctrl_c()).await.map_err(|error| error.to_string())
}

/// What was set is got, as long as the server has not lost its memory in between; a key that expires is gone; and what is
/// published reaches a subscriber.
#[stormglass::scenario(time = "120s", families("network", "process"))]
async fn mini_redis_keeps(sim: Sim) -> Outcome {
    let server = sim.node("server", |_| serve());
    weather::go_through(&sim, &[server], 10, |round| async move {
        let ask = async {
            let mut redis = client::connect(("server", PORT)).await?;
            let (key, value) = (format!("key {round}"), Bytes::from(bytes(round, 1 + (round as usize * 331) % 20_000)));
            redis.set(&key, value.clone()).await?;
            // On the same connection: it would be gone if the server had been restarted.
            let kept = same("mini-redis", &value, &redis.get(&key).await?.unwrap_or_default());
            redis.set_expires(&key, value, Duration::from_millis(30)).await?;
            tokio::time::sleep(Duration::from_millis(60)).await;
            let gone = redis.get(&key).await?.is_none();
            let mut subscriber = client::connect(("server", PORT)).await?.subscribe(vec![key.clone()]).await?;
            // Text: this client turns any other message into its debug form.
            let text = Bytes::from(format!("message of {round}; ").repeat(1 + (round as usize % 300)));
            redis.publish(&key, text.clone()).await?;
            let message = subscriber.next_message().await?.map(|message| message.content).unwrap_or_default();
            mini_redis::Result::Ok(kept.and_then(|()| {
                same("mini-redis publish", &text, &message)?;
                if gone { Ok(()) } else { Err(Evidence::new("mini-redis", "a key outlived its time")) }
            }))
        };
        ask.await.map_err(|error| error.to_string())
    })
    .await
}
