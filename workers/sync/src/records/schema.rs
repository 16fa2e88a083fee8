//! The schema of the database: brought up to date, or compared with this program's.

use std::collections::HashSet;

use super::{Records, RecordsError, audit, migrations};

/// Changes of a large table may take their time.
const UNHURRIED: &str = "set statement_timeout = 0; set lock_timeout = 0";

impl Records {
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
        let guarded = match &migrated {
            Ok(()) => audit::guard::put_up(&mut connection, self.sqlite).await,
            Err(_) => Ok(()),
        };
        // It has the settings of a migration, and perhaps its locks.
        connection.close().await?;
        migrated?;
        guarded
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
}
