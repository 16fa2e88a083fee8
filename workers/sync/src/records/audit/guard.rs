//! The database's own refusal to change or delete what the audit holds. It stops a slip of the hand; who owns the database can take it away, and the
//! chain of hashes shows what was done then.

use sqlx::AnyConnection;

use super::super::RecordsError;
use super::super::sql::sql;

/// Puts the guard up where it is not there. The two databases have no statement for it in common, so it is no migration.
pub(in crate::records) async fn put_up(connection: &mut AnyConnection, sqlite: bool) -> Result<(), RecordsError> {
    if sqlite {
        sqlx::raw_sql(sql!("guard_audit_in_sqlite")).execute(connection).await?;
        return Ok(());
    }
    let there = "select count(*) from pg_trigger where tgname = 'audit_is_kept' and tgrelid = 'audit'::regclass";
    let there: i64 = sqlx::query_scalar(there).fetch_one(&mut *connection).await?;
    if there == 0 {
        sqlx::raw_sql(sql!("guard_audit_in_postgres")).execute(connection).await?;
    }
    Ok(())
}
