//! What the ledger and the webhooks hold of an erased person, emptied page by page.
//!
//! Only the primary key is used: an index that serves erasures alone would cost every event that is accepted. A page is a transaction of its
//! own, so other writers come in between. Rows that are written meanwhile hold nothing of the person: the erasure is in force already.

use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::{Counts, Receipt, traces};

/// Rows of a page.
const PAGE: i64 = 2000;

/// A table whose rows hold data of people in their text.
struct Table {
    /// Its name in the receipt.
    name: &'static str,
    /// The id that ends the page of $2 rows after the id $1.
    page: &'static str,
    /// Statements for what hangs on the rows and then for the rows: $1 the location, $2 the erasure, $3 and $4 the page, $5 the contact.
    statements: &'static [&'static str],
    /// The same for rows that name no person, by what the person is known by: $1 the location, $2 and $3 the page, $4 the trace.
    of_traces: &'static [&'static str],
}

/// Webhooks first: those of before rows named their person are found by the jobs they led to.
const TABLES: [Table; 3] = [
    Table {
        name: "history",
        page: sql!("page_of_changes"),
        statements: &[sql!("erase_page_of_changes")],
        of_traces: &[],
    },
    Table {
        name: "webhooks",
        page: sql!("page_of_webhooks"),
        statements: &[sql!("erase_page_of_webhooks")],
        of_traces: &[],
    },
    Table {
        name: "jobs",
        page: sql!("page_of_jobs"),
        statements: &[sql!("erase_page_of_attempts"), sql!("erase_page_of_jobs")],
        of_traces: &[sql!("erase_page_of_calls_attempts"), sql!("erase_page_of_calls")],
    },
];

impl Records {
    /// Empties all pages; returns the rows by table.
    pub(super) async fn erase_pages(&self, receipt: &Receipt) -> Result<Counts, RecordsError> {
        let mut counts = Counts::new();
        let traces = traces::of(&mut *self.pool.acquire().await?, &receipt.id).await?;
        for table in &TABLES {
            counts.insert(table.name.to_owned(), self.erase_table(table, receipt, &traces).await?);
        }
        Ok(counts)
    }

    async fn erase_table(&self, table: &Table, receipt: &Receipt, traces: &[String]) -> Result<u64, RecordsError> {
        let Receipt { id, location_id, contact_id, .. } = receipt;
        let (mut after, mut erased) = (String::new(), 0);
        loop {
            let mut write = self.write().await?;
            let page = sqlx::query_scalar(table.page).bind(&after).bind(PAGE);
            let last: Option<Option<String>> = page.fetch_optional(write.conn()).await?;
            let Some(last) = last.flatten() else { return Ok(erased) };
            // The last one of each is that of the rows.
            let mut rows = 0;
            for statement in table.statements {
                let query = sqlx::query(*statement).bind(location_id).bind(id).bind(&after).bind(&last);
                rows = query.bind(contact_id).execute(write.conn()).await?.rows_affected();
            }
            erased += rows;
            for trace in traces {
                let mut rows = 0;
                for statement in table.of_traces {
                    let query = sqlx::query(*statement).bind(location_id).bind(&after).bind(&last).bind(trace);
                    rows = query.execute(write.conn()).await?.rows_affected();
                }
                erased += rows;
            }
            write.commit().await?;
            after = last;
        }
    }
}
