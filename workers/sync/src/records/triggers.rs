//! Triggers: what happens to contacts in GHL, and what it starts: tasks of rules, and runs of
//! flows. The code calls a trigger an trigger.
//!
//! Both start in the transaction that stores what happened: a repeated, late or retried event finds
//! it stored, and starts nothing. GHL may report a creation any number of times; a row for contact
//! and rule or flow records that it was handled. GHL's report of our own write is no trigger, so no
//! flow starts another, or itself.

use std::sync::PoisonError;

use sync_model::decide::rules::{Trigger, lost_tags, new_tags};
use sync_model::record::Contact;

use super::contacts::{self, ContactRow};
use super::runs::{FollowUp, Tx};
use super::sql::sql;
use super::{Records, RecordsError, Write, flows, page, rules};
use crate::flows::{ANY_TAG, Flow, On};

impl Records {
    /// Whether anything waits for what happens to contacts.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn has_triggers(&self) -> Result<bool, RecordsError> {
        Ok(!self.rules.is_empty() || waiting(&self.flows_in_force().await?).next().is_some())
    }

    /// The contacts whose creation in GHL was announced by a push and is not known to have happened.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn announced_contacts(&self, location_id: &str) -> Result<Vec<Contact>, RecordsError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql!("announced_contacts")).bind(location_id).fetch_all(&self.pool).await?;
        let parse = |(id, text): &(String, String)| {
            serde_json::from_str(text).map_err(|error| RecordsError::corrupt("contacts", id, &error))
        };
        rows.iter().map(parse).collect()
    }

    /// The jobs of this process's commits that are not enqueued yet.
    #[must_use]
    pub fn take_pending(&self) -> Vec<FollowUp> {
        std::mem::take(&mut self.not_enqueued.lock().unwrap_or_else(PoisonError::into_inner).jobs)
    }
}

impl Tx {
    /// GHL reported that it created the contact, with these tags. One that Clienty created is no news, whatever ids lead to it. Whether anything came of
    /// it.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_created(&mut self, contact_id: &str, tags: &[String]) -> Result<bool, RecordsError> {
        let write = &mut self.write;
        let (rules, flows) = (write.rules.clone(), write.flows.clone());
        let mut made = false;
        if rules.is_empty() && waiting(&flows).next().is_none() {
            return Ok(made);
        }
        page::flush(write).await?;
        let location_id = self.run.key.location_id.clone();
        let row = contacts::find(write.conn(), &location_id, contact_id).await?;
        let Some(row) = row.filter(|row| row.is_visible() && !row.is_made_here()) else { return Ok(made) };
        let applies = |on: &Trigger| match on {
            Trigger::Created => true,
            // Or has got since, before anything was known of it here.
            Trigger::Tagged(tag) => tags.contains(tag) || has_from_ghl(&row, tag),
            Trigger::Untagged(_) => false,
        };
        for rule in rules.iter().filter(|rule| applies(&rule.on)) {
            if !rules::has_made(write, &row, rule).await? {
                made |= rules::make(write, &row, rule, false).await?;
            }
        }
        let given = row.base.iter().flat_map(|base| &base.tags).filter(|tag| has_from_ghl(&row, tag));
        let mut all: Vec<&str> = given.chain(tags).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        for (flow, on) in each(&flows, &all, &[]).filter(|(_, on)| applies(on)) {
            made |= flows::starting::start_for(write, &row, flow, &on, false).await?;
        }
        Ok(made)
    }
}

/// GHL holds `theirs` of a contact that was known as `row`: begins what waits for its new tags, and for those that it lost.
pub(super) async fn tagged(write: &mut Write, row: &ContactRow, theirs: &Contact) -> Result<(), RecordsError> {
    // Which tags of a contact that was never read are new is unknown. One that comes back is known as it was.
    let known = match (row.is_visible(), &row.base) {
        (true, base) => base.as_ref(),
        (false, None) => Some(&row.doc),
        (false, Some(_)) => None,
    };
    let Some(base) = known.filter(|_| row.synced_at_ms > 0) else { return Ok(()) };
    let (rules, flows) = (write.rules.clone(), write.flows.clone());
    if rules.is_empty() && flows.is_empty() {
        return Ok(());
    }
    let (new, lost) = (new_tags(base, &row.doc, theirs), lost_tags(base, &row.doc, theirs));
    let applies = |on: &Trigger| match on {
        Trigger::Created => false,
        Trigger::Tagged(tag) => new.contains(&tag.as_str()),
        Trigger::Untagged(tag) => lost.contains(&tag.as_str()),
    };
    let row = ContactRow { doc: theirs.clone(), ..row.clone() };
    for rule in rules.iter().filter(|rule| applies(&rule.on)) {
        // It may have had the tag before, and lost it.
        let another = rules::has_made(write, &row, rule).await?;
        rules::make(write, &row, rule, another).await?;
    }
    for (flow, on) in each(&flows, &new, &lost).filter(|(_, on)| applies(on)) {
        flows::starting::start_for(write, &row, flow, &on, true).await?;
    }
    Ok(())
}

/// GHL has the contact of `row` since our create sent it as `sent`, and holds these `tags`: those that it was not sent with were given there.
pub(super) async fn tagged_since_made(
    write: &mut Write,
    row: &ContactRow,
    sent: &Contact,
    tags: &[String],
) -> Result<(), RecordsError> {
    let (rules, flows) = (write.rules.clone(), write.flows.clone());
    let is_new = |tag: &String| tags.contains(tag) && !sent.tags.contains(tag) && !row.doc.tags.contains(tag);
    let applies = |on: &Trigger| matches!(on, Trigger::Tagged(tag) if is_new(tag));
    let mut there = row.clone();
    there.doc.tags = tags.to_vec();
    for rule in rules.iter().filter(|rule| applies(&rule.on)) {
        if !rules::has_made(write, &there, rule).await? {
            rules::make(write, &there, rule, false).await?;
        }
    }
    let all: Vec<&str> = tags.iter().map(String::as_str).collect();
    for (flow, on) in each(&flows, &all, &[]).filter(|(_, on)| applies(on)) {
        flows::starting::start_for(write, &there, flow, &on, false).await?;
    }
    Ok(())
}

/// The flows that wait for what happens to contacts.
fn waiting(flows: &[Flow]) -> impl Iterator<Item = (&Flow, &Trigger)> {
    flows.iter().filter_map(|flow| match &flow.on {
        Some(On::Contact(trigger)) => Some((flow, trigger)),
        Some(On::Event(_) | On::Changed { .. } | On::Webhook(_)) | None => None,
    })
}

/// The same, each with one trigger: who waits for any tag waits for each of these that are new, or lost.
fn each<'a>(flows: &'a [Flow], new: &[&str], lost: &[&str]) -> impl Iterator<Item = (&'a Flow, Trigger)> {
    let each_of = |tags: &[&str], made: fn(String) -> Trigger| -> Vec<Trigger> {
        tags.iter().map(|tag| made((*tag).to_owned())).collect()
    };
    waiting(flows).flat_map(move |(flow, on)| {
        let each: Vec<Trigger> = match on {
            Trigger::Tagged(tag) if tag == ANY_TAG => each_of(new, Trigger::Tagged),
            Trigger::Untagged(tag) if tag == ANY_TAG => each_of(lost, Trigger::Untagged),
            on => vec![on.clone()],
        };
        each.into_iter().map(move |on| (flow, on))
    })
}

fn has_from_ghl(row: &ContactRow, tag: &String) -> bool {
    row.base.as_ref().is_some_and(|base| base.tags.contains(tag)) && !row.fingerprints.has(&format!("tags.{tag}"))
}
