//! Money: reserved in a committed row before a call is sent, and settled after it.
//!
//! The counters hold what was charged and what may be charged, in one number: a reservation adds the greatest cost of the call where the ceiling has
//! room for it, in one statement, and an answer takes off what was not charged. So at no moment is the sum of all charges above the ceiling, and a crash
//! at any point leaves what is charged on the safe side. The note of the question is written by the same transaction: whoever comes back finds it.
//!
//! The counters are locked in one order, the provider's first, and the note last.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::Serialize;
use sync_model::decide::fields::Fields;
use sync_model::money::Money;
use uuid::Uuid;

use super::super::ledger::timestamp;
use super::super::runs::Run;
use super::super::{Records, RecordsError, Write, erase};

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// With one provider in a month (UTC).
    pub provider_month: Money,
    /// For one location on a day (UTC).
    pub location_day: Money,
}

/// What a provider is about to be asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The provider.
    pub provider: &'a str,
    /// For whom: the id under which the contact is kept.
    pub contact_id: &'a str,
    /// The name under which the question is known again.
    pub name: &'a str,
    /// What it costs at most.
    pub cost: Money,
    /// What is sent of the person.
    pub sent: &'a [String],
    /// For how long it is not asked again where no answer comes, in ms.
    pub keeps_ms: i64,
}

/// Whether a question may be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Reserved {
    /// It may, once.
    Yes(Call),
    /// Another run asks it at this moment.
    Taken,
    /// The provider's month has no room for it, until then.
    ProviderMonth(Timestamp),
    /// The location's day has no room for it, until then.
    LocationDay(Timestamp),
}

/// A call that is paid for until its answer says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    id: String,
    name: String,
    contact_id: String,
    cost: Money,
    scopes: [(String, String); 2],
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Settle {
    /// The provider knows the person: the wanted fields.
    Match {
        /// The fields.
        fields: Fields,
        /// Of 1,000.
        confidence: Option<i64>,
        /// For how long that counts, in ms.
        keeps_ms: i64,
    },
    /// It does not, which counts for so long, in ms.
    Miss {
        /// In ms.
        keeps_ms: i64,
    },
    /// It failed: it may be asked again.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// What was spent in a period.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spend {
    /// `provider:NAME` or `location:ID`.
    pub scope: String,
    /// A month or a day (UTC).
    pub period: String,
    /// With what is reserved for calls that have no answer yet.
    pub spent: Money,
    /// Calls that were sent.
    pub calls: i64,
    /// The last of them.
    pub last_at: Timestamp,
}

impl Records {
    /// Reserves the money for a question and notes it, in one transaction that is committed when this returns [`Reserved::Yes`]; nothing else.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when another run has taken over: then nothing may be sent; [`RecordsError::Database`].
    pub async fn reserve_call(
        &self,
        run: &Run,
        question: &Question<'_>,
        ceilings: Ceilings,
    ) -> Result<Reserved, RecordsError> {
        let mut tx = self.begin(run).await?;
        let location_id = &run.key.location_id;
        let write = &mut tx.write;
        let today = TimeZone::UTC.to_datetime(timestamp(write.now_ms)).date();
        let scopes = [
            (format!("provider:{}", question.provider), today.strftime("%Y-%m").to_string()),
            (format!("location:{location_id}"), today.strftime("%Y-%m-%d").to_string()),
        ];
        for ((scope, period), ceiling) in scopes.iter().zip([ceilings.provider_month, ceilings.location_day]) {
            if add(write, scope, period, question.cost, ceiling).await? {
                continue;
            }
            let behind = |last: Date| {
                let midnight = last.tomorrow().ok().map(|day| day.to_datetime(Time::midnight()));
                midnight.and_then(|at| TimeZone::UTC.to_timestamp(at).ok()).unwrap_or_default()
            };
            return Ok(match scope.starts_with("provider:") {
                true => Reserved::ProviderMonth(behind(today.last_of_month())),
                false => Reserved::LocationDay(behind(today)),
            });
        }
        let (name, contact_id) = (question.name.to_owned(), question.contact_id.to_owned());
        let call = Call { id: Uuid::now_v7().to_string(), name, contact_id, cost: question.cost, scopes };
        if !note(write, location_id, question, &call.id).await? {
            return Ok(Reserved::Taken);
        }
        tx.keep_open().await?;
        Ok(Reserved::Yes(call))
    }

    /// Settles a call: its charge, which is the greatest one where that is unknown, and its answer.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when another run has taken over: the call stays as it was reserved; [`RecordsError::Database`].
    pub async fn settle_call(
        &self,
        run: &Run,
        call: &Call,
        charged: Money,
        settle: &Settle,
    ) -> Result<(), RecordsError> {
        let mut tx = self.begin(run).await?;
        let write = &mut tx.write;
        for (scope, period) in &call.scopes {
            let update = "update enrich_spend set spent = spent + $1 where scope = $2 and period = $3";
            let difference = charged.0.saturating_sub(call.cost.0);
            sqlx::query(update).bind(difference).bind(scope).bind(period).execute(write.conn()).await?;
        }
        if !answer(write, &run.key.location_id, call, charged, settle).await? {
            // It was taken for lost meanwhile, and counts as it was reserved.
            return Ok(());
        }
        tx.keep_open().await
    }

    /// What was spent since then, in ms since 1970: the newest first.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn enrich_spend(&self, since_ms: i64) -> Result<Vec<Spend>, RecordsError> {
        let query = "select scope, period, spent, calls, at from enrich_spend where at >= $1 \
             order by period desc, scope limit 10000";
        let rows: Vec<(String, String, i64, i64, i64)> =
            sqlx::query_as(query).bind(since_ms).fetch_all(&self.pool).await?;
        let spend = |(scope, period, spent, calls, at)| Spend {
            scope,
            period,
            spent: Money(spent),
            calls,
            last_at: timestamp(at),
        };
        Ok(rows.into_iter().map(spend).collect())
    }
}

/// Adds the cost of one more call, if the ceiling has room for it.
async fn add(write: &mut Write, scope: &str, period: &str, cost: Money, ceiling: Money) -> Result<bool, RecordsError> {
    let now_ms = write.now_ms;
    let insert =
        "insert into enrich_spend (scope, period, spent, calls, at) values ($1, $2, 0, 0, $3) on conflict do nothing";
    sqlx::query(insert).bind(scope).bind(period).bind(now_ms).execute(write.conn()).await?;
    // What costs nothing has room under every ceiling.
    let update = "update enrich_spend set spent = spent + $1, calls = calls + 1, at = $2 \
         where scope = $3 and period = $4 and ($5 = 0 or spent + $6 <= $7)";
    let query = sqlx::query(update).bind(cost.0).bind(now_ms).bind(scope).bind(period);
    let query = query.bind(cost.0).bind(cost.0).bind(ceiling.0);
    Ok(query.execute(write.conn()).await?.rows_affected() == 1)
}

/// Notes that the question is asked, unless an answer counts or another run asks it.
async fn note(
    write: &mut Write,
    location_id: &str,
    question: &Question<'_>,
    call_id: &str,
) -> Result<bool, RecordsError> {
    if is_erased(write, location_id, question.contact_id).await? {
        return Err(RecordsError::Erased { contact_id: question.contact_id.to_owned() });
    }
    let now_ms = write.now_ms;
    let upsert = "insert into enrich_cache (name, provider, location_id, contact_id, state, call_id, cost, sent, asked_at, expires_at) \
         values ($1, $2, $3, $4, 'asked', $5, $6, $7, $8, $9) on conflict (name) do update set \
         contact_id = excluded.contact_id, state = 'asked', call_id = excluded.call_id, cost = excluded.cost, \
         sent = excluded.sent, answer = null, confidence = null, asked_at = excluded.asked_at, expires_at = excluded.expires_at \
         where enrich_cache.state = 'failed' or enrich_cache.expires_at <= excluded.asked_at";
    // A list of texts has no way to fail.
    let sent = serde_json::to_string(question.sent).unwrap_or_default();
    let noted = sqlx::query(upsert)
        .bind(question.name)
        .bind(question.provider)
        .bind(location_id)
        .bind(question.contact_id)
        .bind(call_id)
        .bind(question.cost.0)
        .bind(sent)
        .bind(now_ms)
        .bind(now_ms.saturating_add(question.keeps_ms))
        .execute(write.conn())
        .await?;
    Ok(noted.rows_affected() == 1)
}

/// Whether the data of the contact was erased; if not, it is not before the commit.
async fn is_erased(write: &mut Write, location_id: &str, contact_id: &str) -> Result<bool, RecordsError> {
    erase::hold_off(write).await?;
    Ok(!erase::erased_among(write.conn(), &[(location_id, contact_id)]).await?.is_empty())
}

/// Whether the answer is that of the call which is noted. Nothing is kept of a person whose data was erased meanwhile.
async fn answer(
    write: &mut Write,
    location_id: &str,
    call: &Call,
    charged: Money,
    settle: &Settle,
) -> Result<bool, RecordsError> {
    if is_erased(write, location_id, &call.contact_id).await? {
        let delete = "delete from enrich_cache where name = $1 and call_id = $2";
        sqlx::query(delete).bind(&call.name).bind(&call.id).execute(write.conn()).await?;
        return Ok(true);
    }
    let now_ms = write.now_ms;
    let (state, fields, confidence, keeps_ms) = match settle {
        Settle::Match { fields, confidence, keeps_ms } => ("match", Some(fields), *confidence, Some(*keeps_ms)),
        Settle::Miss { keeps_ms } => ("miss", None, None, Some(*keeps_ms)),
        Settle::Failed => ("failed", None, None, None),
        Settle::Unknown => ("unknown", None, None, None),
    };
    // A map of values has no way to fail.
    let fields = fields.map(|fields| serde_json::to_string(fields).unwrap_or_default());
    let update = "update enrich_cache set state = $1, answer = $2, confidence = $3, cost = $4, \
         expires_at = coalesce($5, expires_at) where name = $6 and call_id = $7 and state = 'asked'";
    let settled = sqlx::query(update)
        .bind(state)
        .bind(fields)
        .bind(confidence)
        .bind(charged.0)
        .bind(keeps_ms.map(|keeps_ms| now_ms.saturating_add(keeps_ms)))
        .bind(&call.name)
        .bind(&call.id)
        .execute(write.conn())
        .await?;
    Ok(settled.rows_affected() == 1)
}
