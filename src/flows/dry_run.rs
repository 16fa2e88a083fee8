//! A dry run: what each step would send, its places filled as far as they are known.

use jiff::Timestamp;
use job_engine::Priority;
use serde_json::{Map, Value, json};
use sync_workers::flows::{Condition, Flow, Known, StepAction, Work, WorkOf};
use sync_workers::records::{ContactRow, Knows, Records, RecordsError};

use super::{reports, trial};

/// What a run would do.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// Whether its conditions hold; none where that is known only as it runs.
    pub would_begin: Option<bool>,
    /// Each step: `step`, `sentence`, `onlyIf`, `mistakes`, and `event`, `call` or `wait`.
    pub steps: Vec<Value>,
}

impl DryRun {
    /// Whether a step says what can't be.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.steps.iter().any(|step| step["mistakes"].as_array().is_some_and(|mistakes| !mistakes.is_empty()))
    }
}

/// Goes through the steps of a run that would begin now; nothing is sent and nothing is kept.
///
/// # Errors
/// When the database does not answer.
pub async fn dry_run(
    records: &Records,
    now: Timestamp,
    flow: &Flow,
    location: &str,
    row: Option<&ContactRow>,
    knows: &Knows,
) -> Result<DryRun, RecordsError> {
    let contact = match row {
        None => None,
        Some(row) => Some(records.as_readers_see(row).await?),
    };
    let answers = Map::new();
    let known = Known {
        now,
        contact: contact.as_ref(),
        event: &knows.event,
        set: &knows.set,
        answers: &answers,
        is_dry_run: true,
    };
    let steps = flow.steps.iter().enumerate().map(|(index, step)| {
        let of = WorkOf {
            flow: &flow.name,
            run: "RUN",
            step: index,
            location_id: location,
            contact_id: row.map(|row| row.contact_id.as_str()),
            priority: Priority::Interactive,
        };
        let work = step.work(&of, &known).ok().flatten();
        // What is filled with an answer is judged as the step runs.
        let mistakes = work
            .as_ref()
            .filter(|_| !step.awaits_answers())
            .and_then(|work| of.trigger(work).err())
            .unwrap_or_default();
        let mistakes = mistakes.iter().map(|mistake| format!("{} {}", mistake.field, mistake.message));
        let unfit = step.unfit(&known).into_iter().map(|(field, missing)| format!("{field} {missing}"));
        let mistakes: Vec<_> = unfit.chain(mistakes).collect();
        let own = outcome(&step.only_if, &known);
        let other = step.instead_of.map(|other| outcome(&flow.steps[other].only_if, &known));
        let only_if = match (own, other) {
            (Some(false), _) | (_, Some(Some(true))) => Some(false),
            (_, Some(None)) => None,
            (own, _) => own,
        };
        let mut reported = json!({"step": flow.title(index), "onlyIf": only_if, "mistakes": mistakes});
        let does = match (work, &step.action) {
            (Some(Work::Event(event)), _) => {
                let does = reports::event(event["type"].as_str().unwrap_or_default(), &event["data"]);
                reported["event"] = event;
                does
            }
            (Some(Work::Call(operation, request)), _) => {
                let does = reports::call(&operation);
                reported["call"] = json!({"operation": operation, "wish": request});
                does
            }
            (Some(Work::Script(name, input)), _) => {
                let does = reports::runs(&name);
                reported["script"] = json!({"name": name, "input": input});
                does
            }
            (Some(Work::Http(request)), _) => {
                let does = reports::requests(request.method, &request.url);
                reported["http"] = trial::request(&request);
                does
            }
            (None, StepAction::Wait(wait)) => {
                reported["wait"] = wait.to_string().into();
                reports::step(flow, index)
            }
            (None, _) => reports::step(flow, index),
        };
        reported["sentence"] = match only_if {
            Some(true) => does,
            Some(false) => format!("does nothing, as its conditions do not hold; else it {does}"),
            None => format!("{does}, if its conditions hold by then"),
        }
        .into();
        reported
    });
    Ok(DryRun { would_begin: outcome(&flow.only_if, &known), steps: steps.collect() })
}

/// Whether all hold; none where that is known only as it runs.
fn outcome(conditions: &[Condition], known: &Known<'_>) -> Option<bool> {
    let each: Vec<_> = conditions.iter().map(|condition| condition.holds(known).ok()).collect();
    match (each.contains(&Some(false)), each.contains(&None)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}
