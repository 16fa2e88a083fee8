//! How long a write whose answer was lost may still take effect in GHL: what is looked for before proves nothing by its absence.

use std::time::Duration;

use sync_model::decide::fields::{Fields, value};
use sync_model::decide::same::answers;

use super::JobRun;

/// How long after its announcement a create may still take effect, when no run waits for its answer any more. GHL answers within seconds;
/// and the jobs of a dead worker, whose lease lasts 12 s, are to be done within 30.
const STRAGGLER: Duration = Duration::from_secs(20);

/// An announcement that lies further ahead was written by a clock that was set back since, or before GHL's time was known: those of two processes are
/// not so far apart.
const AHEAD_MS: i64 = 60_000;

/// Whether the time of an announcement says nothing. It is written again then, or what it announced would be waited for until the clock gets there.
pub(super) fn is_of_another_time(job: &JobRun<'_>, announced_at_ms: Option<i64>) -> bool {
    announced_at_ms.is_some_and(|at| at.saturating_sub(job.environment.clock.ghl_now_ms()) > AHEAD_MS)
}

/// When a create was announced, for comparing with what GHL dates: none where that says nothing. For a process without GHL's time yet,
/// it is by our own.
pub(super) fn announced_by_ghls_clock(job: &JobRun<'_>, announced_at_ms: Option<i64>) -> Option<i64> {
    let at = announced_at_ms.filter(|_| !is_of_another_time(job, announced_at_ms))?;
    Some(at.saturating_add(job.environment.clock.ghl_ahead_ms().min(0)))
}

/// How long a create that was announced at `intent_at_ms` may still take effect: a look that begins before proves nothing by what it does not
/// find. So this is asked before the look, which may take as long as the wait.
pub(super) fn until_it_cannot_arrive(job: &JobRun<'_>, intent_at_ms: Option<i64>) -> Duration {
    let Some(announced) = intent_at_ms else { return Duration::ZERO };
    let gone_by = u64::try_from(job.environment.clock.ghl_now_ms().saturating_sub(announced)).unwrap_or(0);
    job.environment.call_timeout.min(STRAGGLER).saturating_sub(Duration::from_millis(gone_by))
}

/// Whether what was `asked` is neither shown by `theirs` nor about to be asked again of the same `base`. The fields `together` are decided as one: GHL's
/// edit of one of them may take back what is pending of another.
pub(crate) fn may_still_arrive(
    asked: &Fields,
    pending: &Fields,
    base: &Fields,
    theirs: &Fields,
    together: &[&str],
) -> bool {
    let is_missing = asked.iter().any(|(name, asked)| !answers(name, asked, &value(theirs, name)));
    let of_group = asked.keys().any(|name| together.contains(&name.as_str()));
    let group = together.iter().copied().filter(|_| of_group);
    let is_as_agreed = |name: &str| value(theirs, name) == value(base, name);
    let is_asked_again = asked == pending && asked.keys().map(String::as_str).chain(group).all(is_as_agreed);
    is_missing && !is_asked_again
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_lost_write_is_waited_for_unless_the_same_is_asked_again_of_the_same() {
        let of = |value: Value| -> Fields { serde_json::from_value(value).unwrap() };
        let base = of(json!({"title": "Visit", "startTime": "09:00", "endTime": "10:00"}));
        let asked = of(json!({"startTime": "11:00"}));
        let shown = |set: Value| base.clone().into_iter().chain(of(set)).collect::<Fields>();
        let table = [
            // GHL shows, owed by now, may still arrive
            (json!({}), json!({"startTime": "11:00"}), false),
            (json!({"startTime": "11:00"}), json!({}), false),
            (json!({}), json!({"startTime": "12:00"}), true),
            (json!({"startTime": "08:00"}), json!({"startTime": "11:00"}), true),
            // Another field is another matter; the end is none, since the merge decides about both at once.
            (json!({"title": "Call"}), json!({"startTime": "11:00"}), false),
            (json!({"endTime": "10:30"}), json!({"startTime": "11:00"}), true),
        ];
        for (shows, pending, may) in table {
            let together = ["startTime", "endTime"];
            let found = may_still_arrive(&asked, &of(pending.clone()), &base, &shown(shows.clone()), &together);
            assert_eq!(found, may, "GHL shows {shows}, and {pending} is owed");
        }
    }
}
