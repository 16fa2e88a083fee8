//! Tests a hook: sends one signed message now, whose outcome is returned and not stored.

use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::message::Message;
use super::{HookError, Hooks, samples};

/// What a trial came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// The `webhook-id` that was sent.
    pub id: String,
    /// The event of the message.
    pub event: String,
    /// Whether the receiver has taken it.
    pub taken: bool,
    /// Of the answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took.
    pub took_ms: u64,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

impl Hooks {
    /// Sends a hook an example of an event, by default of its first; none if there is no such hook.
    ///
    /// # Errors
    /// [`HookError`]; that the receiver does not take it is no error.
    pub async fn try_out(&self, id: &str, event: Option<&str>) -> Result<Option<Trial>, HookError> {
        let Some(hook) = self.records.hook(id).await? else { return Ok(None) };
        let event = event.unwrap_or_else(|| hook.events.example()).to_owned();
        // As the documentation has it: a test message holds no person's data.
        let mut body = samples::documented(&event);
        let id = format!("msg_{}", Uuid::now_v7().simple());
        (body["id"], body["test"]) = (id.as_str().into(), true.into());
        let message = Message { id: id.clone(), event: event.clone(), body: body.to_string() };
        let began = Instant::now();
        let answer = self.send(&hook, &message).await?;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Some(match answer {
            Ok(answer) => Trial {
                id,
                event,
                taken: answer.status.is_success(),
                status: Some(answer.status.as_u16()),
                error: None,
                took_ms,
                answer: Some(String::from_utf8_lossy(&answer.body).into_owned()),
            },
            Err(error) => {
                Trial { id, event, taken: false, status: None, error: Some(error.to_string()), took_ms, answer: None }
            }
        }))
    }
}
