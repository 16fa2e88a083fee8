//! apalis-redis. The first word is `safe` (as it comes, in batches of 100) or `bare` (its locks, results and events off as well).

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use bench::{Result, Role, Work};

#[tokio::main]
async fn main() -> Result {
    let safe = std::env::args().nth(1).as_deref() == Some("safe");
    let (url, role) = bench::arguments(1)?;
    let config =
        Config::default().queue("bench").batch_size(100).lock_tasks(safe).persist_results(safe).emit_events(safe);
    let mut storage = RedisStorage::<Work>::new(apalis_redis::connect(url).await?).with_config(config);
    match role {
        Role::Work => {
            let name = format!("bench-{}", std::process::id());
            WorkerBuilder::new(name).backend(storage).build(run).run().await?;
            Ok(())
        }
        Role::Push(plan) => {
            bench::push(&plan, async |works| {
                storage.push_bulk(works).await?;
                Ok(())
            })
            .await
        }
    }
}

async fn run(work: Work) -> std::result::Result<(), BoxDynError> {
    work.run();
    Ok(())
}
