//! `enrich_contact`: looks up elsewhere what is missing of a contact, provider after provider, until everything wanted is there.
//!
//! What a provider answered is stored before the contact takes it, so a run that ends between the two asks no one again. The trap is the money of a call
//! whose answer was lost: its note stays, counts as paid, and keeps the provider from being asked again until the note has expired.
//!
//! A ceiling or a provider's limit makes the contact wait with the reason; a provider that is broken or has no key is passed over.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Environment, JobError};
use crate::enrich::{Enricher, Keys, LookupOutcome, Provider, Reply, Turn};
use crate::records::{Answer, Bringing, Ceilings, ContactRow, KnownAnswer, Question, Reserved, Run, Settle};

/// Calls of one run, at their slowest; a longer order than that goes on in the next run, from what is known by then.
pub(super) const MOST_CALLS: u8 = 8;
/// Between two looks at what passes soon.
const SOON: Duration = Duration::from_secs(1);
/// After so long without an answer a call is lost: no request takes half of it.
const LOST: Duration = Duration::from_secs(60);
/// A contact that waits for money looks again after so long: the ceiling may have been raised.
const LOOK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// What came of one provider.
enum Came {
    /// What it knows.
    Found(Answer),
    /// Nothing, and the next one is asked.
    Nothing,
    /// It can't be asked now. The others go on where `is_last` is false.
    Wait { why: String, wait: Duration, is_last: bool },
}

pub(super) async fn run(environment: &Environment, run: &Run) -> Result<(), JobError> {
    let records = &environment.records;
    let connection = records.connection(&run.key.location_id).await?;
    if !connection.is_some_and(|connection| connection.is_connected()) {
        return Err(JobError::NotConnected);
    }
    let Some(row) = contact(environment, run).await? else { return close(environment, run).await };
    let enricher = &environment.enricher;
    if let Some(withheld) = enricher.rules.withheld(&row.doc) {
        tracing::info!(job.id = run.ids.first(), reason = withheld.as_str(), "a contact is not looked up");
        return close(environment, run).await;
    }
    let mut waits = None;
    let mut calls = 0;
    for provider in enricher.providers.iter() {
        let Some(row) = contact(environment, run).await? else { break };
        let open = records.open_fields(&row, &enricher.rules.want, enricher.rules.overwrite).await?;
        let wanted: Vec<&str> = provider.gives().filter(|name| open.iter().any(|open| open == name)).collect();
        let keys = Keys::of(&row.doc);
        if wanted.is_empty() || !provider.can_ask(&keys) {
            continue;
        }
        if provider.calls() {
            calls += 1;
            if calls > MOST_CALLS {
                return Err(JobError::NeedsMorePermits);
            }
        }
        let asking = Asking { environment, enricher, run, row: &row, provider, keys: &keys };
        match asking.ask().await? {
            Came::Found(finding) => {
                let mut tx = records.begin(run).await?;
                let filled = tx.enrich(&row.row_id, &finding, enricher.rules.overwrite).await?.filled.len();
                tx.keep_open().await?;
                tracing::debug!(enrich.provider = provider.name, fields = filled, "a contact was enriched");
            }
            Came::Nothing => {}
            Came::Wait { why, wait, is_last } => {
                waits.get_or_insert((why, wait));
                if is_last {
                    break;
                }
            }
        }
    }
    environment.report_pending().await;
    match waits {
        Some((why, wait)) if is_missing(environment, run).await? => Err(JobError::AwaitsProvider { why, wait }),
        _ => close(environment, run).await,
    }
}

async fn close(environment: &Environment, run: &Run) -> Result<(), JobError> {
    Ok(environment.records.begin(run).await?.close_run(&[]).await?)
}

/// The contact as it is now; none where it is deleted, or its data was erased. While GHL has yet to get it, or to show what it holds, the run waits.
async fn contact(environment: &Environment, run: &Run) -> Result<Option<ContactRow>, JobError> {
    let records = &environment.records;
    let (location_id, id) = (&run.key.location_id, &run.key.record_id);
    let row = match records.find_contact(location_id, id).await? {
        None if records.bringing(location_id, id).await? == Bringing::UnderWay => {
            return Err(JobError::Deferred { wait: SOON });
        }
        None => records.find_contact(location_id, id).await?,
        row => row,
    };
    let Some(row) = row else {
        if records.erasure(location_id, id).await?.is_some() {
            return Ok(None);
        }
        let reason = "no contact of that id is kept here; an event contact.selected fetches it".to_owned();
        return Err(JobError::NotEnriched { reason });
    };
    if row.is_visible() && (row.is_pending() || row.is_unread()) {
        return Err(JobError::AwaitsContact { wait: SOON * 10 });
    }
    Ok(Some(row).filter(ContactRow::is_visible))
}

async fn is_missing(environment: &Environment, run: &Run) -> Result<bool, JobError> {
    let Some(row) = contact(environment, run).await? else { return Ok(false) };
    let rules = &environment.enricher.rules;
    Ok(!environment.records.open_fields(&row, &rules.want, rules.overwrite).await?.is_empty())
}

/// One provider and one contact.
struct Asking<'a> {
    environment: &'a Environment,
    enricher: &'a Enricher,
    run: &'a Run,
    row: &'a ContactRow,
    provider: &'a Provider,
    keys: &'a Keys,
}

impl Asking<'_> {
    async fn ask(&self) -> Result<Came, JobError> {
        let (provider, records) = (self.provider, &self.environment.records);
        if !provider.calls() {
            return Ok(self.deduced());
        }
        let names = self.enricher.cache_names(provider, &self.run.key.location_id, self.keys);
        match records.known_answer(&names).await? {
            KnownAnswer::None => {}
            KnownAnswer::Match(finding) => {
                self.count(LookupOutcome::Cached);
                return Ok(Came::Found(finding));
            }
            KnownAnswer::Miss | KnownAnswer::Unknown => {
                self.count(LookupOutcome::Cached);
                return Ok(Came::Nothing);
            }
            KnownAnswer::Asked { at_ms, name, call_id } => {
                let age = self.environment.clock.now_ms().saturating_sub(at_ms);
                if u64::try_from(age).is_ok_and(|age| age < u64::try_from(LOST.as_millis()).unwrap_or(u64::MAX)) {
                    return Ok(self.wait("is being asked about this person by another job", SOON * 5, true));
                }
                records.give_answer_up(&name, &call_id).await?;
                self.count(LookupOutcome::Unknown);
                self.passed_over("an earlier call was lost; it counts as paid");
                return Ok(Came::Nothing);
            }
        }
        let Some(name) = names.first() else {
            self.count(LookupOutcome::NotConnected);
            self.passed_over("no master key is set");
            return Ok(Came::Nothing);
        };
        self.call(name).await
    }

    /// Of the contact's own keys.
    fn deduced(&self) -> Came {
        let fields = self.provider.deduce(self.keys);
        self.count(if fields.is_empty() { LookupOutcome::Miss } else { LookupOutcome::Match });
        let at_ms = self.environment.clock.now_ms();
        let expires_ms = at_ms.saturating_add(millis(self.provider.keeps));
        let provider = self.provider.name.clone();
        Came::Found(Answer { provider, fields, confidence: None, at_ms, expires_ms })
    }

    async fn call(&self, name: &str) -> Result<Came, JobError> {
        let (provider, enricher, records) = (self.provider, self.enricher, &self.environment.records);
        let secret = match enricher.secret(records, provider).await {
            Ok(secret) => secret,
            Err(crate::enrich::NoSecret::Records(error)) => return Err(error.into()),
            Err(error) => {
                self.count(LookupOutcome::NotConnected);
                self.passed_over(&error.to_string());
                return Ok(Came::Nothing);
            }
        };
        let pace = enricher.paces.get(&provider.name);
        match pace.map_or(Turn::Now, |pace| pace.turn(Instant::now())) {
            Turn::Now => {}
            Turn::In(wait) => return Ok(self.wait("is called as often as it allows", wait, true)),
            Turn::Broken => {
                self.count(LookupOutcome::Broken);
                self.passed_over("it failed again and again, or refuses its key");
                return Ok(Came::Nothing);
            }
        }
        let sent = provider.sends();
        let question = Question {
            provider: &provider.name,
            contact_id: &self.row.contact_id,
            name,
            cost: provider.cost(),
            sent: &sent,
            keeps_ms: millis(provider.keeps_misses),
        };
        let ceilings =
            Ceilings { provider_month: enricher.rules.provider_month, location_day: enricher.rules.location_day };
        let call = match records.reserve_call(self.run, &question, ceilings).await? {
            Reserved::Yes(call) => call,
            Reserved::Taken => return Ok(self.wait("is being asked about this person by another job", SOON, true)),
            Reserved::ProviderMonth(until) => {
                let why = format!(
                    "has used up its money for this month, which is enrich.provider_month = {}",
                    enricher.rules.provider_month
                );
                return Ok(self.out_of_money(&why, until));
            }
            Reserved::LocationDay(until) => {
                let why = format!(
                    "is not asked, as the location has used up its money for today, which is enrich.location_day = {}",
                    enricher.rules.location_day
                );
                return Ok(self.out_of_money(&why, until));
            }
        };
        // From here on the call counts as paid, whatever happens to this process.
        let reply = provider.ask(&enricher.door, self.keys, secret.as_ref()).await;
        let now = Instant::now();
        let (charged, settle, came) = self.means(reply, now);
        records.settle_call(self.run, &call, charged, &settle).await?;
        Ok(came)
    }

    /// What an answer costs, what is kept of it, and what comes of it.
    fn means(&self, reply: Reply, now: Instant) -> (sync_model::money::Money, Settle, Came) {
        let (provider, pace) = (self.provider, self.enricher.paces.get(&self.provider.name));
        match reply {
            Reply::Match { fields, confidence, credits } => {
                pace.inspect(|pace| pace.answered());
                self.count(LookupOutcome::Match);
                self.enricher.metrics.spent(&provider.name, credits);
                // No more is kept of a person than is wanted.
                let want = &self.enricher.rules.want;
                let fields: sync_model::decide::fields::Fields =
                    fields.into_iter().filter(|(name, _)| want.contains(name)).collect();
                let at_ms = self.environment.clock.now_ms();
                let keeps_ms = millis(provider.keeps);
                let finding = Answer {
                    provider: provider.name.clone(),
                    fields: fields.clone(),
                    confidence,
                    at_ms,
                    expires_ms: at_ms.saturating_add(keeps_ms),
                };
                (provider.costs(credits), Settle::Match { fields, confidence, keeps_ms }, Came::Found(finding))
            }
            Reply::Miss { credits } => {
                pace.inspect(|pace| pace.answered());
                self.count(LookupOutcome::Miss);
                self.enricher.metrics.spent(&provider.name, credits);
                let keeps_ms = millis(provider.keeps_misses);
                (provider.costs(credits), Settle::Miss { keeps_ms }, Came::Nothing)
            }
            Reply::Throttled { after } => {
                self.count(LookupOutcome::Throttled);
                let wait = pace.map_or(SOON * 60, |pace| pace.throttled(now, after));
                let came = self.wait("wants to be called less often", wait, true);
                (sync_model::money::Money::ZERO, Settle::Failed, came)
            }
            Reply::Refused => {
                pace.inspect(|pace| pace.refused(now));
                self.count(LookupOutcome::Broken);
                self.passed_over("it refuses its key, or its account has no credits left; `clienty-sync enrich connect` gives it another key");
                (sync_model::money::Money::ZERO, Settle::Failed, Came::Nothing)
            }
            Reply::Rejected { reason } => {
                pace.inspect(|pace| pace.answered());
                self.count(LookupOutcome::Broken);
                self.passed_over(&reason);
                (sync_model::money::Money::ZERO, Settle::Failed, Came::Nothing)
            }
            Reply::Failed { reason } => {
                pace.inspect(|pace| pace.failed(now));
                self.count(LookupOutcome::Broken);
                self.passed_over(&reason);
                (sync_model::money::Money::ZERO, Settle::Failed, Came::Nothing)
            }
            Reply::Unknown { reason } => {
                pace.inspect(|pace| pace.failed(now));
                self.count(LookupOutcome::Unknown);
                self.passed_over(&format!("{reason}; the call counts as paid and is not repeated by itself"));
                (provider.cost(), Settle::Unknown, Came::Nothing)
            }
        }
    }

    fn out_of_money(&self, why: &str, until: Timestamp) -> Came {
        self.count(LookupOutcome::OutOfMoney);
        let left = until.as_millisecond().saturating_sub(self.environment.clock.now_ms());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        self.wait(why, left.clamp(SOON, LOOK_AGAIN), false)
    }

    fn wait(&self, why: &str, wait: Duration, is_last: bool) -> Came {
        Came::Wait { why: format!("the provider {} {why}", self.provider.name), wait, is_last }
    }

    fn passed_over(&self, why: &str) {
        tracing::warn!(
            job.id = self.run.ids.first(),
            enrich.provider = self.provider.name,
            why,
            "a provider of enrichment is passed over"
        );
    }

    fn count(&self, outcome: LookupOutcome) {
        self.enricher.metrics.count(&self.provider.name, outcome);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
