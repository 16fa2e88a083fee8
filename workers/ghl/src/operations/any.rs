//! Any operation, for who calls by name and reads the answer as it is.

use serde_json::Value;

use super::super::api::ApiVersion;
use super::super::endpoint::Endpoint;
use super::super::{GhlError, Run};

/// What GHL answered, unread.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status, one of success.
    pub status: u16,
    /// The body: JSON as it is, another text as a string, null where there is none or it is no text.
    pub body: Value,
}

impl Run<'_> {
    /// Calls the endpoint as it stands, whatever version of the API the location is called with otherwise.
    ///
    /// # Errors
    /// As documented at [`GhlError`]; a body that says itself that nothing was done is [`GhlError::Invalid`].
    pub async fn carry_out(
        &self,
        endpoint: &Endpoint,
        ids: &[String],
        query: &[(String, String)],
        body: Option<Value>,
    ) -> Result<Answer, GhlError> {
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let query: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
        let as_it_stands = Run { api: ApiVersion::Dated, ..*self };
        as_it_stands.send(endpoint, &ids, &query, body).await?.answer()
    }
}
