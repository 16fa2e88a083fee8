//! Who uses the records: whose acts they are, and which locations its questions are about.
//!
//! Every handle of the records has a [`Principal`]. That of a process is the program itself, which sees every location; a request gets a handle
//! of its own ([`Records::on_behalf_of`]). So no question can forget to ask who asks: its SQL is filtered by [`Records::scope`].

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::accept::{AcceptError, Refusal};
use super::api_keys::Places;
use super::sql::sql;
use super::{ApiKey, Records, RecordsError, accept};
use crate::events::IncomingEvent;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The owner of the API key with this id.
    Key(String),
    /// A person at the command line, by the name of its user.
    Cli(String),
    /// The program itself: because GHL reported it, or because it was time.
    System,
}

impl Actor {
    /// The word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Cli(_) => "cli",
            Self::System => "system",
        }
    }

    /// Which one of its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Key(id) | Self::Cli(id) => id,
            Self::System => "clienty-sync",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

/// Who uses the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who acts.
    pub actor: Actor,
    /// The request that it acts by.
    pub request_id: Option<String>,
    /// The key whose locations are all that it sees; none for every location.
    scope: Option<String>,
}

impl Principal {
    /// A principal that sees every location.
    #[must_use]
    pub fn new(actor: Actor) -> Self {
        Self { actor, request_id: None, scope: None }
    }

    /// The owner of that key, in a request.
    #[must_use]
    pub fn of_key(key: &ApiKey, request_id: Option<String>) -> Self {
        let scope = match key.locations {
            Places::All => None,
            Places::Listed(_) => Some(key.id.clone()),
        };
        Self { actor: Actor::Key(key.id.clone()), request_id, scope }
    }
}

impl Records {
    /// The same records for another principal.
    #[must_use]
    pub fn on_behalf_of(&self, principal: Principal) -> Self {
        Self { principal: Arc::new(principal), ..self.clone() }
    }

    /// What the filter of every question is bound to: null for every location, else the key that `key_sees` names.
    pub(super) fn scope(&self) -> Option<&str> {
        self.principal.scope.as_deref()
    }

    /// Whether the principal sees that location. One that sees every location sees also unknown ones.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn sees(&self, location_id: &str) -> Result<bool, RecordsError> {
        let Some(key) = self.scope() else { return Ok(true) };
        let query = sqlx::query_scalar::<_, String>(sql!("sees")).bind(key).bind(location_id);
        Ok(query.fetch_optional(&self.pool).await?.is_some())
    }

    /// Refuses events about locations that the principal does not see, in the words for those that are not connected.
    pub(super) async fn check_seen(&self, triggers: &[IncomingEvent]) -> Result<(), AcceptError> {
        let Some(key) = self.scope() else { return Ok(()) };
        let query = sqlx::query_scalar(sql!("seen_locations")).bind(key);
        let seen: HashSet<String> =
            query.fetch_all(&self.pool).await.map_err(RecordsError::from)?.into_iter().collect();
        match triggers.iter().position(|trigger| !seen.contains(&trigger.event.location_id)) {
            None => Ok(()),
            Some(index) => Err(Refusal { index, ..accept::unknown_location() }.into()),
        }
    }
}
