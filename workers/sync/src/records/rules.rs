//! Tasks that rules make of what happens to contacts in GHL, each exactly once.
//!
//! A task is made in the transaction that takes in what happened: a repeated, late or retried event finds it taken in, and makes none. Its
//! id here tells its rule and its contact, so that a creation, which GHL may tell any number of times, makes one. It is a task like
//! those of producers: readers see it at once, and the ordinary push brings it to GHL, since both sides are to show the same and most
//! of those who will do it work there.
//!
//! What a task changes is no occasion for a rule, so none sets off another.

use std::sync::PoisonError;

use job_engine::Priority;
use uuid::Uuid;

use super::contacts::{self, ContactRow};
use super::entries::text_of;
use super::feed::{ChangeOp, Changed};
use super::job::JobKind;
use super::model::Contact;
use super::runs::{FollowUp, Tx};
use super::sql::sql;
use super::{Records, RecordsError, Write, page};
use crate::decide::rules::{Occasion, TaskRule, new_tags};

impl Records {
    /// Whether there is any rule.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
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

    /// The jobs that commits of this process owe and that the queue was not told of yet.
    #[must_use]
    pub fn take_owed(&self) -> Vec<FollowUp> {
        std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tx {
    /// GHL told that it created the contact, with these tags. One that Clienty created, or knows by an id of its own, is no news. Whether a
    /// task was made.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_created(&mut self, contact_id: &str, tags: &[String]) -> Result<bool, RecordsError> {
        let mut made = false;
        if self.write.rules.is_empty() {
            return Ok(made);
        }
        page::flush(&mut self.write).await?;
        let location_id = self.run.key.location_id.clone();
        let row = contacts::find(self.write.conn(), &location_id, contact_id).await?;
        let Some(row) = row.filter(|row| row.is_shown() && row.clienty_id.is_none()) else { return Ok(made) };
        for rule in self.write.rules.clone().iter() {
            let applies = match &rule.on {
                Occasion::Created => true,
                // Or has got since, before anything was known of it here.
                Occasion::Tagged(tag) => tags.contains(tag) || has_from_ghl(&row, tag),
            };
            if applies && !has_made(&mut self.write, &row, rule).await? {
                made |= make(&mut self.write, &row, rule, &first_id(&row, rule)).await?;
            }
        }
        Ok(made)
    }
}

/// GHL holds `theirs` of a contact that was known as `row`: makes the tasks of its new tags.
pub(super) async fn tagged(write: &mut Write, row: &ContactRow, theirs: &Contact) -> Result<(), RecordsError> {
    // Of a contact that was never read, nobody can tell which tags are new.
    let Some(base) = row.base.as_ref().filter(|_| row.is_shown() && !row.is_unread()) else { return Ok(()) };
    let rules = write.rules.clone();
    if rules.is_empty() {
        return Ok(());
    }
    let new = new_tags(base, &row.doc, theirs);
    for rule in rules.iter().filter(|rule| matches!(&rule.on, Occasion::Tagged(tag) if new.contains(&tag.as_str()))) {
        let mut id = first_id(row, rule);
        if has_made(write, row, rule).await? {
            // It had the tag before, and lost it.
            id = format!("{id}-{}", Uuid::now_v7());
        }
        let row = ContactRow { doc: theirs.clone(), ..row.clone() };
        make(write, &row, rule, &id).await?;
    }
    Ok(())
}

fn has_from_ghl(row: &ContactRow, tag: &String) -> bool {
    row.base.as_ref().is_some_and(|base| base.tags.contains(tag)) && !row.prints.has(&format!("tags.{tag}"))
}

fn first_id(row: &ContactRow, rule: &TaskRule) -> String {
    format!("rule-{}-{}", rule.name, row.contact_id)
}

async fn has_made(write: &mut Write, row: &ContactRow, rule: &TaskRule) -> Result<bool, RecordsError> {
    let made: i64 = sqlx::query_scalar(sql!("count_rule_tasks"))
        .bind(&row.location_id)
        .bind(&row.contact_id)
        .bind(first_id(row, rule))
        .fetch_one(write.conn())
        .await?;
    Ok(made > 0)
}

/// False where another transaction was faster.
async fn make(write: &mut Write, row: &ContactRow, rule: &TaskRule, clienty_id: &str) -> Result<bool, RecordsError> {
    let now_ms = write.now_ms;
    let row_id = Uuid::now_v7().to_string();
    let task = rule.task(&row.doc, super::ledger::timestamp(now_ms));
    let made = sqlx::query(sql!("create_rule_task"))
        .bind(&row_id)
        .bind(&row.location_id)
        .bind(&row.contact_id)
        .bind(clienty_id)
        .bind(text_of(&task))
        .bind(now_ms)
        .execute(write.conn())
        .await?;
    if made.rows_affected() == 0 {
        return Ok(false);
    }
    write.changed.push(Changed {
        location_id: row.location_id.clone(),
        contact_id: row.contact_id.clone(),
        record: "task",
        record_id: clienty_id.to_owned(),
        op: ChangeOp::Stored,
    });
    write.owed.push(FollowUp {
        kind: JobKind::PushTask,
        location_id: row.location_id.clone(),
        record_id: row_id,
        priority: Priority::Realtime,
    });
    Ok(true)
}
