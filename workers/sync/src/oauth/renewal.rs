//! Token renewal: refreshes idle tokens before they expire, and finds locations that agencies have added or removed.
//!
//! The calls that use a token refresh it. The other tokens are idle, so their refresh meets no burst of calls.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::Oauth;
use super::tokens::{Need, TokenError};
use crate::records::Holder;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// An idle token is refreshed so long before it expires, or a quarter of its lifetime if that is less.
pub(super) const AHEAD_MS: i64 = 60 * 60_000;
/// Between two listings of an agency's locations.
const LOOK_MS: i64 = 60 * 60_000;
const PAGE: i64 = 100;

impl Oauth {
    /// Renews tokens until it is dropped.
    pub async fn reconcile(&self) {
        if self.inner.app.is_none() {
            // Private Integration Tokens don't expire.
            return;
        }
        loop {
            if let Err(error) = self.reconcile_once().await {
                tracing::warn!(%error, "a round of token renewal failed; the next one starts again");
            }
            sleep(ROUND).await;
        }
    }

    /// One round: every token that is due. Returns how many were refreshed.
    ///
    /// # Errors
    /// If the database does not answer. A token that can't be refreshed is reported in the log and in its row.
    pub async fn reconcile_once(&self) -> Result<usize, TokenError> {
        self.look_at_companies().await?;
        let ahead = SignedDuration::from_millis(AHEAD_MS);
        let before = self.inner.clock.now().checked_add(ahead).unwrap_or(Timestamp::MAX);
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.inner.records.due_tokens(after.as_ref(), before, PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.holder.clone());
            for due in &page {
                match self.access(&due.holder, Need::Early, None).await {
                    Ok(access) => count += usize::from(access.is_new),
                    Err(TokenError::Records(error)) => return Err(error.into()),
                    // Logged where it happened, and kept in the row.
                    Err(_) => {}
                }
            }
        }
    }

    async fn look_at_companies(&self) -> Result<(), TokenError> {
        let mut after = None;
        loop {
            let page = self.inner.records.list_tokens(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.holder.clone());
            for stored in &page {
                let Holder::Company(id) = &stored.holder else { continue };
                if self.inner.records.is_to_list(&stored.holder, LOOK_MS).await?
                    && let Err(error) = self.list_locations(id).await
                {
                    tracing::warn!(ghl.company = id, %error, "the locations of an agency can't be listed");
                }
            }
        }
    }
}
