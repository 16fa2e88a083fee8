//! What is kept: the ledger of accepted events and the records they changed, on SQLite or PostgreSQL.
//!
//! The database is the truth and the queue is disposable: an event is accepted once its ledger row is committed, and
//! its work is owed until a run closes the row in the same transaction that writes the records.
//!
//! One SQL text serves both databases, by way of sqlx's `Any` driver: columns are text or bigint, times are
//! milliseconds since 1970. The trap is SQLite's single writer: a transaction that reads first and writes later fails
//! at once when another wrote in between, whatever its busy timeout. So every writer of this process waits at one gate
//! and begins with `begin immediate`.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{AnyConnection, AnyPool, Connection as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::decide::merge::Policies;
use crate::decide::rules::TaskRule;
use crate::flows::Flow;

pub use self::accept::{AcceptError, Accepted, NewEvent, Refusal, Trigger};
pub use self::activity::{Activity, Sign};
pub use self::api_keys::ApiKey;
pub use self::calls::Called;
pub use self::change::{
    Act, AppointmentChange, AppointmentPatch, Change, ContactChange, ContactPatch, EntryChange, NoteChange, NotePatch,
    TaskChange, TaskPatch,
};
pub use self::conflicts::KeptConflict;
pub use self::connections::{Connection, ConnectionKind};
pub use self::contacts::{Bringing, ContactReply, ContactRow};
pub use self::diagnosis::cause_of_failure;
pub use self::entries::{AnyEntry, Entry, EntryRow, NoteRow, TaskRow};
pub use self::erase::Receipt;
pub use self::error::RecordsError;
pub use self::event_ids::ProducerId;
pub use self::feed::{ChangeItem, ChangeOp, LATEST, Origin, SyncOf};
pub use self::files::make_folder;
pub use self::flows::{DeadRun, FlowRun, KEPT as TOUCHES_KEPT, Knows, Logged, NewRun, StepOf, Touch};
pub use self::forget::Old;
pub use self::found::{Found, Needs, SWEEP_SOURCE};
pub use self::job::{JobKey, JobKind, JobState, REFRESHES_FIELDS};
pub use self::ledger::{Decision, Discarded, FailedAttempt, Job, JobFilter, OpenJob};
pub use self::merging::Edits;
pub use self::missing::{MissingCount, MissingPart, MissingParts, Part};
pub use self::processes::{NewProcess, Process};
pub use self::pull::{Parts, Pulled, Snapshot};
pub use self::runs::{FollowUp, Run, Tx};
pub use self::tokens::{Failed, Holder, NewToken, StoredToken, TokenState};
pub use self::unanswered::IsBack;
pub use self::unpushed::Looked;
pub use self::views::{ContactView, ListQuery, Page, Shown, TaskView};
pub use self::walks::{Beside, Finding, Known, Phase, Purpose, Reached, Verdict, Walk};
pub use self::webhooks::{
    NewWebhook, StoredWebhook, UnreadableWebhook, WEBHOOK_SOURCE, WebhookOutcome, WebhookResult, WebhookWork, is_late,
};

mod accept;
mod activity;
mod api_keys;
mod api_version;
mod calls;
mod change;
mod conflicts;
mod connections;
mod contacts;
mod custom_fields;
mod deployment;
mod diagnosis;
mod entries;
mod erase;
mod error;
mod event_ids;
mod fault;
mod feed;
mod files;
mod flows;
mod forget;
mod found;
mod group;
mod installs;
mod intents;
mod job;
mod kills;
mod ledger;
mod merging;
mod migrations;
mod missing;
pub mod model;
mod occasions;
mod order;
mod owed;
mod page;
mod processes;
mod pull;
mod refusals;
mod rules;
mod runs;
mod sql;
mod tokens;
mod unanswered;
mod unpushed;
mod views;
mod walks;
mod webhooks;
mod write_check;

use group::Group;
use write_check::WriteCheck;

/// `busy_timeout`: how long one connection waits for SQLite's lock while another *process* writes. `synchronous`: a commit waits for the disk,
/// so that what was answered 202 outlives a power cut.
const SQLITE_SETTINGS: &str = "
    pragma busy_timeout = 5000;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma foreign_keys = on;
    pragma secure_delete = on;
";

/// A process that stands still in the midst of a transaction keeps its locks, and all others wait for them. PostgreSQL ends that
/// transaction long before the process' lease is over; between two statements lies no work of ours that takes so long. Nor does a
/// statement, or its wait for a lock: what takes longer is ended and tried again. The keepalives are the server's, which so ends the
/// transactions of a machine that is gone; on this side each wait has an end of its own.
const POSTGRES_SETTINGS: &str = "
    set idle_in_transaction_session_timeout = '5s';
    set statement_timeout = '30s';
    set lock_timeout = '20s';
    set tcp_keepalives_idle = 20;
    set tcp_keepalives_interval = 5;
    set tcp_keepalives_count = 3;
";

/// Changes of a large table may take their time.
const UNHURRIED: &str = "set statement_timeout = 0; set lock_timeout = 0";

/// A connection that was idle for longer is asked for a sign of life before it is used.
const UNASKED: Duration = Duration::from_secs(1);

/// How long an idle connection may take to give one.
const ANSWER_DUE: Duration = Duration::from_secs(2);

/// How the database is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections of this process at most.
    pub max_connections: u32,
    /// How long [`Records::open`] waits for a database that is still starting.
    pub connect_timeout: Duration,
    /// How long a caller waits for one of them.
    pub acquire_timeout: Duration,
    /// How long a caller waits for SQLite's one turn to write.
    pub turn_timeout: Duration,
    /// Tells the time that is written into rows.
    pub clock: Clock,
    /// Who wins where both sides edited a field.
    pub policies: Policies,
    /// What makes tasks of contacts' events in GHL.
    pub rules: Vec<TaskRule>,
    /// What runs when something happens.
    pub flows: Vec<Flow>,
    /// For how long an event's id is remembered.
    pub remember_event_ids: Duration,
    /// Whether a missing SQLite file is made, with its folder.
    pub create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 16,
            connect_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(5),
            turn_timeout: Duration::from_secs(15),
            clock: Clock::system(),
            policies: Policies::default(),
            rules: Vec::new(),
            flows: Vec::new(),
            remember_event_ids: Duration::from_secs(30 * 24 * 60 * 60),
            create: true,
        }
    }
}

/// The records database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Records {
    pool: AnyPool,
    sqlite: bool,
    gate: Arc<Semaphore>,
    /// The turn of one walk to write: of this process no more than one of them has a connection, or waits for the feed's counter, before
    /// those that somebody waits for.
    walks: Arc<Semaphore>,
    clock: Clock,
    policies: Arc<Policies>,
    rules: Arc<[TaskRule]>,
    flows: Arc<[Flow]>,
    remember_event_ids: Duration,
    untold: Arc<Mutex<Untold>>,
    group: Arc<Group>,
    writes: Arc<WriteCheck>,
    turn_due: Duration,
    noted: Arc<activity::Noted>,
}

/// What commits of this process leave to tell others.
#[derive(Debug, Default)]
struct Untold {
    /// The queue: jobs that are owed.
    jobs: Vec<FollowUp>,
    /// Whoever counts: flows of which a run ended, and how.
    runs: Vec<(String, String)>,
}

impl Records {
    /// Opens `sqlite://path` (made if missing, with its folder, where [`Options::create`] says so) or `postgres://…`. Does not migrate.
    ///
    /// # Errors
    /// [`RecordsError::Url`] for any other URL, [`RecordsError::Database`] when there is no connection to be had.
    pub async fn open(url: &str, options: Options) -> Result<Self, RecordsError> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let url = if sqlite { sqlite_url(url, options.create)? } else { url.to_owned() };
        if !sqlite && !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            return Err(RecordsError::Url("it begins with neither sqlite: nor postgres:"));
        }
        let connect: AnyConnectOptions = url.parse().map_err(|_| RecordsError::Url("it is not a URL"))?;
        let pool = AnyPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            // In its place: `check`, which has an end.
            .test_before_acquire(false)
            .before_acquire(|connection, met| Box::pin(check(connection, met)))
            .after_release(|connection, met| Box::pin(check(connection, met)))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    match sqlite {
                        true => set_up_sqlite(connection).await,
                        false => sqlx::raw_sql(POSTGRES_SETTINGS).execute(connection).await.map(drop),
                    }
                })
            })
            .connect_lazy_with(connect);
        let deadline = Instant::now() + options.connect_timeout;
        loop {
            match pool.acquire().await {
                Ok(_) => break,
                // A server that is starting; the pool has asked again and again meanwhile.
                Err(sqlx::Error::PoolTimedOut) if Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            pool,
            sqlite,
            gate: Arc::new(Semaphore::new(1)),
            walks: Arc::new(Semaphore::new(1)),
            clock: options.clock,
            policies: Arc::new(options.policies),
            rules: options.rules.into(),
            flows: options.flows.into(),
            remember_event_ids: options.remember_event_ids,
            untold: Arc::default(),
            group: Arc::default(),
            writes: Arc::default(),
            turn_due: options.turn_timeout,
            noted: Arc::default(),
        })
    }

    /// Brings the tables up to date. Processes that do so at once wait for each other.
    ///
    /// # Errors
    /// [`RecordsError::Migration`], also when the database is newer than this program or a released migration was
    /// edited.
    pub async fn migrate(&self) -> Result<(), RecordsError> {
        self.check_not_newer().await?;
        let _gate = self.gate().await?;
        let mut connection = self.pool.acquire().await?;
        if !self.sqlite {
            sqlx::raw_sql(UNHURRIED).execute(&mut *connection).await?;
        }
        let migrated = migrations::all().run_direct(None, &mut *connection, false).await;
        // It has the settings of a migration, and perhaps its locks.
        connection.close().await?;
        Ok(migrated?)
    }

    /// The names of migrations that [`Records::migrate`] would run.
    ///
    /// # Errors
    /// [`RecordsError::Migration`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, RecordsError> {
        let applied = self.applied_migrations().await?;
        let all = migrations::all();
        let pending = all.iter().filter(|migration| !applied.contains(&migration.version));
        Ok(pending.map(|migration| migration.description.to_string()).collect())
    }

    /// Whether the schema is the one of this program; changes nothing.
    ///
    /// # Errors
    /// [`RecordsError::SchemaOlder`] or [`RecordsError::SchemaNewer`].
    pub async fn check_schema(&self) -> Result<(), RecordsError> {
        self.check_not_newer().await?;
        match self.pending_migrations().await?.len() {
            0 => Ok(()),
            pending => Err(RecordsError::SchemaOlder { pending }),
        }
    }

    /// The number of this program's last migration.
    #[must_use]
    pub fn newest_migration() -> i64 {
        migrations::all().iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    async fn check_not_newer(&self) -> Result<(), RecordsError> {
        let known = Self::newest_migration();
        match self.applied_migrations().await?.into_iter().max() {
            Some(found) if found > known => Err(RecordsError::SchemaNewer { found, known }),
            _ => Ok(()),
        }
    }

    /// The migrations that the database has; none where nobody migrated it yet. Looking makes no table.
    async fn applied_migrations(&self) -> Result<HashSet<i64>, RecordsError> {
        let has_table = match self.sqlite {
            true => "select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'",
            false => {
                "select count(*) from pg_tables where schemaname = any (current_schemas(false)) and tablename = '_sqlx_migrations'"
            }
        };
        let tables: i64 = sqlx::query_scalar(has_table).fetch_one(&self.pool).await?;
        if tables == 0 {
            return Ok(HashSet::new());
        }
        let applied: Vec<i64> =
            sqlx::query_scalar("select version from _sqlx_migrations").fetch_all(&self.pool).await?;
        Ok(applied.into_iter().collect())
    }

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
    }

    /// Begins a transaction that writes.
    async fn write(&self) -> Result<Write, RecordsError> {
        let gate = self.gate().await?;
        let begin = if self.sqlite { "begin immediate" } else { "begin" };
        let tx = self.pool.begin_with(begin).await?;
        Ok(Write {
            tx,
            changed: Vec::new(),
            cause: feed::Cause::default(),
            found: Vec::new(),
            page: page::Page::default(),
            now_ms: self.clock.now_ms(),
            remember_event_ids: self.remember_event_ids,
            policies: Arc::clone(&self.policies),
            rules: Arc::clone(&self.rules),
            flows: Arc::clone(&self.flows),
            owed: Vec::new(),
            ended: Vec::new(),
            settled: (0, 0),
            sqlite: self.sqlite,
            untold: Arc::clone(&self.untold),
            writes: Arc::clone(&self.writes),
            _gate: gate,
            _walk: None,
        })
    }

    /// The turn of one writer; PostgreSQL has its own and better ones.
    ///
    /// # Errors
    /// [`RecordsError::NoTurn`]: who waits behind a writer that hangs must not wait for as long as that one.
    async fn gate(&self) -> Result<Option<OwnedSemaphorePermit>, RecordsError> {
        if !self.sqlite {
            return Ok(None);
        }
        match timeout(self.turn_due, self.gate.clone().acquire_owned()).await {
            // The semaphore is never closed, so there is always a permit.
            Ok(permit) => Ok(permit.ok()),
            Err(_) => Err(RecordsError::NoTurn(self.turn_due)),
        }
    }
}

/// A transaction that writes, and what it will tell the change feed. Dropped without a commit, it rolls back.
struct Write {
    tx: sqlx::Transaction<'static, sqlx::Any>,
    changed: Vec<(feed::Changed, feed::Cause)>,
    /// Whose change it is writing now.
    cause: feed::Cause,
    /// What it stored that was read in GHL and was not known.
    found: Vec<Found>,
    page: page::Page,
    now_ms: i64,
    remember_event_ids: Duration,
    policies: Arc<Policies>,
    rules: Arc<[TaskRule]>,
    flows: Arc<[Flow]>,
    /// Jobs that it leads to, whatever else the run that it is part of leads to.
    owed: Vec<FollowUp>,
    /// Flows of which it ends a run, and how.
    ended: Vec<(String, String)>,
    /// How many of both belong to parts that are settled.
    settled: (usize, usize),
    sqlite: bool,
    /// Where both are kept for others once they are committed.
    untold: Arc<Mutex<Untold>>,
    writes: Arc<WriteCheck>,
    // Declared last, so dropped last: the next writer begins after this transaction is on its way out.
    _gate: Option<OwnedSemaphorePermit>,
    _walk: Option<OwnedSemaphorePermit>,
}

impl Write {
    fn conn(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }

    /// Writes what waits in memory, so that nothing of what was done so far is left to the commit.
    async fn settle(&mut self) -> Result<(), RecordsError> {
        page::flush(self).await?;
        feed::append(self).await?;
        let rows = self.owed[self.settled.0..].iter().map(|follow_up| follow_up.row(self.now_ms)).collect();
        accept::insert_rows(self.conn(), rows).await?;
        self.settled = (self.owed.len(), self.ended.len());
        Ok(())
    }

    /// Forgets what was done since it was last settled, for a part that is rolled back alone.
    fn abandon(&mut self) {
        self.changed.clear();
        self.found.clear();
        self.page = page::Page::default();
        self.owed.truncate(self.settled.0);
        self.ended.truncate(self.settled.1);
    }

    async fn commit(mut self) -> Result<(), RecordsError> {
        self.settle().await?;
        self.tx.commit().await?;
        self.writes.note_commit();
        let owed = std::mem::take(&mut self.owed);
        if !owed.is_empty() || !self.ended.is_empty() {
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            untold.jobs.extend(owed);
            untold.runs.append(&mut self.ended);
        }
        Ok(())
    }
}

/// The settings of a new connection. On a disk that is full or fails even they fail. The pool would try again for as long as a caller waits
/// for a connection; so it gets one that writes nothing, says so at once, and is replaced after it.
async fn set_up_sqlite(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let Err(error) = sqlx::raw_sql(SQLITE_SETTINGS).execute(&mut *connection).await else { return Ok(()) };
    tracing::warn!(%error, "a new connection to the database can't be set up");
    fault::note(&error);
    sqlx::raw_sql("pragma query_only = on").execute(connection).await.map(drop)
}

/// Whether a connection of the pool is good for another caller. One that a fault has left in doubt, that is still in the transaction of
/// its last caller, or that does not answer is closed, and a new one takes its place.
async fn check(connection: &mut AnyConnection, met: PoolConnectionMetadata) -> Result<bool, sqlx::Error> {
    if fault::is_doubtful(met.age) {
        return Ok(false);
    }
    // Zero: it was just given back, with the end of a transaction perhaps still on its way.
    if met.idle_for.is_zero() || met.idle_for > UNASKED {
        match timeout(ANSWER_DUE, connection.ping()).await {
            Ok(answer) => answer?,
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        }
    }
    Ok(!connection.is_in_transaction())
}

/// The URL with the mode that makes a missing file, after its folder was made.
fn sqlite_url(url: &str, create: bool) -> Result<String, RecordsError> {
    let rest = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = rest.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" || rest.contains("mode=memory") {
        return Err(RecordsError::Url(
            "SQLite needs a file: in memory, each connection would see a database of its own",
        ));
    }
    if !create {
        // SQLite makes no file where it is not asked to; what is missing is said in words.
        return match Path::new(path).exists() {
            true => Ok(url.to_owned()),
            false => Err(RecordsError::NoDatabase { path: path.to_owned() }),
        };
    }
    files::make_private(Path::new(path)).map_err(RecordsError::Folder)?;
    Ok(match rest.contains('?') {
        true => url.to_owned(),
        false => format!("{url}?mode=rwc"),
    })
}
