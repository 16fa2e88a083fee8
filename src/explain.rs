//! How a job stands, in the promised shape, and in words why it is not running.

use job_engine::{LaneState, LaneView, Queue};
use serde_json::{Value, json};
use sync_workers::records::{Job, JobState};

/// The job as `GET /v1/jobs/{id}` and `jobs show` tell it. `why` is null where it needs no reason. Without a queue to ask, what only the
/// queue knows is not told.
pub async fn describe(job: &Job, queue: Option<&Queue>) -> Value {
    json!({
        "id": job.id,
        "kind": job.key.kind,
        "locationId": job.key.location_id,
        "recordId": job.key.record_id,
        "eventType": job.event_type,
        "priority": job.priority.as_str(),
        "state": job.state,
        "attempts": job.attempts,
        "lastError": job.last_error,
        "createdAt": job.created_at,
        "dueAt": job.due_at,
        "startedAt": job.started_at,
        "finishedAt": job.finished_at,
        "why": why(job, queue).await,
    })
}

async fn why(job: &Job, queue: Option<&Queue>) -> Option<String> {
    Some(match job.state {
        JobState::Running | JobState::Done => return None,
        JobState::Dead => "it was given up; lastError tells why, `clienty-sync jobs retry` tries it again".to_owned(),
        JobState::Scheduled => match (&job.last_error, job.due_at) {
            (Some(_), Some(due)) => format!("it failed and is tried again at {due}"),
            (None, Some(due)) => format!("it is put off until {due}"),
            (_, None) => "it is put off".to_owned(),
        },
        JobState::Waiting => match queue {
            None => "its queue is in the memory of another process, which tells at GET /v1/jobs/{id}".to_owned(),
            Some(queue) => match queue.lane(&job.key.location_id).await {
                Err(error) => format!("the queue does not answer ({error}); the job is kept and will run"),
                Ok(None) => "the queue has not heard of it yet; the sweeper tells it".to_owned(),
                Ok(Some(lane)) => of_lane(&lane),
            },
        },
    })
}

fn of_lane(lane: &LaneView) -> String {
    let LaneView { lane: _, state, waiting, tokens_out, tokens_cooling, tokens_free, day_used, held_for } = lane;
    let (ahead, seconds) = (waiting.iter().sum::<u32>(), held_for.as_secs_f64().ceil());
    match state {
        LaneState::Ready => format!("{ahead} jobs of its location wait for a worker; {tokens_free} calls are free"),
        LaneState::WaitsForTokens => format!(
            "its location has used its calls: {tokens_out} granted, {tokens_cooling} still count in GHL's window; {ahead} jobs wait"
        ),
        LaneState::DaySpent => format!("its location has used {day_used} calls in 24 h; more are free in {seconds} s"),
        LaneState::Held => {
            format!("its location is held for {seconds} s more: GHL refused, or the queue had lost its state")
        }
        LaneState::Broken => format!(
            "its location is broken off after failures; one job probes it in {seconds} s, `clienty-sync jobs resume` does so now"
        ),
        LaneState::Paused => "its location is paused; `clienty-sync jobs resume` ends that".to_owned(),
    }
}
