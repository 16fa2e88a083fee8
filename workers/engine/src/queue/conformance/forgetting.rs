//! What is left of lanes that have nothing to do, once none of their calls count any more: nothing.

use std::time::Duration;

use super::simulated::{Ground, Simulated, properties, simulate};
use super::{claiming, job, limit, permits};
use crate::job::Priority;
use crate::limit::{DAY_BIN, DAY_BINS};
use crate::outcome::Outcome;
use crate::queue::{Settlement, Step, Wait};

properties! {
    lanes_are_forgotten_when_none_of_their_calls_count: 1, 1;
}

const LANES: usize = 1000;
/// Lanes that one step may forget, or a little more where they are few (law 10).
const MOST: usize = 200;

fn lanes_are_forgotten_when_none_of_their_calls_count(ground: &Ground, _: u32) {
    simulate(async {
        let world = Simulated::new(ground, limit(10), claiming()).await;
        let jobs: Vec<_> = (0..LANES).map(|n| job(&format!("lane-{n}"), "record", Priority::Realtime)).collect();
        world.queue.push(&jobs).await.unwrap();
        world.queue.pause("lane-0").await.unwrap();
        let mut step = Step { claim: 32, ..Step::default() };
        loop {
            let stepped = world.step(step).await;
            if stepped.jobs.is_empty() {
                break;
            }
            let sent = |job| Settlement { permits: permits(&job, 1), job, outcome: Outcome::Done };
            let settlements = stepped.jobs.into_iter().map(sent).collect();
            step = Step { finished: vec![stepped.epoch], settlements, claim: 32 };
        }
        let day = DAY_BIN * u32::try_from(DAY_BINS).unwrap();
        world.advance(day - DAY_BIN * 2).await;
        pass(&world, ground, DAY_BIN).await;
        assert_eq!(world.queue.lanes().await.unwrap().len(), LANES, "their calls count still");
        pass(&world, ground, DAY_BIN * 2).await;
        let left = world.queue.lanes().await.unwrap();
        assert_eq!((left.len(), &left[0].lane[..]), (1, "lane-0"), "a person's wish is kept");

        world.queue.resume("lane-0").await.unwrap();
        let last = world.step(Step { claim: 32, ..Step::default() }).await;
        let settlements = last.jobs.into_iter().map(super::done).collect();
        world.step(Step { finished: vec![last.epoch], settlements, claim: 0 }).await;
        world.advance(day).await;
        pass(&world, ground, DAY_BIN * 2).await;
        assert!(world.queue.lanes().await.unwrap().is_empty());
        assert_eq!(world.step(Step::default()).await.wait, Wait::ForPush, "nothing will be due");
        if let Ground::Redis(server) = ground {
            let keys = "test:6:{0}:";
            assert_eq!(server.command(&format!("KEYS {keys}*lane-*")), "*0");
            assert_eq!(server.command(&format!("EXISTS {keys}l {keys}i {keys}timer {keys}ring:0 {keys}ring:1")), ":0");
            assert_eq!(server.command(&format!("HKEYS {keys}h")), "*2", "shard, replication");
        }
    });
}

/// Lets time pass for workers that ask whenever something is due.
async fn pass(world: &Simulated<'_>, ground: &Ground, time: Duration) {
    let until = world.now() + time;
    let mut lanes = world.queue.lanes().await.unwrap().len();
    while world.now() < until {
        let wait = world.step(Step::default()).await.wait;
        let now = world.queue.lanes().await.unwrap().len();
        assert!(matches!(ground, Ground::Memory) || lanes - now <= MOST, "a step forgot {}", lanes - now);
        lanes = now;
        let wait = if let Wait::For(wait) = wait { wait } else { time };
        world.advance(wait.clamp(Duration::from_millis(1), until - world.now())).await;
    }
}
