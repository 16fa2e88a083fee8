//! What the ledger and the webhooks hold of an erased person, emptied page by page.
//!
//! Only the primary key is used: an index that serves erasures alone would cost every event that is accepted. A page is a transaction of its
//! own, so other writers come in between. Rows that are written meanwhile hold nothing of the person: the erasure is in force already.

use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::{Counts, Receipt};

/// Rows of a page.
const PAGE: i64 = 2000;

/// A table whose rows hold data of people in their text.
struct Table {
    /// Its name in the receipt.
    name: &'static str,
    /// The id that ends the page of $2 rows after the id $1.
    page: &'static str,
    /// Statements for what hangs on the rows: $1 the location, $2 the erasure, $3 and $4 the page.
    parts: &'static [&'static str],
    /// The statement for the rows: as `parts`, and $5 the contact.
    rows: &'static str,
}

/// Webhooks first: those of before rows named their person are found by the jobs they led to.
const TABLES: [Table; 2] = [
    Table { name: "webhooks", page: sql!("page_of_webhooks"), parts: &[], rows: sql!("erase_page_of_webhooks") },
    Table {
        name: "jobs",
        page: sql!("page_of_jobs"),
        parts: &[sql!("erase_page_of_attempts")],
        rows: sql!("erase_page_of_jobs"),
    },
];

impl Records {
    /// Empties all pages; returns the rows by table.
    pub(super) async fn erase_pages(&self, receipt: &Receipt) -> Result<Counts, RecordsError> {
        let mut counts = Counts::new();
        for table in &TABLES {
            counts.insert(table.name.to_owned(), self.erase_table(table, receipt).await?);
        }
        Ok(counts)
    }

    async fn erase_table(&self, table: &Table, receipt: &Receipt) -> Result<u64, RecordsError> {
        let Receipt { id, location_id, contact_id, .. } = receipt;
        let (mut after, mut erased) = (String::new(), 0);
        loop {
            let mut write = self.write().await?;
            let page = sqlx::query_scalar(table.page).bind(&after).bind(PAGE);
            let last: Option<Option<String>> = page.fetch_optional(write.conn()).await?;
            let Some(last) = last.flatten() else { return Ok(erased) };
            for part in table.parts {
                let query = sqlx::query(*part).bind(location_id).bind(id).bind(&after).bind(&last);
                query.execute(write.conn()).await?;
            }
            let rows = sqlx::query(table.rows).bind(location_id).bind(id).bind(&after).bind(&last).bind(contact_id);
            erased += rows.execute(write.conn()).await?.rows_affected();
            write.commit().await?;
            after = last;
        }
    }
}
