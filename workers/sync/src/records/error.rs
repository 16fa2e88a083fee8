//! What can go wrong with the records, and whether trying again helps.

use super::job::JobKey;

/// A failure of the records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database refused, or could not be reached.
    #[error("the records database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the records database could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database's URL is of no use.
    #[error("DATABASE_URL cannot be used: {0}")]
    Url(&'static str),
    /// The folder of the SQLite file could not be made.
    #[error("the folder of the SQLite file could not be made: {0}")]
    Folder(#[source] std::io::Error),
    /// A newer run holds the job's ledger rows: whoever sees this is a zombie, and nothing it wrote is kept.
    #[error("another run took over {0}")]
    LostRun(JobKey),
    /// Another transaction changed the same row first; what was read is out of date.
    #[error("another transaction was faster")]
    Raced,
    /// A pull found what was pushed and a producer already gave it an id of its own.
    #[error("row {row_id} and row {other_row_id} both claim GHL's {ghl_id}")]
    Conflict {
        /// The row that was pushed.
        row_id: String,
        /// The row that has the id.
        other_row_id: String,
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
}

impl RecordsError {
    /// Whether the same call can succeed later. A lost run cannot: its work is another's by now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(error) => match error {
                sqlx::Error::Database(refusal) => {
                    let constraint = refusal.is_unique_violation()
                        || refusal.is_check_violation()
                        || refusal.is_foreign_key_violation();
                    !constraint || self.is_race()
                }
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
                    true
                }
                _ => false,
            },
            Self::Raced | Self::Unwiped => true,
            Self::Migration(_)
            | Self::Url(_)
            | Self::Folder(_)
            | Self::LostRun(_)
            | Self::Conflict { .. }
            | Self::Corrupt { .. }
            | Self::Cursor
            | Self::Pruned
            | Self::Erased { .. }
            | Self::Random => false,
        }
    }

    /// Whether another transaction got in between, so that the same one, begun anew, sees what that one did.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            Self::Raced | Self::Erased { .. } => true,
            Self::Database(sqlx::Error::Database(refusal)) => {
                // PostgreSQL: serialization failure, deadlock.
                refusal.is_unique_violation() || matches!(refusal.code().as_deref(), Some("40001" | "40P01"))
            }
            _ => false,
        }
    }

    pub(super) fn corrupt(table: &'static str, row: &str, error: &serde_json::Error) -> Self {
        // serde_json quotes values in its messages; category and place tell enough.
        let reason = format!("{:?} at line {} column {}", error.classify(), error.line(), error.column());
        Self::Corrupt { table, row: row.to_owned(), reason }
    }
}
