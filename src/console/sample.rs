//! How everything stands, asked once for all who look: a hundred open consoles cost the database no more than one.
//!
//! A sample is of those locations that a key sees, so keys of the same sight share one. It is a second old at most while somebody looks; a viewer who
//! would have to wait gets the last one, if it is not old yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sync_workers::presence::SILENT;
use sync_workers::records::{ApiKey, Hook, JobFilter, JobState, Places, Process, Records, RecordsError};
use tokio::time::{Instant, timeout};

use super::Console;
use super::trouble::{Trouble, in_time};
use crate::causes::{self, Groups};
use crate::locations::{self, LocationStatus, State};

/// Jobs of a state are counted so far.
pub(super) const COUNTED: i64 = 10_000;
/// A sample is taken anew after this.
const FRESH: Duration = Duration::from_secs(1);
/// Up to this age one is shown while the next is taken.
const STALE: Duration = Duration::from_secs(10);
/// How long a part of a sample is waited for that the rest does without.
const PART: Duration = Duration::from_millis(900);
/// Locations whose calls fail that are looked at closely.
const FAILING: usize = 5;
/// Hooks that are looked at.
const HOOKS: i64 = 200;
/// Sights that are remembered.
const SIGHTS: usize = 256;

/// How everything stands that somebody sees.
pub(super) struct Sample {
    pub(super) taken_at: Timestamp,
    pub(super) locations: Vec<LocationStatus>,
    /// Calls of a location's day.
    pub(super) daily: u32,
    /// What the calls of those locations that fail say, as far as it was looked for.
    pub(super) failures: HashMap<String, String>,
    counts: Vec<(JobState, i64)>,
    pub(super) dead: Groups,
    /// Since when the job that waits longest could have run.
    pub(super) oldest: Option<Timestamp>,
    pub(super) processes: Vec<Process>,
    pub(super) hooks: Vec<Hook>,
    pub(super) queue_error: Option<String>,
    pub(super) ending_keys: i64,
}

impl Sample {
    /// How many jobs are in the state, up to one more than [`COUNTED`].
    pub(super) fn count(&self, state: JobState) -> i64 {
        self.counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count)
    }

    async fn take(console: &Console, records: &Records) -> Result<Self, RecordsError> {
        let (queue, clock) = (console.producer.queue(), &console.clock);
        let asked = Ok(queue);
        let (locations, counts, dead, hooks, ping, kinds) = tokio::join!(
            locations::all(records, &asked, clock),
            records.count_jobs_up_to(COUNTED + 1),
            timeout(PART, causes::groups(records, None)),
            records.list_hooks(None, HOOKS),
            queue.ping(),
            queue.paused_kinds(),
        );
        let (locations, kinds) = (locations?, kinds.unwrap_or_default());
        let at_work = |location: &LocationStatus| location.state != Some(State::Paused);
        let seen: std::collections::HashSet<&str> =
            locations.iter().filter(|one| at_work(one)).map(|one| one.location_id.as_str()).collect();
        let oldest = records.oldest_open_ms(|kind, location| !kinds.contains(kind) && seen.contains(location));
        // Of very many open or dead jobs this takes its time. The rest of the page is worth more than that.
        let oldest = timeout(PART, oldest).await.unwrap_or(Ok(None))?;
        let dead = dead.unwrap_or(Ok(Groups { groups: Vec::new(), is_cut: true }))?;
        let mut failures = HashMap::new();
        for location in locations.iter().filter(|one| one.state == Some(State::CircuitOpen)).take(FAILING) {
            let error = last_error(records, &location.location_id).await?;
            failures.extend(error.map(|error| (location.location_id.clone(), error)));
        }
        let silent = i64::try_from(SILENT.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            taken_at: clock.now(),
            daily: queue.limit().daily,
            failures,
            counts: counts?,
            dead,
            oldest: oldest.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            processes: records.list_processes(clock.now_ms().saturating_sub(silent)).await?,
            hooks: hooks?,
            queue_error: ping.err().map(|error| error.to_string()),
            ending_keys: records.count_ending_keys().await?,
            locations,
        })
    }
}

/// What the last attempt of an open job of a location said.
pub(super) async fn last_error(records: &Records, location: &str) -> Result<Option<String>, RecordsError> {
    for state in [JobState::Waiting, JobState::Scheduled] {
        // Every error has a blank.
        let (location_id, error) = (Some(location.to_owned()), Some(" ".to_owned()));
        let filter = JobFilter { state: Some(state), location_id, error, ..JobFilter::default() };
        if let Some(error) = records.list_jobs(&filter, 1).await?.into_iter().find_map(|job| job.last_error) {
            return Ok(Some(error));
        }
    }
    Ok(None)
}

/// The last sample of each sight.
#[derive(Default)]
pub(super) struct Samples(Mutex<HashMap<Option<String>, Arc<Slot>>>);

#[derive(Default)]
struct Slot {
    last: Mutex<Option<(Instant, Arc<Sample>)>>,
    /// Who takes the next one.
    turn: tokio::sync::Mutex<()>,
}

impl Slot {
    fn younger_than(&self, age: Duration) -> Option<Arc<Sample>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, sample)| Arc::clone(sample))
    }

    async fn renew(&self, console: &Console, records: &Records) -> Result<Arc<Sample>, Trouble> {
        let _turn = self.turn.lock().await;
        // Somebody else took one meanwhile.
        if let Some(sample) = self.younger_than(FRESH) {
            return Ok(sample);
        }
        let sample = Arc::new(in_time(Sample::take(console, records)).await?);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&sample)));
        Ok(sample)
    }
}

impl Samples {
    fn slot(&self, key: &ApiKey) -> Arc<Slot> {
        let sight = match key.locations {
            Places::All => None,
            Places::Listed(_) => Some(key.id.clone()),
        };
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SIGHTS {
            slots.retain(|_, slot| slot.younger_than(STALE).is_some());
        }
        Arc::clone(slots.entry(sight).or_default())
    }

    /// After an act: what it changed is seen on the next page.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Console {
    /// How everything stands for whoever has the key, whose records these are.
    pub(super) async fn sample(&self, key: &ApiKey, records: &Records) -> Result<Arc<Sample>, Trouble> {
        let slot = self.samples.slot(key);
        if let Some(sample) = slot.younger_than(FRESH) {
            return Ok(sample);
        }
        let Some(sample) = slot.younger_than(STALE) else { return slot.renew(self, records).await };
        if slot.turn.try_lock().is_ok() {
            let (console, records) = (self.clone(), records.clone());
            tokio::spawn(async move {
                // Who looks next is informed of what went wrong.
                let _ = slot.renew(&console, &records).await;
            });
        }
        Ok(sample)
    }
}
