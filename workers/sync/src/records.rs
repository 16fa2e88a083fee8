//! What is kept: the ledger of accepted events and the records they changed, on SQLite or PostgreSQL.

pub mod model;
