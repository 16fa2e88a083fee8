//! `flows run --dry-run`: what each step would send, its places filled as far as they are known.

use anyhow::Context as _;
use job_engine::Priority;
use serde_json::{Map, Value, json};
use sync_workers::flows::{Condition, Deed, Flow, Known, Work, WorkOf};
use sync_workers::records::Knows;

use super::super::{Outcome, Output};
use crate::app::App;

pub(super) async fn show(
    app: &App,
    output: Output,
    flow: &Flow,
    location: &str,
    contact: Option<&str>,
    knows: &Knows,
) -> anyhow::Result<Outcome> {
    let row = match contact {
        None => None,
        Some(id) => {
            let row = app.records.find_contact(location, id).await?;
            Some(row.context("no such contact is known here; an event contact.selected fetches it")?)
        }
    };
    let contact = match &row {
        None => None,
        Some(row) => Some(app.records.as_readers_see(row).await?),
    };
    let answers = Map::new();
    let known = Known {
        now: app.clock.now(),
        contact: contact.as_ref(),
        event: &knows.event,
        set: &knows.set,
        answers: &answers,
        rehearses: true,
    };
    let steps = flow.steps.iter().enumerate().map(|(index, step)| {
        let of = WorkOf {
            flow: &flow.name,
            run: "RUN",
            step: index,
            location_id: location,
            contact_id: row.as_ref().map(|row| row.contact_id.as_str()),
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
        let unfit = step.unfit(&known).into_iter().map(|(field, gap)| format!("{field} {gap}"));
        let mistakes: Vec<_> = unfit.chain(mistakes).collect();
        let mut told =
            json!({"step": flow.title(index), "onlyIf": verdict(&step.only_if, &known), "mistakes": mistakes});
        match (work, &step.deed) {
            (Some(Work::Event(event)), _) => told["event"] = event,
            (Some(Work::Call(operation, wish)), _) => told["call"] = json!({"operation": operation, "wish": wish}),
            (None, Deed::Wait(_)) => told["wait"] = flow.definition["step"][index]["wait"].clone(),
            (None, _) => {}
        }
        told
    });
    let steps: Vec<Value> = steps.collect();
    let would_start = verdict(&flow.only_if, &known);
    let is_wrong = steps.iter().any(|step| step["mistakes"].as_array().is_some_and(|mistakes| !mistakes.is_empty()));
    output.print(&json!({"flow": flow.name, "onlyIf": would_start, "steps": steps}), |_| {
        let begins =
            (would_start == Some(false)).then(|| "its conditions do not hold: a run would end at once".to_owned());
        begins.into_iter().chain(steps.iter().map(tell)).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if is_wrong { Outcome::Failed } else { Outcome::Done })
}

/// Whether all hold; none where that is known only as it runs.
fn verdict(conditions: &[Condition], known: &Known<'_>) -> Option<bool> {
    let each: Vec<_> = conditions.iter().map(|condition| condition.holds(known).ok()).collect();
    match (each.contains(&Some(false)), each.contains(&None)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}

fn tell(step: &Value) -> String {
    let does = match (&step["event"], &step["call"], &step["wait"]) {
        (Value::Object(_), ..) => format!("event {}", step["event"]),
        (_, Value::Object(call), _) => {
            format!("call  {} {}", call["operation"].as_str().unwrap_or_default(), call["wish"])
        }
        (.., wait) => format!("wait  {}", wait.as_str().unwrap_or_default()),
    };
    let unless = match &step["onlyIf"] {
        Value::Bool(true) => "",
        Value::Bool(false) => "skipped, as its conditions do not hold: ",
        _ => "if its conditions hold: ",
    };
    let mistakes = step["mistakes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mistakes: String = mistakes.map(|mistake| format!("\n{:<17}wrong: {mistake}", "")).collect();
    format!("{:<16} {unless}{does}{mistakes}", step["step"].as_str().unwrap_or_default())
}
