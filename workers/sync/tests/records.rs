//! What the records promise, over SQLite and over PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test may panic, and its helpers with it")]

/// Makes each promise a test of both databases.
macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(crate::support::Db::sqlite().await).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() { super::$name(crate::support::Db::postgres().await).await; })*
        }
    };
}

#[path = "records/accepting.rs"]
mod accepting;
#[path = "records/access.rs"]
mod access;
#[path = "records/audit.rs"]
mod audit;
#[path = "records/contacts.rs"]
mod contacts;
#[path = "records/edits.rs"]
mod edits;
#[path = "records/enrichments.rs"]
mod enrichments;
#[path = "records/erasures.rs"]
mod erasures;
#[path = "records/fields.rs"]
mod fields;
#[path = "records/gone.rs"]
mod gone;
#[path = "records/history.rs"]
mod history;
#[path = "records/identity.rs"]
mod identity;
#[path = "records/keys.rs"]
mod keys;
#[path = "records/ledger.rs"]
mod ledger;
#[path = "records/mappings.rs"]
mod mappings;
#[path = "records/merged.rs"]
mod merged;
#[path = "records/pages.rs"]
mod pages;
#[path = "records/plans.rs"]
mod plans;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "records/pulls.rs"]
mod pulls;
#[path = "records/pushes.rs"]
mod pushes;
#[path = "records/readers.rs"]
mod readers;
#[path = "records/retention.rs"]
mod retention;
#[path = "records/schema.rs"]
mod schema;
#[path = "records/sent.rs"]
mod sent;
#[path = "records/settling.rs"]
mod settling;
#[path = "records/support.rs"]
mod support;
#[path = "records/times.rs"]
mod times;
#[path = "records/webhooks.rs"]
mod webhooks;
