//! The order in which transactions of many events take their records, on PostgreSQL.
//!
//! A batch locks the rows of its records one after the other, in the order of its events, which is the producer's. Two
//! batches over the same records in different orders would each wait for the other. So a batch first takes one lock for
//! each stripe that its records fall into, in ascending order. SQLite has one writer and needs none of it.

use std::time::Duration;

use job_engine::Backoff;
use sync_model::change::Change;
use tokio::time::sleep;

use super::sql::{Marks, with_rows_then};
use super::{RecordsError, Write};
use crate::events::IncomingEvent;

/// Stripes of one location. Each is a lock in PostgreSQL's memory, which holds a few thousand of all transactions.
const STRIPES: u64 = 64;

/// Waits until no other batch is at work on a record of these events.
pub(super) async fn take_turns(write: &mut Write, triggers: &[IncomingEvent]) -> Result<(), RecordsError> {
    // One event locks its own record and no second one.
    if write.sqlite || triggers.len() < 2 {
        return Ok(());
    }
    let keys = keys(triggers);
    let text = with_rows_then(
        Marks::Numbered,
        "select count(pg_advisory_xact_lock(key)) from (values ",
        keys.len(),
        1,
        ") as stripes (key)",
    );
    let mut query = sqlx::query(text).persistent(false);
    for key in keys {
        query = query.bind(key);
    }
    query.execute(write.conn()).await?;
    Ok(())
}

/// Waits a moment before a transaction that lost so many races starts again. Losers that come back at once meet again.
pub(super) async fn after_race(races: u8) {
    let backoff = Backoff { first: Duration::from_millis(5), most: Duration::from_millis(200), attempts: u8::MAX };
    sleep(backoff.delay(races).unwrap_or_default()).await;
}

/// The locks of these events, ascending.
fn keys(triggers: &[IncomingEvent]) -> Vec<i64> {
    let of = |trigger: &IncomingEvent| {
        let location = hash(&trigger.event.location_id) & !(STRIPES - 1);
        let names = names(trigger);
        names.into_iter().map(move |name| (location | (hash(&name) & (STRIPES - 1))).cast_signed()).collect::<Vec<_>>()
    };
    let mut keys: Vec<i64> = triggers.iter().flat_map(of).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// All names by which an event may mean its record and its contact.
fn names(trigger: &IncomingEvent) -> Vec<String> {
    let of_change = match &trigger.change {
        Change::None { record_id } => vec![Some(record_id.clone())],
        Change::Undo { conflict_id } => vec![Some(conflict_id.clone())],
        Change::Task(change) => vec![change.clienty_id.clone(), change.ghl_id.clone(), change.contact_id.clone()],
        Change::Note(change) => vec![change.clienty_id.clone(), change.ghl_id.clone(), change.contact_id.clone()],
        Change::Appointment(change) => {
            vec![change.clienty_id.clone(), change.ghl_id.clone(), change.contact_id.clone()]
        }
        Change::Contact(change) => vec![change.clienty_id.clone(), change.contact_id.clone()],
    };
    of_change.into_iter().chain([trigger.event.contact_id.clone(), trigger.event.id.clone()]).flatten().collect()
}

/// FNV-1a: the same in every process, of whatever version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use job_engine::Priority;
    use serde_json::json;

    use super::*;
    use crate::events::NewEvent;
    use sync_model::job::JobKind;

    fn selected(location_id: &str, contact: &str) -> IncomingEvent {
        IncomingEvent {
            event: NewEvent {
                id: None,
                occurred_at: None,
                source: "api".to_owned(),
                event_type: "contact.selected".to_owned(),
                location_id: location_id.to_owned(),
                contact_id: Some(contact.to_owned()),
                data: json!({}),
            },
            kind: JobKind::PullContact,
            priority: Priority::Interactive,
            change: Change::None { record_id: contact.to_owned() },
        }
    }

    #[test]
    fn the_same_records_in_any_order_take_the_same_locks_in_one_order() {
        let mut batch: Vec<_> = (0..50).map(|contact| selected("loc1", &format!("c{contact}"))).collect();
        let forwards = keys(&batch);
        batch.reverse();
        assert_eq!(keys(&batch), forwards);
        assert!(forwards.is_sorted());
    }

    #[test]
    fn the_largest_batch_takes_few_locks_and_locations_have_their_own() {
        let batch: Vec<_> = (0..1000).map(|contact| selected("loc1", &format!("c{contact}"))).collect();
        assert_eq!(keys(&batch).len(), 64);
        let elsewhere: Vec<_> = (0..1000).map(|contact| selected("loc2", &format!("c{contact}"))).collect();
        assert!(keys(&batch).iter().all(|key| !keys(&elsewhere).contains(key)));
    }
}
