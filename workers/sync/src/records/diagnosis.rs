//! Why a database can't be reached, in its own words: a pool that waits for connections only
//! reports a timeout.

use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};
use tokio::time::timeout;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What one plain attempt to connect meets; none where it succeeds. No user, password or address is in the words.
pub async fn cause_of_failure(url: &str) -> Option<String> {
    sqlx::any::install_default_drivers();
    match timeout(PATIENCE, AnyConnection::connect(url)).await {
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(sqlx::Error::Database(refusal))) => Some(refusal.message().to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
        Ok(Ok(_)) => None,
    }
}
