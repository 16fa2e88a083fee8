//! A backtest: how often a flow would have run in the last days, and how many calls of GHL that would have cost. Nothing is sent and nothing is kept.
//!
//! It reads the change feed, or the stored webhooks, from now back, and asks of each change what the flow's trigger asks. Conditions are held against
//! the contact as it was then, which the history reports. The work is bounded by time and number; what was not looked at is said, and so is what nobody
//! can know any more.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use ghl::catalog::catalog;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sync_model::decide::rules::Trigger;
use sync_workers::flows::{ANY_TAG, Changed, Condition, Flow, Known, ORIGIN_CLIENTY, ORIGIN_GHL, On, Step, StepAction};
use sync_workers::records::{
    ChangeOp, FieldChange, HistoryItem, HistoryQuery, Origin, PastChange, Records, RecordsError, Via,
};

/// Days that it may look back.
pub const MOST_DAYS: u32 = 30;
/// Changes that are read at once.
const PAGE: i64 = 1_000;
/// Changes that are looked at.
const MOST_CHANGES: usize = 50_000;
/// Of which the contact of then is read.
const MOST_LOOKED_UP: usize = 2_000;
/// Changes of one contact that are read to find one of them.
const OF_A_CONTACT: usize = 500;
/// Runs that are named.
const SAMPLE: usize = 10;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How far back.
    pub days: u32,
    /// How long it may take.
    pub budget: Duration,
    /// Calls of a location and day, by the settings.
    pub daily_limit: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoBacktest {
    /// The flow has no trigger, or one of which nothing is stored.
    #[error("{0}")]
    NotEnqueued(&'static str),
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// A run that would have begun.
struct Would {
    at: Timestamp,
    location_id: String,
    contact_id: Option<String>,
    calls: u32,
    at_most: u32,
}

struct Scan<'a> {
    records: &'a Records,
    flow: &'a Flow,
    until: Instant,
    /// By location and contact.
    histories: HashMap<(String, String), Vec<HistoryItem>>,
    looked_up: usize,
    runs: Vec<Would>,
    /// That met the trigger.
    triggered: usize,
    /// Of which nobody can show whether the conditions held.
    unknown: usize,
}

/// What stands in the way of more.
enum Full {
    No,
    Yes,
}

/// Asks what would have been.
///
/// # Errors
/// [`NoBacktest`].
pub async fn backtest(records: &Records, flow: &Flow, now: Timestamp, asked: &Asked) -> Result<Value, NoBacktest> {
    let days = asked.days.clamp(1, MOST_DAYS);
    let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::UNIX_EPOCH);
    let Some(on) = &flow.on else {
        return Err(NoBacktest::NotEnqueued("only people start the flow, and nothing shows how often they would have"));
    };
    let mut scan = Scan {
        records,
        flow,
        until: Instant::now() + asked.budget,
        histories: HashMap::new(),
        looked_up: 0,
        runs: Vec::new(),
        triggered: 0,
        unknown: 0,
    };
    let (looked_at, reached) = match on {
        On::Webhook(event) => scan.webhooks(event, since).await?,
        on => {
            if let On::Event(name) = on
                && !is_in_the_feed(name)
            {
                return Err(NoBacktest::NotEnqueued(
                    "the event of the trigger changes nothing, so nothing is stored of it",
                ));
            }
            scan.changes(on, since).await?
        }
    };
    Ok(scan.reported(days, since, now, looked_at, reached, asked))
}

fn is_in_the_feed(event: &str) -> bool {
    let verb = event.split_once('.').map_or("", |(_, verb)| verb);
    ["created", "updated", "completed", "deleted", "moved", "cancelled", "noshow", "showed"].contains(&verb)
}

impl Scan<'_> {
    /// How many changes were looked at, and since when; none for all that was asked for.
    async fn changes(&mut self, on: &On, since: Timestamp) -> Result<(usize, Option<Timestamp>), RecordsError> {
        let since_ms = since.as_millisecond();
        let (mut before, mut looked_at, mut oldest) = (None, 0, None);
        loop {
            let page = self.records.changes_back(before, PAGE).await?;
            let is_last = i64::try_from(page.len()).is_ok_and(|count| count < PAGE);
            for change in &page {
                if change.at_ms < since_ms {
                    return Ok((looked_at, None));
                }
                oldest = Timestamp::from_millisecond(change.at_ms).ok();
                looked_at += 1;
                let full = self.change(on, change).await?;
                if matches!(full, Full::Yes) || looked_at >= MOST_CHANGES || Instant::now() >= self.until {
                    return Ok((looked_at, oldest));
                }
            }
            before = page.last().map(|change| change.seq);
            if is_last {
                // Whether the feed begins there, or its retention has cut it.
                let is_cut = self.records.is_feed_cut().await?;
                return Ok((looked_at, oldest.filter(|_| is_cut)));
            }
        }
    }

    async fn change(&mut self, on: &On, change: &PastChange) -> Result<Full, RecordsError> {
        // An import finds what was there before, and what a reconciliation finds reads the same here.
        if change.is_new && change.via == Some(Via::List) {
            return Ok(Full::No);
        }
        let is_reported = matches!(change.op, ChangeOp::Stored | ChangeOp::Deleted);
        let is_own =
            matches!(change.origin, None | Some(Origin::Flow | Origin::Enrichment)) || change.via == Some(Via::Reply);
        if !is_reported || is_own || !self.flow.runs_in(&change.location_id) || !may_meet(on, change) {
            return Ok(Full::No);
        }
        if self.looked_up >= MOST_LOOKED_UP {
            return Ok(Full::Yes);
        }
        self.looked_up += 1;
        let key = (change.location_id.clone(), change.contact_id.clone());
        if !self.histories.contains_key(&key) {
            let query = HistoryQuery { limit: OF_A_CONTACT, ..HistoryQuery::default() };
            let page = self.records.history(&key.0, &key.1, &query).await?;
            self.histories.insert(key.clone(), page.map(|page| page.items).unwrap_or_default());
        }
        let id = change.seq.to_string();
        let changes = self.histories[&key].iter().find(|item| item.id == id).map(|item| item.changes.clone());
        let Some(changes) = changes else {
            // The contact was erased, or it is too long ago.
            self.triggered += 1;
            self.unknown += 1;
            return Ok(Full::No);
        };
        let Some(mut event) = met(on, change, &changes) else { return Ok(Full::No) };
        self.triggered += 1;
        let at = Timestamp::from_millisecond(change.at_ms).unwrap_or_default();
        event["locationId"] = change.location_id.as_str().into();
        event["contactId"] = change.contact_id.as_str().into();
        let contact_id = Some(change.contact_id.clone()).filter(|_| event["type"] != "contact.deleted");
        self.judge(at, &change.location_id, contact_id, event).await?;
        Ok(Full::No)
    }

    async fn webhooks(&mut self, event: &str, since: Timestamp) -> Result<(usize, Option<Timestamp>), RecordsError> {
        let limit = i64::try_from(MOST_LOOKED_UP).unwrap_or(PAGE);
        let webhooks = self.records.webhooks_back(event, since.as_millisecond(), limit).await?;
        let (count, mut oldest) = (webhooks.len(), None);
        for (index, webhook) in webhooks.into_iter().enumerate() {
            let at = Timestamp::from_millisecond(webhook.at_ms).unwrap_or_default();
            oldest = Some(at);
            if Instant::now() >= self.until {
                return Ok((index, oldest));
            }
            if !self.flow.runs_in(&webhook.location_id) {
                continue;
            }
            self.triggered += 1;
            let contact_id = webhook.body["contactId"].as_str().map(str::to_owned);
            self.judge(at, &webhook.location_id, contact_id, webhook.body).await?;
        }
        Ok((count, oldest.filter(|_| count >= MOST_LOOKED_UP)))
    }

    /// Holds the conditions against what was there then.
    async fn judge(
        &mut self,
        at: Timestamp,
        location_id: &str,
        contact_id: Option<String>,
        event: Value,
    ) -> Result<(), RecordsError> {
        let mut contact = None;
        if let Some(id) = contact_id.as_deref().filter(|_| self.flow.needs_contact()) {
            match self.records.contact_view_at(location_id, id, at).await {
                Ok(Some(view)) => contact = Some(json!(view.contact)),
                Ok(None) | Err(RecordsError::Forgotten { .. }) => {
                    self.unknown += 1;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let nothing = Map::new();
        let known = Known {
            now: at,
            contact: contact.as_ref(),
            event: &event,
            set: &self.flow.set,
            answers: &nothing,
            is_dry_run: true,
        };
        match outcome(&self.flow.only_if, &known) {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                self.unknown += 1;
                return Ok(());
            }
        }
        let (mut calls, mut at_most) = (0, 0);
        for step in &self.flow.steps {
            let costs = costs(step);
            let other = step.instead_of.map(|other| outcome(&self.flow.steps[other].only_if, &known));
            if other == Some(Some(true)) {
                continue;
            }
            match outcome(&step.only_if, &known).filter(|_| other != Some(None)) {
                Some(true) if !step.awaits_answers() => (calls, at_most) = (calls + costs, at_most + costs),
                Some(false) => {}
                _ => at_most += costs,
            }
        }
        self.runs.push(Would { at, location_id: location_id.to_owned(), contact_id, calls, at_most });
        Ok(())
    }

    fn reported(
        &self,
        days: u32,
        since: Timestamp,
        now: Timestamp,
        looked_at: usize,
        reached: Option<Timestamp>,
        asked: &Asked,
    ) -> Value {
        let sum = |of: fn(&Would) -> u32| self.runs.iter().map(|run| u64::from(of(run))).sum::<u64>();
        let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
        let mut per_day = BTreeMap::<String, (u64, u64)>::new();
        let mut by_place = BTreeMap::<(String, &str), u64>::new();
        for run in &self.runs {
            let of_day = per_day.entry(day(run.at)).or_default();
            *of_day = (of_day.0 + 1, of_day.1 + u64::from(run.at_most));
            *by_place.entry((day(run.at), &run.location_id)).or_default() += u64::from(run.at_most);
        }
        let busiest = by_place.iter().max_by_key(|(_, calls)| **calls).filter(|(_, calls)| **calls > 0);
        let busiest = busiest.map(|((date, location_id), calls)| {
            let share = *calls as f64 / f64::from(asked.daily_limit.max(1));
            json!({"date": date, "locationId": location_id, "calls": calls, "ofDailyLimit": (share * 10_000.0).round() / 10_000.0})
        });
        let sample = self.runs.iter().take(SAMPLE).map(|run| {
            json!({"at": run.at, "locationId": run.location_id, "contactId": run.contact_id, "calls": run.at_most})
        });
        let per_day = per_day.iter().map(|(date, (runs, calls))| json!({"date": date, "runs": runs, "calls": calls}));
        json!({
            "flow": self.flow.name,
            "version": self.flow.version,
            "on": self.flow.on_words(),
            "days": days,
            "since": reached.unwrap_or(since),
            "until": now,
            "complete": reached.is_none(),
            "lookedAt": looked_at,
            "triggered": self.triggered,
            "wouldRun": self.runs.len(),
            "unknown": self.unknown,
            "calls": sum(|run| run.calls),
            "callsAtMost": sum(|run| run.at_most),
            "perDay": per_day.collect::<Vec<_>>(),
            "busiest": busiest,
            "sample": sample.collect::<Vec<_>>(),
            "notes": self.notes(since, reached),
        })
    }

    /// What it can't know, in sentences.
    fn notes(&self, since: Timestamp, reached: Option<Timestamp>) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(reached) = reached {
            notes.push(format!(
                "Only what is stored since {reached:.0} was looked at, not since {since:.0}: there is no more, or it would take too long."
            ));
        }
        if self.unknown > 0 {
            notes.push(format!(
                "Of {} triggers it is unknown what the contact read then: it was erased or deleted, or the history does not go back so far.",
                self.unknown
            ));
        }
        let of_answers = self.flow.steps.iter().any(Step::awaits_answers);
        if of_answers {
            notes.push("Steps that depend on answers of earlier steps are counted in callsAtMost alone.".to_owned());
        }
        if matches!(self.flow.on, Some(On::Event(_))) {
            notes.push(
                "Events of producers that changed nothing are not counted, as nothing is stored of them.".to_owned(),
            );
        }
        let is_of_new =
            self.flow.on_words().is_some_and(|on| on.ends_with(".created") || on.starts_with("contact.tagged"));
        if is_of_new {
            notes.push("Records that an import or a reconciliation found new are not counted.".to_owned());
        }
        notes
    }
}

/// Whether the change may be what the trigger waits for, as far as its row reports.
fn may_meet(on: &On, change: &PastChange) -> bool {
    let has = |wanted: &str| {
        change
            .fields
            .iter()
            .any(|field| field.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    match on {
        On::Contact(Trigger::Created) => {
            change.record == "contact" && change.is_new && change.origin == Some(Origin::Ghl)
        }
        On::Contact(Trigger::Tagged(_) | Trigger::Untagged(_)) => {
            change.record == "contact" && change.origin == Some(Origin::Ghl) && has("tags")
        }
        On::Event(name) => {
            let (record, verb) = name.split_once('.').unwrap_or_default();
            let is_verb = match verb {
                "deleted" => change.op == ChangeOp::Deleted,
                "created" => change.is_new,
                // What is met for the first time may have happened already.
                _ => change.op == ChangeOp::Stored && (!change.is_new || record == "task" || record == "appointment"),
            };
            change.record == record && is_verb
        }
        On::Changed { record, field } => change.record == *record && !change.is_new && has(field),
        On::Webhook(_) => false,
    }
}

/// The event that the flow would have been reported; none if it is not what the trigger waits for.
fn met(on: &On, change: &PastChange, changes: &[FieldChange]) -> Option<Value> {
    let origin = if change.origin == Some(Origin::Ghl) { ORIGIN_GHL } else { ORIGIN_CLIENTY };
    let is_there = |value: &Value| !value.is_null() && *value != json!(false);
    match on {
        On::Contact(Trigger::Created) => Some(json!({"type": "contact.created"})),
        On::Contact(trigger @ (Trigger::Tagged(tag) | Trigger::Untagged(tag))) => {
            let is_gain = matches!(trigger, Trigger::Tagged(_));
            let tag = changes.iter().find_map(|changed| {
                let found = changed.field.strip_prefix("tags.")?;
                let gained = is_there(&changed.to) && !is_there(&changed.from);
                let lost = is_there(&changed.from) && !is_there(&changed.to);
                let is_it = (tag == ANY_TAG || tag.eq_ignore_ascii_case(found)) && if is_gain { gained } else { lost };
                is_it.then(|| found.to_owned())
            })?;
            let verb = if is_gain { "contact.tagged" } else { "contact.untagged" };
            Some(json!({"type": verb, "tag": tag}))
        }
        On::Webhook(_) => None,
        on => {
            let now = changes.iter().map(|changed| (changed.field.clone(), changed.to.clone())).collect();
            let fields: Vec<_> = changes.iter().map(|changed| changed.field.clone()).collect();
            let record =
                ["contact", "task", "note", "appointment"].into_iter().find(|known| *known == change.record)?;
            let changed = match (change.op, change.is_new) {
                (ChangeOp::Deleted, _) => Changed::whole(record, "deleted"),
                (_, true) => Changed::whole(record, "created").and_as_met(&now),
                (_, false) => Changed::of(record, &now, fields),
            };
            let name = on.met_by(&changed)?;
            let members = |of: fn(&FieldChange) -> &Value| -> Map<String, Value> {
                changes.iter().map(|changed| (changed.field.clone(), of(changed).clone())).collect()
            };
            Some(json!({
                "type": name, "origin": origin, "data": members(|changed| &changed.to),
                "before": members(|changed| &changed.from), "record": members(|changed| &changed.to),
            }))
        }
    }
}

/// Whether all hold; none if nobody can show.
fn outcome(conditions: &[Condition], known: &Known<'_>) -> Option<bool> {
    let each: Vec<_> = conditions.iter().map(|condition| condition.holds(known).ok()).collect();
    match (each.contains(&Some(false)), each.contains(&None)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}

/// Calls of GHL that the step makes.
fn costs(step: &Step) -> u32 {
    match &step.action {
        StepAction::Wait(_) | StepAction::Script(_) | StepAction::Http(_) => 0,
        StepAction::Event(_) => 1,
        StepAction::Call(call) => catalog().operation(&call.operation).map_or(1, |operation| u32::from(operation.cost)),
    }
}

/// In a sentence.
#[must_use]
pub fn sentence(reported: &Value) -> String {
    let number = |name: &str| reported[name].as_u64().unwrap_or(0);
    let calls = match (number("calls"), number("callsAtMost")) {
        (calls, most) if calls == most => format!("{calls} calls"),
        (calls, most) => format!("{calls} to {most} calls"),
    };
    let unknown = match number("unknown") {
        0 => String::new(),
        unknown => format!("; of {unknown} more it is unknown"),
    };
    let share = reported["busiest"]["ofDailyLimit"]
        .as_f64()
        .map_or(String::new(), |share| format!("; on its busiest day {:.1} % of a location's calls", share * 100.0));
    format!(
        "in the last {} days it would have run {} times, {calls}{share}{unknown}",
        number("days"),
        number("wouldRun")
    )
}
