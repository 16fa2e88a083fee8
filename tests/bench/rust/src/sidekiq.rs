//! rusty-sidekiq. It has no bulk push: a batch is pushed over many connections at once.

use async_trait::async_trait;
use bench::{Result, Role, Work};
use futures_util::future::try_join_all;
use sidekiq::{Processor, ProcessorConfig, RedisConnectionManager, Worker};

/// The fastest of 8, 32, 64 and 128.
const WORKERS: usize = 64;

#[derive(Clone)]
struct Nothing;

#[async_trait]
impl Worker<Work> for Nothing {
    async fn perform(&self, work: Work) -> sidekiq::Result<()> {
        work.run().await;
        Ok(())
    }
}

fn main() -> Result {
    let (url, role) = bench::arguments(0)?;
    bench::run(&role, contest(url, &role))
}

async fn contest(url: String, role: &Role) -> Result {
    let connections = u32::try_from(WORKERS + 8)?;
    let redis = bb8::Pool::builder().max_size(connections).build(RedisConnectionManager::new(url)?).await?;
    match role {
        Role::Work => {
            let config = ProcessorConfig::default().num_workers(WORKERS);
            let mut processor = Processor::new(redis, vec!["default".to_owned()]).with_config(config);
            processor.register(Nothing);
            processor.run().await;
            Ok(())
        }
        Role::Push(plan) => {
            bench::push(plan, async |works| {
                for works in works.chunks(WORKERS) {
                    try_join_all(works.iter().map(|work| Nothing::perform_async(&redis, work.clone()))).await?;
                }
                Ok(())
            })
            .await
        }
    }
}
