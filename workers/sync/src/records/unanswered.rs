//! What is read of a record while a write of it is unanswered, and the re-read that orders it
//! afterwards (laws 18 and 19).

use job_engine::Priority;
use sync_model::decide::fields::{Fields, difference, fields, with_fields};
use sync_model::decide::unanswered::Unanswered;
use sync_model::job::JobKind;
use sync_model::record::Contact;

use super::contacts::{self, ContactRow};
use super::entries::{self, Entry, EntryRow, text_of};
use super::history::Via;
use super::merging::{self, column};
use super::runs::{FollowUp, Run, Tx};
use super::sql::sql;
use super::{Records, RecordsError, Write, pull};

/// Owes the push of a contact.
pub(super) fn owe_contact(write: &mut Write, row: &ContactRow) {
    owe(write, JobKind::PushContact, &row.location_id, &row.row_id);
}

/// Owes the push of a task, note or appointment.
pub(super) fn owe_entry<E: Entry>(write: &mut Write, row: &EntryRow<E>) {
    owe(write, E::PUSH, &row.location_id, &row.row_id);
}

impl Tx {
    /// The contact is fetched once this is committed.
    pub fn fetch_contact(&mut self, contact_id: &str) {
        let location_id = self.run.key.location_id.clone();
        fetch_contact(&mut self.write, &location_id, contact_id);
    }
}

/// The contact is fetched once this is committed.
pub(super) fn fetch_contact(write: &mut Write, location_id: &str, contact_id: &str) {
    owe(write, JobKind::PullContact, location_id, contact_id);
}

fn owe(write: &mut Write, kind: JobKind, location_id: &str, record_id: &str) {
    write.pending.push(FollowUp {
        kind,
        location_id: location_id.to_owned(),
        record_id: record_id.to_owned(),
        priority: Priority::Realtime,
    });
}

/// GHL shows `shows` of a contact that a write is on its way to, or that moved since the showing began: null for what is not there. The row is one
/// that this transaction has locked.
pub(super) async fn meet_contact(
    write: &mut Write,
    mut row: ContactRow,
    shows: &Fields,
    is_newer: bool,
) -> Result<(), RecordsError> {
    if row.met(shows, is_newer) {
        contacts::save(write, &row, false).await?;
        owe_contact(write, &row);
    }
    Ok(())
}

/// As [`meet_contact`], for what a read of the whole contact shows.
pub(super) async fn meet_whole_contact(
    write: &mut Write,
    row: ContactRow,
    theirs: &Contact,
    is_newer: bool,
) -> Result<(), RecordsError> {
    let Some(base) = &row.base else { return Ok(()) };
    let shows = difference(&fields(base), &fields(&row.read(theirs)));
    meet_contact(write, row, &shows, is_newer).await
}

/// As [`meet_contact`], for a task, note or appointment as `theirs` shows it.
pub(super) async fn meet_entry<E: Entry>(
    write: &mut Write,
    row: &EntryRow<E>,
    theirs: &E,
    is_newer: bool,
) -> Result<(), RecordsError> {
    if row.base.as_ref().is_none_or(|base| *base == row.read(theirs) && !row.deleted) {
        return Ok(());
    }
    let Some(row) = entries::take::<E>(write, &row.row_id).await? else { return Ok(()) };
    let Some(base) = &row.base else { return Ok(()) };
    let shows = difference(&fields(base), &fields(&row.read(theirs)));
    meet_taken(write, row, &shows, is_newer).await
}

async fn meet_taken<E: Entry>(
    write: &mut Write,
    row: EntryRow<E>,
    shows: &Fields,
    is_newer: bool,
) -> Result<(), RecordsError> {
    let Some(base) = &row.base else { return Ok(()) };
    let (mut unanswered, mut fingerprints) = (row.unanswered.clone(), row.fingerprints.clone());
    let agreed = unanswered.meet(&fields(base), shows, is_newer, &mut fingerprints);
    unanswered.looks += i64::from(row.deleted);
    if unanswered == row.unanswered {
        return Ok(());
    }
    let answered = answered(&row.unanswered, &unanswered);
    sqlx::query(sql!("meet_entry"))
        .bind(text_of(&with_fields(base, &agreed)))
        .bind(column(&fingerprints))
        .bind(column(&unanswered.asked))
        .bind(unanswered.looks)
        .bind(column(&merging::unanswered(&row.edits, &answered, &fields(&row.doc))))
        .bind(&row.row_id)
        .execute(write.conn())
        .await?;
    owe_entry(write, &row);
    Ok(())
}

/// What was asked `before` and was shown since.
fn answered(before: &Unanswered, now: &Unanswered) -> Fields {
    let mut answered = before.asked.clone();
    answered.retain(|name, _| !now.asked.contains_key(name));
    answered
}

/// GHL's state of a task, note or appointment has to be looked at.
pub(super) async fn look_at_entry<E: Entry>(write: &mut Write, row: &EntryRow<E>) -> Result<(), RecordsError> {
    sqlx::query(sql!("look_at_entry")).bind(&row.row_id).bind(&row.location_id).execute(write.conn()).await?;
    owe_entry(write, row);
    Ok(())
}

/// Whether what we deleted is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsBack {
    /// Nothing says so.
    No,
    /// It was met while the deletion was on its way; a look reports.
    Perhaps,
    /// It was read after it was gone: what the deletion's reply says is older.
    Yes,
}

impl IsBack {
    fn of(is_visible: bool, has_pending_look: bool) -> Self {
        match (is_visible, has_pending_look) {
            (true, _) => Self::Yes,
            (false, true) => Self::Perhaps,
            (false, false) => Self::No,
        }
    }
}

impl Tx {
    /// The look that the push of `row` owed shows `theirs`: the row follows, its edits stay, and nothing is unanswered any more. Not where the
    /// row took in another state during the look, which may be the newer one: then it owes another look.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_looked(&mut self, row: &ContactRow, theirs: &Contact) -> Result<(), RecordsError> {
        let (location_id, row_id) = (&row.location_id, &row.row_id);
        let Some(now) = contacts::take(&mut self.write, location_id, row_id).await? else { return Ok(()) };
        if !now.is_looked_at_as(row) {
            return self.look_again().await;
        }
        self.write.cause.via = Via::Look;
        contacts::follow(&mut self.write, now, theirs).await?;
        sqlx::query(sql!("contact_looked")).bind(location_id).bind(row_id).execute(self.write.conn()).await?;
        Ok(())
    }

    /// As [`Tx::contact_looked`], for a task, note or appointment.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry_looked<E: Entry>(&mut self, row: &EntryRow<E>, theirs: &E) -> Result<(), RecordsError> {
        let Some(now) = entries::take::<E>(&mut self.write, &row.row_id).await? else { return Ok(()) };
        if !now.is_looked_at_as(row) {
            return self.look_again().await;
        }
        self.write.cause.via = Via::Look;
        pull::follow(&mut self.write, &now, theirs).await?;
        sqlx::query(sql!("entry_looked")).bind(&row.row_id).execute(self.write.conn()).await?;
        Ok(())
    }

    /// A webhook of after the write was announced shows `shown` of what it asked of a task, note or appointment.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry_shown<E: Entry>(&mut self, row_id: &str, shown: &Fields) -> Result<(), RecordsError> {
        match entries::take::<E>(&mut self.write, row_id).await? {
            Some(row) => meet_taken(&mut self.write, row, shown, true).await,
            None => Ok(()),
        }
    }

    /// As [`Tx::contact_stays_gone`], for a task, note or appointment.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry_stays_gone<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<bool, RecordsError> {
        let Some(now) = entries::take::<E>(&mut self.write, &row.row_id).await? else { return Ok(true) };
        let is_met = !now.is_looked_at_as(row);
        if !is_met {
            sqlx::query(sql!("entry_looked")).bind(&row.row_id).execute(self.write.conn()).await?;
        }
        Ok(!is_met || !now.unanswered.needs_look())
    }

    /// Whether the contact was brought back in GHL while its deletion was on its way.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_is_back(&mut self, row_id: &str) -> Result<IsBack, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let row = contacts::take(&mut self.write, &location_id, row_id).await?;
        Ok(row.map_or(IsBack::No, |row| IsBack::of(row.is_visible(), row.unanswered.needs_look())))
    }

    /// A look shows that the deleted contact of `row` was not brought back: it owes no look any more. Not where it was met since the look began.
    /// Whether it owes none.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_stays_gone(&mut self, row: &ContactRow) -> Result<bool, RecordsError> {
        let (location_id, row_id) = (&row.location_id, &row.row_id);
        let Some(now) = contacts::take(&mut self.write, location_id, row_id).await? else { return Ok(true) };
        let is_met = !now.is_looked_at_as(row);
        if !is_met {
            sqlx::query(sql!("contact_looked")).bind(location_id).bind(row_id).execute(self.write.conn()).await?;
        }
        Ok(!is_met || !now.unanswered.needs_look())
    }

    /// As [`Tx::contact_is_back`], for a task, note or appointment.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry_is_back<E: Entry>(&mut self, row_id: &str) -> Result<IsBack, RecordsError> {
        let row = entries::take::<E>(&mut self.write, row_id).await?;
        Ok(row.map_or(IsBack::No, |row| IsBack::of(!row.deleted, row.unanswered.needs_look())))
    }

    /// The record that is gone has to be looked at.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn look_again(&mut self) -> Result<(), RecordsError> {
        let key = self.run.key.clone();
        let text = match JobKind::parse(&key.kind) {
            Some(JobKind::PushContact) => sql!("look_at_contact"),
            _ => sql!("look_at_entry"),
        };
        let query = sqlx::query(text).bind(&key.record_id).bind(&key.location_id);
        query.execute(self.write.conn()).await?;
        Ok(())
    }
}

impl Records {
    /// Forgets what was met of a record before its deletion is sent: what is met from now on may be its restoration. Only while `run` holds its
    /// ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn begin_deletion(&self, run: &Run) -> Result<(), RecordsError> {
        let none = Fields::new();
        match JobKind::parse(&run.key.kind) {
            Some(JobKind::PushContact) => {
                self.ask(sql!("begin_contact_deletion"), run, &run.key.record_id, &none).await
            }
            _ => self.ask(sql!("begin_entry_deletion"), run, &run.key.record_id, &none).await,
        }
    }
}
