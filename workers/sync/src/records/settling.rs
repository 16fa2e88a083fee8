//! How runs end that store what they read in GHL: they hand in what there is to store, and those
//! that end at the same time share a transaction.
//!
//! A run stores the same alone and beside others, by the same code: in a group, several runs store
//! one after the other, sorted by contact, and one statement closes them. Their rows are read
//! together before, as a scan reads those of a page ([`page`]); a record that reads differently is
//! locked and read again. The feed's counter is taken once, as the last step.
//!
//! If the group fails at one run, that run is left out, and the others go again at once: a zombie
//! learns that it is one, and a run that lost a race stores alone. If the database refuses a
//! statement that serves them all, it does not name the value at fault: then each stores alone,
//! once.

use std::collections::HashSet;

use jiff::Timestamp;
use sync_model::decide::absent::Unread;
use sync_model::decide::fields::Fields;
use sync_model::job::JobKind;
use sync_model::part::Part;
use sync_model::record::{Appointment, Note, Task};

use super::history::Via;
use super::line::{Asked, answer_alike};
use super::pull::{Parts, Snapshot};
use super::runs::{Run, Tx};
use super::sql::{sql, take_exactly, with_rows_between};
use super::{AnyEntry, Records, RecordsError, Write, page};

/// What a pull has to store, as its last step.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The run that ends with it.
    pub run: Run,
    /// What was fetched of its contact.
    pub parts: Parts,
    /// The revisions of before the first call.
    pub snapshot: Snapshot,
    /// What webhooks said that no call is needed for.
    pub reported: Reported,
    /// The parts that came, of those that were asked for.
    pub came: Vec<Part>,
    /// The others, with the reasons.
    pub missing: Vec<(Part, String)>,
}

/// What webhooks said of a contact and of what hangs on it.
#[derive(Debug, Clone, Default)]
pub struct Reported {
    /// Of the contact itself.
    pub contact: Option<ReportedContact>,
    /// The tags with which GHL created the contact, if it reported the creation.
    pub created: Option<Vec<String>>,
    /// Tasks, notes and appointments that GHL reported to be new.
    pub made: Vec<AnyEntry>,
    /// What writes without an answer asked of parts and events show: the job that writes it, the row, the fields.
    pub answers: Vec<(JobKind, String, Fields)>,
    /// Deleted parts, as they last were, each with the id of the webhook that said so.
    pub gone: Vec<(AnyEntry, String)>,
}

/// What an event said of a contact itself, in time.
#[derive(Debug, Clone)]
pub enum ReportedContact {
    /// These fields changed, or were shown for the first time.
    Fields {
        /// The contact's row.
        row_id: String,
        /// What is new.
        fields: Fields,
        /// GHL's time of the event.
        at: Timestamp,
        /// Fields that were not read before.
        shown: Unread,
        /// The id of the webhook that said so.
        webhook_id: String,
    },
    /// It is as it was known to be.
    Confirmed {
        /// The contact's row.
        row_id: String,
        /// GHL's time of the event.
        at: Timestamp,
    },
}

/// Why a group was not stored.
enum Failed {
    /// At these runs, by their places.
    At(Vec<usize>, RecordsError),
    /// It is unknown at which.
    All(RecordsError),
}

type Settling = Asked<Settlement, ()>;

impl Settlement {
    /// Of a run that has nothing to store.
    #[must_use]
    pub fn nothing(run: Run) -> Self {
        let (parts, snapshot, reported) = (Parts::default(), Snapshot::default(), Reported::default());
        Self { run, parts, snapshot, reported, came: Vec::new(), missing: Vec::new() }
    }

    fn contact(&self) -> (&str, &str) {
        (&self.run.key.location_id, &self.run.key.record_id)
    }

    async fn store(&self, tx: &mut Tx) -> Result<(), RecordsError> {
        let contact_id = &self.run.key.record_id;
        if let Some(reported) = &self.reported.contact {
            tx.reported_of_contact(reported).await?;
        }
        tx.store_parts(contact_id, &self.parts, &self.snapshot).await?;
        self.reported.store(tx, contact_id).await?;
        tx.keep_missing(contact_id, &self.came, &self.missing).await
    }
}

impl Reported {
    /// Marks what was reported as deleted, and starts what waits for a contact's creation.
    async fn store(&self, tx: &mut Tx, contact_id: &str) -> Result<(), RecordsError> {
        let Self { contact: _, created, made, answers, gone } = self;
        if let Some(tags) = created {
            tx.contact_created(contact_id, tags).await?;
        }
        for made in made {
            match made {
                AnyEntry::Task(task) => tx.reported_created(task).await?,
                AnyEntry::Note(note) => tx.reported_created(note).await?,
                AnyEntry::Appointment(appointment) => tx.reported_created(appointment).await?,
            }
        }
        for (push, row_id, shown) in answers {
            match push {
                JobKind::PushTask => tx.entry_shown::<Task>(row_id, shown).await?,
                JobKind::PushNote => tx.entry_shown::<Note>(row_id, shown).await?,
                _ => tx.entry_shown::<Appointment>(row_id, shown).await?,
            }
        }
        let cause = tx.write.cause.clone();
        for (gone, webhook_id) in gone {
            tx.write.cause.via = Via::Webhook { webhook_id: webhook_id.clone() };
            match gone {
                AnyEntry::Task(task) => tx.reported_gone(contact_id, task).await?,
                AnyEntry::Note(note) => tx.reported_gone(contact_id, note).await?,
                AnyEntry::Appointment(appointment) => tx.reported_gone(contact_id, appointment).await?,
            }
        }
        tx.write.cause = cause;
        Ok(())
    }
}

impl Tx {
    /// Stores what an event said of the contact itself.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn reported_of_contact(&mut self, reported: &ReportedContact) -> Result<(), RecordsError> {
        match reported {
            ReportedContact::Fields { row_id, fields, at, shown, webhook_id } => {
                let via = Via::Webhook { webhook_id: webhook_id.clone() };
                let before = std::mem::replace(&mut self.write.cause.via, via);
                self.contact_reported(row_id, fields, *at, shown).await?;
                self.write.cause.via = before;
                Ok(())
            }
            ReportedContact::Confirmed { row_id, at } => self.contact_received(row_id, *at).await,
        }
    }
}

impl Records {
    /// Stores what a run hands in and closes the run as done, in one transaction, which may be that of others as well.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when another run has taken over, [`RecordsError::Erased`], [`RecordsError::Database`]; nothing is kept then.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), RecordsError> {
        // What a flow waits for is decided by what else the flow did.
        if !settlement.run.steps.is_empty() {
            return self.settle_alone(&settlement).await;
        }
        let records = self.clone();
        let lead = move |asked| {
            let records = records.clone();
            async move { records.settle_together(asked).await }
        };
        self.lines.settlements.ask(settlement, lead, is_of_another_contact).await
    }

    /// Stores what a run hands in and leaves the run open: progress that must not be lost with what comes of the rest.
    ///
    /// # Errors
    /// See [`Records::settle`].
    pub async fn settle_in_part(&self, settlement: &Settlement) -> Result<(), RecordsError> {
        let mut tx = self.begin(&settlement.run).await?;
        settlement.store(&mut tx).await?;
        tx.keep_open().await
    }

    async fn settle_alone(&self, settlement: &Settlement) -> Result<(), RecordsError> {
        let mut tx = self.begin(&settlement.run).await?;
        settlement.store(&mut tx).await?;
        tx.close_run(&[]).await
    }

    async fn settle_together(&self, mut group: Vec<Settling>) {
        // In one order, whichever run leads: two groups that lock the same rows wait for each other, and not both at once.
        group.sort_by(|one, other| one.question.contact().cmp(&other.question.contact()));
        while !group.is_empty() {
            let settlements: Vec<_> = group.iter().map(|one| &one.question).collect();
            match self.try_settle(&settlements).await {
                Ok(()) => return group.into_iter().for_each(|one| one.answer(Ok(()))),
                Err(Failed::All(error)) if error.is_passing() && !error.is_race() => return answer_alike(group, error),
                Err(Failed::All(error)) => {
                    tracing::debug!(%error, runs = group.len(), "runs that end together store alone");
                    return group.into_iter().for_each(|one| self.settle_apart(one));
                }
                Err(Failed::At(places, error)) => {
                    tracing::debug!(%error, runs = places.len(), "runs are left out of those that end together");
                    let is_lost = matches!(error, RecordsError::LostRun(_));
                    let mut places = places.into_iter().peekable();
                    for (place, one) in std::mem::take(&mut group).into_iter().enumerate() {
                        if places.next_if_eq(&place).is_none() {
                            group.push(one);
                        } else if is_lost {
                            let key = one.question.run.key.clone();
                            one.answer(Err(RecordsError::LostRun(key)));
                        } else {
                            self.settle_apart(one);
                        }
                    }
                }
            }
        }
    }

    /// Lets a run store alone, beside what goes on.
    fn settle_apart(&self, one: Settling) {
        let records = self.clone();
        tokio::spawn(async move {
            let outcome = records.settle_alone(&one.question).await;
            one.answer(outcome);
        });
    }

    async fn try_settle(&self, group: &[&Settlement]) -> Result<(), Failed> {
        let mut write = self.write_over(&self.often).await.map_err(Failed::All)?;
        let contacts: Vec<_> = group.iter().map(|one| one.contact()).collect();
        page::read_beside(&mut write, &contacts).await.map_err(Failed::All)?;
        for (place, one) in group.iter().enumerate() {
            write.cause = one.run.cause();
            let mut tx = Tx::of(write, &one.run);
            one.store(&mut tx).await.map_err(|error| Failed::At(vec![place], error))?;
            write = tx.write;
        }
        page::flush(&mut write).await.map_err(Failed::All)?;
        at(group, RecordsError::Raced, |one| {
            write.page.lost().iter().any(|(location, contact)| (location.as_str(), contact.as_str()) == one.contact())
        })?;
        let closed = close(&mut write, group).await.map_err(Failed::All)?;
        let is_lost = |one: &Settlement| !one.run.ids.iter().all(|id| closed.contains(id));
        if let Some(lost) = group.iter().find(|one| is_lost(one)) {
            at(group, RecordsError::LostRun(lost.run.key.clone()), is_lost)?;
        }
        match write.commit().await {
            Err(RecordsError::Erased { contact_id }) => {
                let is_about = |one: &Settlement| one.run.key.record_id == contact_id;
                at(group, RecordsError::Erased { contact_id: contact_id.clone() }, is_about)?;
                Err(Failed::All(RecordsError::Erased { contact_id }))
            }
            outcome => outcome.map_err(Failed::All),
        }
    }
}

fn is_of_another_contact(taken: &[Settling], one: &Settlement) -> bool {
    taken.iter().all(|taken| taken.question.contact() != one.contact())
}

/// An error where runs of the group are at fault.
fn at(group: &[&Settlement], error: RecordsError, is_at_fault: impl Fn(&Settlement) -> bool) -> Result<(), Failed> {
    let places: Vec<_> = (0..group.len()).filter(|place| is_at_fault(group[*place])).collect();
    if places.is_empty() { Ok(()) } else { Err(Failed::At(places, error)) }
}

/// Closes the rows of all of them as done; the ids of those that were still theirs.
async fn close(write: &mut Write, group: &[&Settlement]) -> Result<HashSet<String>, RecordsError> {
    let now_ms = write.now_ms;
    let mut rows: Vec<_> = group.iter().flat_map(|one| one.run.ids.iter().map(|id| (id, one.run.epoch))).collect();
    rows.sort_unstable();
    let (mut left, mut closed) = (rows.as_slice(), HashSet::new());
    while !left.is_empty() {
        let batch = take_exactly(&mut left);
        let query = sqlx::query_scalar(with_rows_between(sql!("close_runs"), 1, batch.len(), 2, ") returning id"));
        let query = batch.iter().fold(query.bind(now_ms), |query, (id, epoch)| query.bind(*id).bind(*epoch));
        closed.extend(query.fetch_all(write.conn()).await?);
    }
    Ok(closed)
}
