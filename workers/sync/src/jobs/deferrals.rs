//! How long a job waits that a fault of our own kept from its end.
//!
//! Only GHL's answer gives up a job (law 14). A full disk, a lost database, a vault that does not open or a line that lets nothing out says nothing
//! about the job: it spends no attempt and comes back until the fault is mended, less and less often. Where nothing gets out at all, that is so for
//! every job of the lane: one tries for all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use job_engine::{Backoff, Key};

use crate::records::RecordsError;

/// The longest delay after the first fault. Short: most faults are a restart or a lost connection.
const FIRST: Duration = Duration::from_secs(2);
/// The longest delay after one lost race: the winner is done, and a person's edit may wait behind this job.
const RACE: Duration = Duration::from_millis(50);
/// No delay is longer, so that everything goes on within it once the fault is mended.
const MOST: Duration = Duration::from_secs(30);
/// So many runs in a row without any connection are a fault of the lane. Fewer may be a broken connection.
const OUT_OF_REACH: u8 = 3;
/// Jobs whose faults are counted; what comes on top waits as after its first one.
const COUNTED: usize = 10_000;

/// Faults in a row, by job.
#[derive(Debug, Default)]
pub(super) struct Deferrals {
    jobs: Mutex<HashMap<Key, u8>>,
    /// Runs in a row without any connection, by lane.
    lanes: Mutex<HashMap<String, u8>>,
}

impl Deferrals {
    /// How long the job waits after one more fault. `first` bounds the first delay of those who have less patience.
    pub(super) fn delay(&self, key: &Key, error: Option<&RecordsError>, first: Duration) -> Duration {
        let mut counts = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = counts.len() < COUNTED;
        let faults = match counts.get_mut(key) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count
            }
            None if has_room => *counts.entry(key.clone()).or_insert(1),
            None => 1,
        };
        let is_race = error.is_some_and(RecordsError::is_race);
        let first = first.min(if is_race { RACE } else { FIRST });
        let backoff = Backoff { first, most: MOST, attempts: u8::MAX };
        backoff.delay(faults).unwrap_or(MOST)
    }

    /// The job got through.
    pub(super) fn forget(&self, key: &Key) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// One more run of the lane had no connection. Once that is a fault of the lane: how long until one job probes for all.
    pub(super) fn unreached(&self, lane: &str, first: Duration) -> Option<Duration> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = lanes.entry(lane.to_owned()).or_default();
        *runs = runs.saturating_add(1);
        let backoff = Backoff { first: first.min(FIRST), most: MOST, attempts: u8::MAX };
        (*runs > OUT_OF_REACH).then(|| backoff.delay(*runs).unwrap_or(MOST))
    }

    /// A run of the lane had a connection.
    pub(super) fn reached(&self, lane: &str) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(record: &str) -> Key {
        Key { lane: "loc1".to_owned(), kind: "push_note".to_owned(), record: record.to_owned() }
    }

    #[test]
    fn delays_grow_to_their_most_never_end_and_begin_anew_after_a_success() {
        let deferrals = Deferrals::default();
        let longest = |runs: usize, most: Duration| {
            let delays: Vec<_> = (0..runs).map(|_| deferrals.delay(&key("a"), None, FIRST)).collect();
            assert!(delays.iter().all(|delay| *delay <= most), "{delays:?}");
            delays.into_iter().max().unwrap_or_default()
        };
        longest(1, FIRST);
        assert!(longest(1_000, MOST) > MOST / 2);
        deferrals.forget(&key("a"));
        longest(1, FIRST);
    }

    #[test]
    fn more_jobs_than_are_counted_are_deferred_all_the_same() {
        let deferrals = Deferrals::default();
        for job in 0..COUNTED + 10 {
            assert!(deferrals.delay(&key(&job.to_string()), None, FIRST) <= FIRST);
        }
        assert_eq!(deferrals.jobs.lock().unwrap().len(), COUNTED);
    }

    #[test]
    fn who_reaches_nobody_a_few_times_in_a_row_leaves_it_to_one_of_the_lane() {
        let deferrals = Deferrals::default();
        let few = |lane: &str| (0..OUT_OF_REACH).all(|_| deferrals.unreached(lane, FIRST).is_none());
        assert!(few("a") && few("b"));
        let waits: Vec<_> = (0..1_000).map(|_| deferrals.unreached("a", FIRST)).collect();
        assert!(waits.iter().all(|wait| wait.is_some_and(|wait| wait <= MOST)));
        deferrals.reached("a");
        assert!(few("a") && deferrals.unreached("b", FIRST).is_some());
    }

    #[test]
    fn a_lost_race_costs_a_moment() {
        let delay = Deferrals::default().delay(&key("a"), Some(&RecordsError::Raced), FIRST);
        assert!(delay <= RACE, "{delay:?}");
    }
}
