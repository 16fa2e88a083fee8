//! Single events that come at the same time: each is answered as if it had come alone.

use futures_util::future::join_all;
use serde_json::json;
use sync_workers::events::{IncomingEvent, NewEvent};
use sync_workers::records::*;

use crate::sent::Sent;
use crate::support::*;

promises!(events_that_come_together_are_each_answered_as_if_alone);

fn program(name: &str) -> ProducerId {
    ProducerId::Program(name.to_owned())
}

async fn events_that_come_together_are_each_answered_as_if_alone(db: Db) {
    let of_nowhere = IncomingEvent {
        event: NewEvent { location_id: "nowhere".to_owned(), ..selected(None, "c").event },
        ..selected(None, "c")
    };
    let otherwise = IncomingEvent {
        event: NewEvent { data: json!({"a": 1}), ..selected(Some("e1"), "c1").event },
        ..selected(Some("e1"), "c1")
    };
    let mut sent: Vec<(ProducerId, IncomingEvent)> = vec![
        (program("a"), selected(Some("e1"), "c1")),
        (program("b"), selected(Some("e1"), "c2")),
        (program("a"), of_nowhere),
        (program("a"), selected(Some("e1"), "c1")),
        (program("a"), otherwise),
    ];
    sent.extend((0..20).map(|number| (program("a"), selected(None, &format!("n{number}")))));
    let batches: Vec<_> = sent.iter().map(|(producer, trigger)| (producer, [trigger.clone()])).collect();
    let mut answers = join_all(batches.iter().map(|(producer, batch)| db.records.accept_from(producer, batch))).await;

    let others = answers.split_off(5);
    let [first, of_b, nowhere, again, reused] = <[_; 5]>::try_from(answers).unwrap();
    let (first, again) = (first.unwrap().remove(0), again.unwrap().remove(0));
    assert!(!first.duplicate && again.duplicate && again.job_id == first.job_id);
    assert!(!of_b.unwrap()[0].duplicate, "another producer's id is its own");
    assert!(matches!(nowhere, Err(AcceptError::Refused(Refusal { index: 0, field: "locationId", .. }))));
    assert!(matches!(reused, Err(AcceptError::IdReused(Refusal { index: 0, field: "id", .. }))));
    for (number, accepted) in others.into_iter().enumerate() {
        assert_eq!(accepted.unwrap()[0].key, pull_key(&format!("n{number}")));
    }
    let counts = db.records.job_counts().await.unwrap();
    assert_eq!(counts[0], (JobState::Waiting, 22));
}

#[tokio::test]
async fn events_that_come_together_share_a_transaction_and_its_statements() {
    let db = Db::postgres().await;
    let batches: Vec<_> =
        (0..40).map(|number| [selected(Some(&format!("e{number}")), &format!("c{number}"))]).collect();
    Sent::listen();
    let answers = join_all(batches.iter().map(|batch| db.records.accept(batch))).await;
    assert!(answers.iter().all(Result::is_ok));
    let expected = [
        // Whose turn it is, the location, erasures, ids that were met, in the two places where they are kept, other names of contacts.
        "select count(pg_advisory_xact_lock(key)) from (values",
        "-- The list of",
        "-- By every id",
        "-- The list of",
        "-- The list of",
        "-- The pairs of",
        // The ledger; the ids are rows of 25, 10 and 5.
        "-- The rows come",
        "-- The rows to",
        "-- The rows to",
        "-- The rows to",
        "COMMIT",
    ];
    assert_eq!(Sent::take(), expected);
}
