//! What can go wrong with the records, and whether trying again helps.

use sync_model::job::JobKey;

use super::fault::{self, Meaning};

/// A failure of the records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database refused, or could not be reached.
    #[error("the records database failed: {0}")]
    Database(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the records database could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database's URL is of no use.
    #[error("DATABASE_URL cannot be used: {0}")]
    Url(&'static str),
    /// The folder of the SQLite file could not be made.
    #[error("the folder of the SQLite file could not be made: {0}")]
    Folder(#[source] std::io::Error),
    /// Nothing is there, and only looking was asked for.
    #[error("there is no database at {path}; `clienty-sync migrate` makes one")]
    NoDatabase {
        /// The SQLite file.
        path: String,
    },
    /// The schema is of an earlier release, and only looking was asked for.
    #[error(
        "the database's schema is older than this program: {pending} migrations are pending; run `clienty-sync migrate`"
    )]
    SchemaOlder {
        /// How many.
        pending: usize,
    },
    /// The schema is of a later release.
    #[error(
        "the database needs a newer clienty-sync: its schema has migration {found}, and this program knows {known}. Install the newer \
         release, or restore a backup of before the migration"
    )]
    SchemaNewer {
        /// The last one that was applied.
        found: i64,
        /// The last one of this program.
        known: i64,
    },
    /// A newer run holds the job's ledger rows: the run that gets this is a zombie, and nothing it wrote is kept.
    #[error("another run took over {0}")]
    LostRun(JobKey),
    /// Another transaction changed the same row first; what was read is out of date.
    #[error("another transaction was faster")]
    Raced,
    /// A pull found what was pushed and a producer already gave it an id of its own.
    #[error(
        "GHL's {kind} {ghl_id} belongs to {other} in Clienty, and a create for {own} was answered with the same id: GHL, or a sandbox that was \
         restarted, gave one id twice"
    )]
    Conflict {
        /// `task`, `note` or `appointment`.
        kind: &'static str,
        /// The producer's id of the record that was pushed, else the row's.
        own: String,
        /// The producer's id of the record that has the id.
        other: String,
        /// The id at issue.
        ghl_id: String,
    },
    /// A stored document does not read as what it should be.
    #[error("{table} row {row} holds a value that cannot be read: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with the value; never the value.
        reason: String,
    },
    /// A cursor that no page handed out.
    #[error("the cursor was not handed out by a page")]
    Cursor,
    /// A moment that the history of records does not go back to.
    #[error("the history goes back to {since}")]
    Forgotten {
        /// What was from then on is known.
        since: jiff::Timestamp,
    },
    /// A cursor of the change feed that is older than what is kept of it.
    #[error("the feed no longer holds what follows the cursor")]
    Pruned,
    /// Nothing is stored of a contact whose data was erased, until a producer asks for it again.
    #[error("the data of contact {contact_id} was erased")]
    Erased {
        /// GHL's id of the contact.
        contact_id: String,
    },
    /// The rows are gone, but others were reading while their old copies were to be wiped.
    #[error("the database's log still holds what was erased")]
    Unwiped,
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
    /// What kept a transaction from its end that served several callers, or a check whose outcome they share.
    #[error(transparent)]
    Shared(std::sync::Arc<RecordsError>),
    /// The database did not answer in time.
    #[error("the records database did not answer within {0:?}")]
    NoAnswer(std::time::Duration),
    /// The turn to write did not come in time.
    #[error("no turn to write within {0:?}: other writers of this process, or another process, hold the SQLite file")]
    NoTurn(std::time::Duration),
}

impl RecordsError {
    /// Whether the same call can succeed later. A lost run cannot: its work is another's by now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(error) => matches!(fault::meaning(error), Meaning::Outage | Meaning::Race),
            Self::Raced | Self::Unwiped | Self::NoTurn(_) | Self::NoAnswer(_) => true,
            Self::Shared(error) => error.is_passing(),
            Self::Migration(_)
            | Self::Url(_)
            | Self::Folder(_)
            | Self::NoDatabase { .. }
            | Self::SchemaOlder { .. }
            | Self::SchemaNewer { .. }
            | Self::LostRun(_)
            | Self::Conflict { .. }
            | Self::Corrupt { .. }
            | Self::Cursor
            | Self::Pruned
            | Self::Forgotten { .. }
            | Self::Erased { .. }
            | Self::Random => false,
        }
    }

    /// Whether another transaction got in between, so that the same one, begun again, sees what that one did.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            Self::Raced | Self::Erased { .. } => true,
            Self::Database(error) => fault::meaning(error) == Meaning::Race,
            Self::Shared(error) => error.is_race(),
            _ => false,
        }
    }

    /// Whether the database refuses a value, which it will do again. A unique index counts, too: it is a race only as
    /// long as the same transaction, begun again, takes another way.
    #[must_use]
    pub fn is_about_a_value(&self) -> bool {
        match self {
            Self::Database(error) => match fault::meaning(error) {
                Meaning::Value => true,
                Meaning::Race => error.as_database_error().is_some_and(|refusal| refusal.is_unique_violation()),
                Meaning::Outage | Meaning::Setup => false,
            },
            Self::Shared(error) => error.is_about_a_value(),
            _ => false,
        }
    }

    pub(super) fn corrupt(table: &'static str, row: &str, error: &serde_json::Error) -> Self {
        // serde_json quotes values in its messages; category and place are enough.
        let reason = format!("{:?} at line {} column {}", error.classify(), error.line(), error.column());
        Self::Corrupt { table, row: row.to_owned(), reason }
    }
}

impl From<sqlx::Error> for RecordsError {
    fn from(error: sqlx::Error) -> Self {
        fault::note(&error);
        Self::Database(error)
    }
}
