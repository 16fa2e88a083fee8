//! GHL lists appointments by the clock on the wall of the location. Whoever moves the location to another zone, of which the webhook is lost, moves no
//! meeting with it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::records::{Phase, Purpose};

use crate::support::test_app::{Setup, TestApp, call};

/// Zones that the location is thought to have, while its wall is in New York: with the one GHL's times are read as too early, with the other as too
/// late.
const OTHERS: [&str; 2] =
    ["update connections set time_zone = 'Asia/Tokyo'", "update connections set time_zone = 'Pacific/Honolulu'"];

/// An app that knows the contact of an appointment which GHL lists, and that appointment.
async fn with_a_meeting() -> (TestApp, String, Value) {
    let app = TestApp::working(Setup::default()).await;
    let appointments = app.state(&app.location().id)["appointments"].take();
    let meeting = appointments[0].clone();
    let contact = meeting["contactId"].as_str().unwrap().to_owned();
    select(&app, &contact).await;
    (app, contact, meeting)
}

async fn select(app: &TestApp, contact: &str) {
    app.report("contact.selected", contact, json!({})).await;
    app.settle().await;
}

async fn ours(app: &TestApp, contact: &str, meeting: &Value) -> Value {
    let view = app.view(contact).await.unwrap();
    let mut shown = view["appointments"].as_array().unwrap().iter();
    shown.find(|one| one["appointmentId"] == meeting["id"]).cloned().unwrap()
}

/// A time as we report it, or as the clock on the wall in New York does.
fn time(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap();
    let to_local_time = || {
        let wall: DateTime = text.parse().unwrap();
        TimeZone::get("America/New_York").unwrap().to_timestamp(wall).unwrap()
    };
    text.parse().unwrap_or_else(|_| to_local_time())
}

#[tokio::test]
async fn a_write_that_rests_on_an_old_zone_moves_nothing() {
    for (other, is_possible) in OTHERS.into_iter().zip([false, true]) {
        let (app, contact, meeting) = with_a_meeting().await;
        let (start, end) = (time(&meeting["startTime"]), time(&meeting["endTime"]));
        assert_eq!(time(&ours(&app, &contact, &meeting).await["startTime"]), start);
        app.sql(other).await;
        select(&app, &contact).await;
        let misread = time(&ours(&app, &contact, &meeting).await["endTime"]);
        assert_ne!(misread, end);
        let said = misread + SignedDuration::from_mins(15);
        app.report("appointment.updated", &contact, json!({"appointmentId": meeting["id"], "endTime": said})).await;
        app.settle().await;
        let held = app.held("appointments", &contact).into_iter().find(|one| one["id"] == meeting["id"]).unwrap();
        let expected = if is_possible { said } else { end };
        assert_eq!((time(&held["startTime"]), time(&held["endTime"])), (start, expected), "{other}");
        app.assert_equal(&contact).await;
        let reported = app.app.records.list_conflicts(&app.location().id, None, None, 10).await.unwrap().items;
        assert_eq!(reported.len(), usize::from(!is_possible), "{reported:?}");
        assert_eq!(ours(&app, &contact, &meeting).await["unread"], Value::Null);
        app.finish().await;
    }
}

/// What a producer says of both a start and an end rests on nothing, and costs no look.
#[tokio::test]
async fn a_start_and_an_end_that_are_both_said_are_sent_at_once() {
    let (app, contact, meeting) = with_a_meeting().await;
    let before = app.calls(&app.location().id, "GET /locations/{locationId}");
    let (start, end) = ("2027-03-02T15:00:00Z", "2027-03-02T15:45:00Z");
    let said = json!({"appointmentId": meeting["id"], "startTime": start, "endTime": end});
    app.report("appointment.updated", &contact, said).await;
    app.settle().await;
    assert_eq!(app.calls(&app.location().id, "GET /locations/{locationId}"), before);
    assert_eq!(app.calls(&app.location().id, call::UPDATE_APPOINTMENT), 1);
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_comparison_asks_for_the_zone() {
    let (app, contact, meeting) = with_a_meeting().await;
    app.sql(OTHERS[0]).await;
    select(&app, &contact).await;
    let location = app.location().id;
    let scan = app.app.records.begin_scan(&location, Purpose::Verify, false, 0).await.unwrap().unwrap();
    app.app.queue.push(&[new_job(&scan.next_job().unwrap(), job_engine::Priority::Bulk)]).await.unwrap();
    app.settle().await;
    let scan = app.app.records.scan(&scan.id).await.unwrap().unwrap();
    assert_eq!(scan.phase, Phase::Done);
    // It is read again, as what else was read in the zone of before.
    assert_eq!(time(&ours(&app, &contact, &meeting).await["startTime"]), time(&meeting["startTime"]));
    app.assert_equal(&contact).await;
    app.finish().await;
}
