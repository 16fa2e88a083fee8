//! What is kept: the ledger of accepted events and the records they changed, on SQLite or PostgreSQL.
//!
//! The database is the truth and the queue is disposable: an event is accepted once its ledger row is committed, and
//! its work is pending until a run closes the row in the same transaction that writes the records.
//!
//! One SQL text serves both databases, by way of sqlx's `Any` driver: columns are text or bigint, times are
//! milliseconds since 1970. The trap is SQLite's single writer: a transaction that reads first and writes later fails
//! at once when another wrote in between, whatever its busy timeout. So every writer of this process waits at one gate
//! and begins with `begin immediate`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{AnyConnection, AnyPool, Connection as _};
use sync_model::clock::Clock;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use sync_model::decide::merge::Policies;
use sync_model::decide::rules::TaskRule;

pub use self::accept::{AcceptError, Accepted, Refusal};
pub use self::activity::{Activity, Sign};
pub use self::api_keys::{ApiKey, KEY_ENDS_SOON, KeyPlace, NewKey, Opened, Places, Role, hour_of};
pub use self::at_hand::AtHand;
pub use self::audit::{Act as AuditAct, Action, AuditFault, AuditFilter, AuditReport, AuditRow, FaultKind};
pub use self::calls::Called;
pub use self::conflicts::KeptConflict;
pub use self::connections::{Connection, ConnectionKind};
pub(crate) use self::contacts::PushStep;
pub use self::contacts::{Bringing, ContactReply, ContactRow};
pub use self::detected_change::{Found, Needs, RECONCILE_SOURCE};
pub use self::diagnosis::cause_of_failure;
pub use self::enrichments::{
    Answer, Asked, Ceilings, Enriched, Enrichment, KnownAnswer, Question, Reserved, Settle, Spend, StoredKey, Undone,
};
pub use self::entries::{AnyEntry, Entry, EntryRow, NoteRow, SetAside, TaskRow};
pub use self::erase::Receipt;
pub use self::error::RecordsError;
pub use self::event_ids::ProducerId;
pub use self::feed::{ChangeItem, ChangeOp, LATEST, Origin, SyncOf};
pub use self::files::make_folder;
pub use self::flows::{
    BrokenFlow, DeadRun, Expected, FlowRun, FlowSecret, FlowVersion, KEPT as TOUCHES_KEPT, KeptFlow, Knows, Logged,
    MOST_FLOWS, NewRun, NewVersion, NoChange, PastChange, PastWebhook, RUN_OUTCOMES, RunFilter, RunJob, RunJobs,
    StepOf, Touch,
};
pub use self::forget::{Old, Place};
pub use self::history::{Earlier, FieldChange, HistoryItem, HistoryQuery, Link, Moment, Past, PastView, Via, Why};
pub use self::hooks::event as hook_event;
pub use self::hooks::message_id::{message_id, read_message_id};
pub use self::hooks::{
    Delivery, Hook, HookEdit, HookKind, HookState, MOST_HOOKS, MOST_OF_A_KEY, NewHook, NoHook, Owed, OwedChange,
    OwedKey, Pumped, Recovery, Settled, Tried,
};
pub use self::ledger::{DONE_COUNTED, Decision, Discarded, FailedAttempt, JobFilter, LedgerEntry, OpenJob};
pub use self::mappings::{FieldPreview, Held, KeptMapping, MappingVersion, NoMapping, Preview, UnmappedValue};
pub use self::merging::Edits;
pub use self::missing::{MissingCount, MissingPart, MissingParts};
pub use self::notices::{NoticeItem, Turn};
pub use self::opening::Options;
pub use self::overview::{DeadLetter, ListedRun};
pub use self::principal::{Actor, Principal};
pub use self::processes::{NewProcess, Process};
pub use self::pull::{Parts, Pulled, Snapshot};
pub use self::runs::{FollowUp, Run, Tx};
pub use self::scans::{Beside, Difference, Finding, Known, Phase, Purpose, Reached, Scan};
pub use self::settling::{Reported, ReportedContact, Settlement};
pub(crate) use self::tokens::{CLOCKS_MS, LONGEST_REST_MS};
pub use self::tokens::{Failed, Holder, NewToken, StoredToken, TokenState};
pub use self::unanswered::IsBack;
pub use self::unpushed::Looked;
pub use self::views::{ContactView, ListQuery, Page, Shown, TaskView};
pub use self::webhooks::{
    NewWebhook, StoredWebhook, UnreadableWebhook, WEBHOOK_SOURCE, WebhookOutcome, WebhookResult, WebhookWork, is_late,
};
pub use sync_model::change::{
    Act, AppointmentChange, Change, ContactChange, ContactPatch, EntryChange, NoteChange, TaskChange,
};
pub use sync_model::job::{JobKey, JobKind, JobState, REFRESHES_FIELDS};
pub use sync_model::part::Part;
pub use sync_model::patch::{AppointmentPatch, Kept, NotePatch, TaskPatch};

mod accept;
mod activity;
mod api_keys;
mod api_version;
mod at_hand;
mod audit;
mod calls;
mod change;
mod conflicts;
mod connections;
mod contacts;
mod context;
mod custom_fields;
mod deployment;
mod detected_change;
mod diagnosis;
mod enrichments;
mod entries;
mod erase;
mod error;
mod event_ids;
mod fault;
mod feed;
mod files;
mod flows;
mod forget;
mod group;
mod history;
mod hooks;
mod installs;
mod intents;
mod kills;
mod ledger;
mod line;
mod lines;
mod mappings;
mod merging;
mod migrations;
mod missing;
mod notices;
mod opening;
mod order;
mod overview;
mod page;
mod principal;
mod processes;
mod pull;
mod refusals;
mod reported_times;
mod rules;
mod runs;
mod scans;
mod schema;
mod settling;
mod sql;
mod starting;
mod taking_back;
#[cfg(test)]
mod tests;
mod tokens;
mod triggers;
mod unanswered;
mod unpushed;
mod views;
mod webhooks;
mod write;
mod write_check;

use flows::in_force::InForce;
use group::Group;
use mappings::in_force::MappingsInForce;
use write::{NotEnqueued, Write};
use write_check::WriteCheck;

/// The records database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Records {
    pool: AnyPool,
    /// For the few statements that each job needs, and for no others: see [`opening`].
    often: AnyPool,
    /// SQLite's one connection that writes: its cache of pages and its prepared statements stay good, since no other one writes meanwhile. On PostgreSQL
    /// as `pool`.
    writer: AnyPool,
    lines: lines::Lines,
    sqlite: bool,
    gate: Arc<Semaphore>,
    /// The turn of one scan to write: of this process no more than one of them has a connection, or waits for the feed's counter, before
    /// those that somebody waits for.
    scans: Arc<Semaphore>,
    /// Who uses this handle.
    principal: Arc<Principal>,
    clock: Clock,
    policies: Arc<Policies>,
    rules: Arc<[TaskRule]>,
    flows: Arc<InForce>,
    mappings: Arc<MappingsInForce>,
    remember_event_ids: Duration,
    not_enqueued: Arc<Mutex<NotEnqueued>>,
    group: Arc<Group>,
    writes: Arc<WriteCheck>,
    turn_due: Duration,
    noted: Arc<activity::Noted>,
    marked: Arc<activity::Marked>,
    /// Holds the lock of [`Records::hold_alone`].
    alone: Arc<tokio::sync::Mutex<Option<sqlx::AnyConnection>>>,
}

impl Records {
    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn ping(&self) -> Result<(), RecordsError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Whether the database answers on a new connection: those of the pool may all be waiting for each other.
    async fn is_alive(&self, due: Duration) -> bool {
        let connect = self.pool.connect_options();
        let answers = async {
            let mut connection = AnyConnection::connect_with(&connect).await?;
            sqlx::query("select 1").execute(&mut connection).await?;
            connection.close().await
        };
        timeout(due, answers).await.is_ok_and(|answer: Result<(), sqlx::Error>| answer.is_ok())
    }

    /// Who wins where both sides edited a field.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Whether the records are a file that only the processes of one machine can share.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Waits for running statements and closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
        self.often.close().await;
        self.writer.close().await;
    }
}
