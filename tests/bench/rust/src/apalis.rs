//! apalis-redis. The first word is `safe` (as it comes, in batches of 100) or `bare` (its locks, results and events off as well).

use std::task::Poll;
use std::time::Duration;

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use bench::{Result, Role, Work};
use futures_util::Stream;

fn main() -> Result {
    let safe = std::env::args().nth(1).as_deref() == Some("safe");
    let (url, role) = bench::arguments(1)?;
    bench::run(&role, contest(&url, &role, safe))
}

async fn contest(url: &str, role: &Role, safe: bool) -> Result {
    let config =
        Config::default().queue("bench").batch_size(100).lock_tasks(safe).persist_results(safe).emit_events(safe);
    let mut storage = RedisStorage::<Work>::new(apalis_redis::connect(url.to_owned()).await?).with_config(config);
    match role {
        Role::Work => {
            let name = format!("bench-{}", std::process::id());
            let storage = storage.poll_with_stream(each_millisecond());
            WorkerBuilder::new(name).backend(storage).build(run).run().await?;
            Ok(())
        }
        Role::Push(plan) => {
            bench::push(plan, async |works| {
                storage.push_bulk(works).await?;
                Ok(())
            })
            .await
        }
    }
}

/// Wakes the worker, which else looks for jobs once a heartbeat. Its own `poll_with_interval` stalls when the interval ends while it
/// fetches: it takes the tick and asks for no other. So this asks until there is none to take.
fn each_millisecond() -> impl Stream<Item = ()> + Unpin + Send {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    futures_util::stream::poll_fn(move |context| {
        while ticks.poll_tick(context).is_ready() {}
        Poll::Pending
    })
}

async fn run(work: Work) -> std::result::Result<(), BoxDynError> {
    work.run().await;
    Ok(())
}
