//! A queue that lost its state counts every lane as used up, and tells of it (laws 1 and 2).

use std::time::Duration;

use tokio::time::Instant;

use super::{Bench, INTERVAL, LEASE, Over, TIMEOUT, job};
use crate::job::Priority;
use crate::limit::FirstMeeting;
use crate::queue::LaneState;

promises! {
    a_lost_state_counts_as_spent,
}

async fn a_lost_state_counts_as_spent(over: Over) {
    let mut bench = Bench::met(over, 10, FirstMeeting::Spent).await;
    let spent = INTERVAL + TIMEOUT + LEASE;
    let began = Instant::now();
    bench.push(job("lane", "a", Priority::Interactive)).await;
    assert!(bench.claim_now(1).await.is_empty());
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= spent);
    let Some(redis) = &mut bench.redis else { return };
    let losses = bench.queue.losses();
    redis.flush_all();
    let began = Instant::now();
    bench.push(job("lane", "b", Priority::Interactive)).await;
    assert!(losses.iter().any(|loss| loss.has_changed().unwrap()), "the loss is told");
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= spent);
}

#[tokio::test]
async fn a_state_lost_before_the_first_push_counts_as_spent() {
    let mut bench = Bench::new(Over::Redis { shards: 1 }, 10).await;
    // As of a gateway that saw no event yet, while workers spent the quota.
    bench.redis.as_mut().unwrap().flush_all();
    bench.push(job("lane", "a", Priority::Interactive)).await;
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.state, LaneState::Held);
    assert!(bench.claim_now(1).await.is_empty());
}
