//! What a outcome that is not the end makes of a job.

use std::time::Duration;

use tokio::time::Instant;

use super::{Bench, Over, job};
use crate::job::Priority;
use crate::outcome::Outcome;

promises! {
    a_retry_waits_for_its_delay_and_counts_its_attempt,
    a_snooze_spends_no_attempt,
    a_released_job_goes_back_to_the_head,
}

async fn a_retry_waits_for_its_delay_and_counts_its_attempt(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let failed = bench.claim(1).await.remove(0);
    let began = Instant::now();
    let after = Duration::from_millis(150);
    assert!(bench.settle(&failed, Outcome::Retry { after }, 1).await);
    assert!(bench.claim_now(1).await.is_empty());
    let again = bench.claim(1).await.remove(0);
    assert!(began.elapsed() >= after);
    assert_eq!(again.attempt, 1);
}

async fn a_snooze_spends_no_attempt(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let snoozed = bench.claim(1).await.remove(0);
    assert!(bench.settle(&snoozed, Outcome::Snooze { after: Duration::from_millis(30) }, 0).await);
    assert_eq!(bench.claim(1).await[0].attempt, 0);
}

async fn a_released_job_goes_back_to_the_head(over: Over) {
    let bench = Bench::new(over, 10).await;
    for record in ["a", "b"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    let given_back = bench.claim(1).await.remove(0);
    assert!(bench.settle(&given_back, Outcome::Released, 0).await);
    let again = bench.claim(1).await.remove(0);
    assert_eq!((again.key.record.as_str(), again.attempt, again.crashes), ("a", 0, 0));
}
