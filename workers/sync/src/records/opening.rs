//! How the database is opened: its address, the settings of each connection, and which connections are good for another caller.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{AnyConnection, Connection as _};
use sync_model::clock::Clock;
use sync_model::decide::merge::Policies;
use sync_model::decide::rules::TaskRule;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::flows::in_force::{BrokenFlow, InForce};
use super::lines::Lines;
use super::{Actor, Principal, Records, RecordsError, fault, files};
use crate::flows::Flow;

/// `busy_timeout`: how long one connection waits for SQLite's lock while another *process* writes. `synchronous`: a commit waits for the disk,
/// so that what was answered 202 outlives a power cut.
const SQLITE_SETTINGS: &str = "
    pragma busy_timeout = 5000;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma foreign_keys = on;
    pragma secure_delete = on;
";

/// For the connection that writes: 16 MiB of pages, of which only it changes any, and as much of the log before its pages are written once more to
/// their places in the file.
const SQLITE_WRITER: &str = "
    pragma cache_size = -16384;
    pragma wal_autocheckpoint = 4096;
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

/// For connections that run nothing but the few statements that each job needs, each of which finds its rows by a whole key. PostgreSQL would plan
/// them again at each call, or for tables as they were when they were empty. The settings go together: without sequential scans the one row of the
/// feed's counter looks so costly that PostgreSQL would compile the statement.
const POSTGRES_OFTEN: &str = "
    set plan_cache_mode = force_generic_plan;
    set jit = off;
    set enable_seqscan = off;
    set enable_hashjoin = off;
    set enable_mergejoin = off;
";

/// Connections of that kind: one for each line, of those that may be busy at once.
const OFTEN: u32 = 6;

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
    /// The clock of the times in rows.
    pub clock: Clock,
    /// Who wins where both sides edited a field.
    pub policies: Policies,
    /// What makes tasks of contacts' events in GHL.
    pub rules: Vec<TaskRule>,
    /// What runs when something happens.
    pub flows: Vec<Flow>,
    /// Files that hold none that can run.
    pub broken_flows: Vec<BrokenFlow>,
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
            broken_flows: Vec::new(),
            remember_event_ids: Duration::from_secs(30 * 24 * 60 * 60),
            create: true,
        }
    }
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
        let pool = pool(&options, sqlite, options.max_connections, "").connect_lazy_with(connect.clone());
        let (often, writer) = match sqlite {
            true => (pool.clone(), self::pool(&options, sqlite, 1, SQLITE_WRITER).connect_lazy_with(connect)),
            false => (self::pool(&options, sqlite, OFTEN, POSTGRES_OFTEN).connect_lazy_with(connect), pool.clone()),
        };
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
            often,
            writer,
            lines: Lines::default(),
            sqlite,
            principal: Arc::new(Principal::new(Actor::System)),
            gate: Arc::new(Semaphore::new(1)),
            scans: Arc::new(Semaphore::new(1)),
            clock: options.clock,
            policies: Arc::new(options.policies),
            rules: options.rules.into(),
            flows: Arc::new(InForce::of_files(options.flows, options.broken_flows)),
            mappings: Arc::default(),
            remember_event_ids: options.remember_event_ids,
            not_enqueued: Arc::default(),
            group: Arc::default(),
            writes: Arc::default(),
            marked: Arc::default(),
            alone: Arc::default(),
            turn_due: options.turn_timeout,
            noted: Arc::default(),
        })
    }
}

/// Connections at most so many, with these settings more than all have.
fn pool(options: &Options, sqlite: bool, most: u32, more: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(options.acquire_timeout)
        // In its place: `check`, which has an end.
        .test_before_acquire(false)
        .before_acquire(|connection, met| Box::pin(check(connection, met)))
        .after_release(|connection, met| Box::pin(check(connection, met)))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if sqlite {
                    return set_up_sqlite(connection, more).await;
                }
                sqlx::raw_sql(POSTGRES_SETTINGS).execute(&mut *connection).await?;
                sqlx::raw_sql(more).execute(connection).await.map(drop)
            })
        })
}

/// The settings of a new connection. On a disk that is full or fails even they fail. The pool would try again for as long as a caller waits
/// for a connection; so it gets one that writes nothing, says so at once, and is replaced after it.
async fn set_up_sqlite(connection: &mut AnyConnection, more: &'static str) -> Result<(), sqlx::Error> {
    let set_up = async {
        sqlx::raw_sql(SQLITE_SETTINGS).execute(&mut *connection).await?;
        sqlx::raw_sql(more).execute(&mut *connection).await
    };
    let Err(error) = set_up.await else { return Ok(()) };
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
