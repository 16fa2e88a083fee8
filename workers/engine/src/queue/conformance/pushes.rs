//! What becomes of a push: one run at a time per key, newest last (law 6).

use std::time::Duration;

use super::{Bench, Over, done, job, records};
use crate::envelope::EnvelopeError;
use crate::job::{Job, NewJob, Priority};
use crate::outcome::Outcome;
use crate::queue::{Pushed, Step, Wait};

promises! {
    a_pushed_job_is_claimed_as_it_was_pushed,
    equal_pushes_become_one_run,
    equal_jobs_of_one_push_become_one_run,
    of_one_push_each_job_waits_for_its_own_delay,
    any_number_of_pushes_during_a_run_leave_one_more_run,
    a_more_urgent_push_takes_its_waiting_equal_along,
    a_more_urgent_push_for_later_lets_its_waiting_equal_go_first,
    a_key_of_one_lane_is_not_the_same_key_of_another,
    a_job_that_cannot_be_packed_holds_up_no_other_of_its_push,
}

async fn a_pushed_job_is_claimed_as_it_was_pushed(over: Over) {
    let bench = Bench::new(over, 10).await;
    let mut pushed = job("lane", "record/with/slashes", Priority::Realtime);
    (pushed.attempt, pushed.cost, pushed.payload) = (7, 3, "pay\0load".into());
    assert_eq!(bench.push(pushed.clone()).await, Pushed::Queued);
    let claimed = bench.claim(1).await.remove(0);
    let Job { key, priority, cost, crashes, attempt, waited: _, payload, epoch, stored: _ } = claimed;
    assert_eq!((key, priority, cost, attempt, payload), (pushed.key, pushed.priority, 3, 7, pushed.payload));
    assert_eq!(crashes, 0);
    assert!(epoch > 0);
}

async fn equal_pushes_become_one_run(over: Over) {
    let bench = Bench::new(over, 10).await;
    assert_eq!(bench.push(job("lane", "a", Priority::Bulk)).await, Pushed::Queued);
    assert_eq!(bench.push(job("lane", "a", Priority::Bulk)).await, Pushed::Coalesced);
    assert_eq!(bench.claim_now(10).await.len(), 1);
    assert!(bench.claim_now(10).await.is_empty());
}

async fn equal_jobs_of_one_push_become_one_run(over: Over) {
    use Pushed::{Coalesced, Queued};
    let bench = Bench::new(over, 10).await;
    // So that the lane has such jobs already.
    bench.push(job("lane", "before", Priority::Bulk)).await;
    let one = |record, priority| job("lane", record, priority);
    let jobs = [
        one("a", Priority::Bulk),
        one("a", Priority::Bulk),
        one("b", Priority::Bulk),
        one("a", Priority::Interactive),
        one("c", Priority::Realtime),
        one("c", Priority::Bulk),
    ];
    let pushed = bench.queue.push(&jobs).await.unwrap();
    assert_eq!(pushed, [Queued, Coalesced, Queued, Coalesced, Queued, Coalesced]);
    let mut claimed = Vec::new();
    while claimed.len() < 4 {
        claimed.extend(bench.claim(10).await);
    }
    assert_eq!(records(&claimed), ["a", "c", "before", "b"]);
    assert!(bench.claim_now(10).await.is_empty());
}

async fn of_one_push_each_job_waits_for_its_own_delay(over: Over) {
    let bench = Bench::new(over, 10).await;
    let later = |record, minutes: u64| NewJob {
        delay: Duration::from_secs(60 * minutes),
        ..job("lane", record, Priority::Realtime)
    };
    bench.queue.push(&[later("a", 10), later("b", 0), later("c", 5)]).await.unwrap();
    let now = bench.claim_now(10).await;
    assert_eq!(records(&now), ["b"]);
    let finished = vec![now[0].epoch];
    let step = Step { finished, settlements: now.into_iter().map(done).collect(), claim: 0 };
    let wait = bench.step(bench.queue.shard_of("lane"), step).await.wait;
    let Wait::For(wait) = wait else { panic!("{wait:?}") };
    let first = Duration::from_secs(60 * 5);
    assert!(wait <= first && wait > first / 2, "the next one is due in {wait:?}");
}

async fn any_number_of_pushes_during_a_run_leave_one_more_run(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let running = bench.claim(1).await.remove(0);
    assert_eq!(bench.push(job("lane", "a", Priority::Bulk)).await, Pushed::AfterRunning);
    for _ in 0..5 {
        assert_eq!(bench.push(job("lane", "a", Priority::Realtime)).await, Pushed::Coalesced);
    }
    assert!(bench.claim_now(10).await.is_empty(), "one run at a time per key");
    assert!(bench.settle(&running, Outcome::Done, 1).await);
    let again = bench.claim(10).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].priority, Priority::Realtime, "the most urgent push decides");
    assert!(bench.settle(&again[0], Outcome::Done, 1).await);
    assert!(bench.claim_now(10).await.is_empty());
}

async fn a_more_urgent_push_takes_its_waiting_equal_along(over: Over) {
    let bench = Bench::new(over, 10).await;
    for record in ["a", "b", "c"] {
        bench.push(job("lane", record, Priority::Bulk)).await;
    }
    assert_eq!(bench.push(job("lane", "c", Priority::Interactive)).await, Pushed::Coalesced);
    assert_eq!(records(&bench.claim(1).await), ["c"]);
    let mut rest = bench.claim(10).await;
    while rest.len() < 2 {
        rest.extend(bench.claim(10).await);
    }
    assert_eq!(records(&rest), ["a", "b"], "the replaced entry does not run a second time");
    assert!(bench.claim_now(10).await.is_empty());
}

/// Behind an import that has left no tokens to bulk it would wait for much longer than it was put off.
async fn a_more_urgent_push_for_later_lets_its_waiting_equal_go_first(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "before", Priority::Bulk)).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    let later = NewJob { delay: Duration::from_secs(600), ..job("lane", "a", Priority::Realtime) };
    assert_eq!(bench.push(later).await, Pushed::Coalesced);
    let mut claimed = bench.claim(1).await;
    claimed.extend(bench.claim(10).await);
    assert_eq!(records(&claimed), ["a", "before"]);
    assert_eq!(claimed[0].priority, Priority::Realtime);
    assert!(bench.claim_now(10).await.is_empty());
}

async fn a_key_of_one_lane_is_not_the_same_key_of_another(over: Over) {
    let bench = Bench::new(over, 10).await;
    assert_eq!(bench.push(job("one", "a", Priority::Realtime)).await, Pushed::Queued);
    assert_eq!(bench.push(job("two", "a", Priority::Realtime)).await, Pushed::Queued);
    let mut claimed = bench.claim_now(10).await;
    claimed.extend(bench.claim_now(10).await);
    assert_eq!(claimed.len(), 2);
}

async fn a_job_that_cannot_be_packed_holds_up_no_other_of_its_push(over: Over) {
    let bench = Bench::new(over, 10).await;
    let long = "x".repeat(300);
    let mut slash = job("lane", "s", Priority::Realtime);
    slash.key.kind = "a/b".to_owned();
    let jobs = [
        job("lane", "before", Priority::Realtime),
        job("lane", &long, Priority::Realtime),
        job(&long, "r", Priority::Realtime),
        job("", "r", Priority::Realtime),
        job("lane", "", Priority::Realtime),
        job("lane", "nul\0", Priority::Realtime),
        slash,
        job("lane", "after", Priority::Realtime),
    ];
    let pushed = bench.queue.push(&jobs).await.unwrap();
    let queued: Vec<_> = pushed.iter().map(|pushed| *pushed == Pushed::Queued).collect();
    assert_eq!(queued, [true, false, false, false, false, false, false, true]);
    assert!(matches!(pushed[1], Pushed::Unqueueable(EnvelopeError::TooLong { length: 305, .. })), "{:?}", pushed[1]);
    let mut claimed = bench.claim(10).await;
    while claimed.len() < 2 {
        claimed.extend(bench.claim(10).await);
    }
    assert_eq!(records(&claimed), ["before", "after"]);
}
