//! The state of a job in the promised shape, and the reason why it is not running.

use job_engine::{LaneState, LaneView, Priority, Queue, QueueError};
use serde_json::{Value, json};
use sync_workers::enqueue::fault;
use sync_workers::records::{FailedAttempt, JobState, LedgerEntry, StepOf};

/// The queue, or why it is not available.
pub type Asked<'a> = Result<&'a Queue, String>;

/// Why a process can't ask the queue of a deployment that has no Redis.
#[must_use]
pub fn elsewhere() -> String {
    "its queue is in the memory of another process; GET /v1/jobs/{id} of that process shows the reason".to_owned()
}

/// Why the job is safe although the queue does not answer.
#[must_use]
pub fn silent(error: &QueueError) -> String {
    format!("the queue does not answer ({error}); the job is kept and will run")
}

/// The job as `GET /v1/jobs/{id}` and `jobs show` show it, with its failed attempts and its step of a flow. `why` is null if the job needs no reason. Without a
/// queue, what only the queue knows is left out.
pub async fn describe(job: &LedgerEntry, history: &[FailedAttempt], step: Option<&StepOf>, queue: Asked<'_>) -> Value {
    json!({
        "id": job.id,
        "kind": job.key.kind,
        "locationId": job.key.location_id,
        "recordId": job.key.record_id,
        "eventType": job.event_type,
        "priority": job.priority.as_str(),
        "state": job.state,
        "outcome": job.outcome,
        "unapplied": job.unapplied,
        "discarded": job.discarded,
        "attempts": job.attempts,
        "lastError": job.last_error,
        "createdAt": job.created_at,
        "dueAt": job.due_at,
        "startedAt": job.started_at,
        "finishedAt": job.finished_at,
        "history": history,
        "flow": step.map(|step| &step.flow),
        "flowStep": step.map(|step| &step.step),
        "flowRunId": step.map(|step| &step.run_id),
        "why": why(job, queue).await,
    })
}

/// Why the job is not running; none where it is, or is done.
pub async fn why(job: &LedgerEntry, queue: Asked<'_>) -> Option<String> {
    if job.finished_at.is_none()
        && let Some(reason) = fault(&job.key)
    {
        return Some(format!("{reason}; it is set aside as a dead letter, and `clienty-sync jobs discard` closes it"));
    }
    let schedule = match job.state {
        JobState::Running | JobState::Done | JobState::Discarded => return None,
        JobState::Dead => {
            return Some("it is a dead letter; lastError has the reason, `clienty-sync jobs retry` retries it, `jobs discard` closes it for good".to_owned());
        }
        JobState::Scheduled => Some(match (&job.last_error, job.due_at) {
            (Some(_), Some(due)) => format!("it failed and is retried at {due}"),
            (None, Some(due)) => format!("it is postponed until {due}"),
            (_, None) => "it is postponed".to_owned(),
        }),
        JobState::Waiting => None,
    };
    let standing = match queue {
        Err(reason) => Err(reason),
        Ok(queue) => match queue.lane(&job.key.location_id).await {
            Err(error) => Err(silent(&error)),
            Ok(None) => Err("it is not in the queue yet; the requeuer enqueues it".to_owned()),
            Ok(Some(_)) if queue.paused_kinds().await.is_ok_and(|kinds| kinds.contains(&job.key.kind)) => Err(format!(
                "all {} jobs are paused; `clienty-sync jobs resume --kind {}` resumes them",
                job.key.kind, job.key.kind
            )),
            Ok(Some(lane)) => Ok(Standing { lane, priority: job.priority, daily: queue.limit().daily }),
        },
    };
    Some(match (schedule, standing) {
        (None, Err(reason)) => reason,
        (None, Ok(standing)) => format!("{}; {}", standing.of_lane(), standing.in_line()),
        // What stands in its way already will perhaps still do so then.
        (Some(schedule), Ok(standing)) if standing.lane.state != LaneState::Ready => {
            format!("{schedule}; now {}", standing.of_lane())
        }
        (Some(schedule), _) => schedule,
    })
}

/// What the queue knows of a job that waits.
struct Standing {
    lane: LaneView,
    priority: Priority,
    /// Calls of 24 h that its location may make.
    daily: u32,
}

impl Standing {
    fn of_lane(&self) -> String {
        let LaneView { lane: _, state, waiting: _, tokens_out, tokens_cooling, tokens_free, day_used, held_for, limit } =
            &self.lane;
        // GHL may have reported less than is set.
        let daily = self.daily.min(limit.daily);
        let seconds = held_for.as_secs_f64().ceil();
        match state {
            LaneState::Ready => format!(
                "its location waits for a worker; {tokens_free} calls are free now, {day_used} of {daily} of the day are used"
            ),
            LaneState::WaitsForTokens => format!(
                "its location has used its calls: {tokens_out} granted, {tokens_cooling} still count in GHL's window"
            ),
            LaneState::DaySpent => format!(
                "its location has used {day_used} of {daily} calls in 24 h, or bulk jobs their share; more are free in {seconds} s"
            ),
            LaneState::Paced => format!(
                "its location has used {day_used} of {daily} calls in 24 h; what is left is spread over the next hours, so that bulk jobs \
                 leave enough to others; more is free in {seconds} s"
            ),
            LaneState::Held => {
                format!("its location is throttled for {seconds} s more: GHL refused, or the queue had lost its state")
            }
            LaneState::Broken => format!(
                "the circuit of its location is open after failures; one job probes it in {seconds} s, `clienty-sync jobs resume` closes it now"
            ),
            LaneState::Paused => "its location is paused; `clienty-sync jobs resume` resumes it".to_owned(),
        }
    }

    /// Its place is bounded, not known: the queue counts its lists and does not search them.
    fn in_line(&self) -> String {
        let (urgent, rest) = self.lane.waiting.split_at(self.priority as usize);
        let more_urgent: u32 = urgent.iter().sum();
        let own = rest.first().copied().unwrap_or(0).max(1);
        let class = self.priority.as_str();
        format!(
            "it is at most number {} in its location's line ({more_urgent} more urgent, {own} {class}, itself among them)",
            more_urgent.saturating_add(own)
        )
    }
}
