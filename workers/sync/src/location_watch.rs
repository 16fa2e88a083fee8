//! Looks every few seconds at what the queue knows of locations, and reports turns: a circuit that opened or closed, a day with few
//! calls left. Any number of processes may: a turn is reported once.

use std::collections::HashMap;
use std::time::Duration;

use job_engine::{LaneState, LaneView, Queue};
use sync_model::clock::Clock;
use tokio::time::sleep;

use crate::records::{Records, RecordsError, Turn};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// A day has few calls left below this part of them, as the alert for it says.
const LITTLE: u32 = 20;

/// Runs until it is aborted.
pub async fn run(records: Records, queue: Queue, clock: Clock) {
    let mut low = HashMap::new();
    loop {
        sleep(LOOK).await;
        // What the queue does not answer is looked at again; its own metrics and alerts are about that.
        let Ok(lanes) = queue.lanes().await else { continue };
        if let Err(error) = look(&records, &lanes, &clock, &mut low).await {
            low.clear();
            tracing::warn!(%error, "turns of locations are not reported yet; they are looked at again soon");
        }
    }
}

/// Reports the turns that these lanes show. `low`: the day on which a location last had few calls left, so that not each look asks the database.
///
/// # Errors
/// [`RecordsError::Database`].
pub async fn look(
    records: &Records,
    lanes: &[LaneView],
    clock: &Clock,
    low: &mut HashMap<String, String>,
) -> Result<(), RecordsError> {
    let noted = records.noted_broken().await?;
    let broken = lanes.iter().filter(|lane| lane.state == LaneState::Broken && !noted.contains(&lane.lane));
    // A paused or held lane does not show its circuit. One that is gone has no job left that failed.
    let hides = |lane: &LaneView| matches!(lane.state, LaneState::Broken | LaneState::Paused | LaneState::Held);
    let is_closed = |id: &&String| lanes.iter().find(|lane| lane.lane == **id).is_none_or(|lane| !hides(lane));
    let mut turns: Vec<Turn> = broken.map(|lane| Turn::Broken(lane.lane.clone())).collect();
    turns.extend(noted.iter().filter(is_closed).cloned().map(Turn::Recovered));
    let day = clock.now().strftime("%Y-%m-%d").to_string();
    for LaneView { lane: location_id, limit, day_used, .. } in lanes {
        let (left, of) = (limit.daily.saturating_sub(*day_used), limit.daily);
        if left < of / LITTLE && low.insert(location_id.clone(), day.clone()).as_ref() != Some(&day) {
            turns.push(Turn::LowQuota { location_id: location_id.clone(), day: day.clone(), left, of });
        }
    }
    records.note_turns(&turns).await
}
