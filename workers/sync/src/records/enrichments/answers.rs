//! What providers were asked, and what they answered: found again by the name of the question, which reports nothing of the person.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use sync_model::decide::fields::Fields;

use super::super::ledger::timestamp;
use super::super::{Records, RecordsError};
use super::Answer;

/// What is known of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum KnownAnswer {
    /// It may be asked.
    None,
    /// It is being asked since then, in ms since 1970; or was, by a process that died.
    Asked {
        /// When.
        at_ms: i64,
        /// The name under which it is kept.
        name: String,
        /// Of which call.
        call_id: String,
    },
    /// Nobody knows what came of it, and it is not asked again by itself.
    Unknown,
    /// The provider knows nothing.
    Miss,
    /// What it knows.
    Match(Answer),
}

/// A question that was asked about a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Who was asked.
    pub provider: String,
    /// What it was reported about the person: names of keys.
    pub sent: Vec<String>,
    /// `match`, `miss`, `failed`, `unknown`, or `asked` while no answer has come.
    pub outcome: String,
    /// When.
    pub at: Timestamp,
    /// It is not asked again before.
    pub expires_at: Timestamp,
}

impl Records {
    /// What is known of a question that may be kept under any of these names.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn known_answer(&self, names: &[String]) -> Result<KnownAnswer, RecordsError> {
        let now_ms = self.clock.now_ms();
        let query = "select provider, state, call_id, answer, confidence, asked_at, expires_at from enrich_cache \
             where name = $1 and expires_at > $2";
        for name in names {
            let row = sqlx::query(query).bind(name).bind(now_ms).fetch_optional(&self.pool).await?;
            let Some(row) = row else { continue };
            let (state, at_ms): (String, i64) = (row.try_get("state")?, row.try_get("asked_at")?);
            return Ok(match state.as_str() {
                "asked" => KnownAnswer::Asked { at_ms, name: name.clone(), call_id: row.try_get("call_id")? },
                "miss" => KnownAnswer::Miss,
                "match" => {
                    let answer: Option<String> = row.try_get("answer")?;
                    let fields: Fields = serde_json::from_str(answer.as_deref().unwrap_or("{}"))
                        .map_err(|error| RecordsError::corrupt("enrich_cache", name, &error))?;
                    KnownAnswer::Match(Answer {
                        provider: row.try_get("provider")?,
                        fields,
                        confidence: row.try_get("confidence")?,
                        at_ms,
                        expires_ms: row.try_get("expires_at")?,
                    })
                }
                "failed" => continue,
                _ => KnownAnswer::Unknown,
            });
        }
        Ok(KnownAnswer::None)
    }

    /// What providers were asked about the contact that is kept under that id, the newest question first.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn questions(&self, location_id: &str, contact_id: &str) -> Result<Vec<Asked>, RecordsError> {
        let query = "select provider, state, sent, asked_at, expires_at from enrich_cache \
             where location_id = $1 and contact_id = $2 order by asked_at desc, provider";
        let rows = sqlx::query(query).bind(location_id).bind(contact_id).fetch_all(&self.pool).await?;
        let asked = |row: &sqlx::any::AnyRow| {
            let sent: String = row.try_get("sent")?;
            let sent = serde_json::from_str(&sent)
                .map_err(|error| RecordsError::corrupt("enrich_cache", contact_id, &error))?;
            Ok(Asked {
                provider: row.try_get("provider")?,
                sent,
                outcome: row.try_get("state")?,
                at: timestamp(row.try_get("asked_at")?),
                expires_at: timestamp(row.try_get("expires_at")?),
            })
        };
        rows.iter().map(asked).collect()
    }

    /// A call of which no answer came, as its process died: it counts as paid.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn give_answer_up(&self, name: &str, call_id: &str) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let query = "update enrich_cache set state = 'unknown' where name = $1 and call_id = $2 and state = 'asked'";
        sqlx::query(query).bind(name).bind(call_id).execute(write.conn()).await?;
        write.commit().await
    }
}
