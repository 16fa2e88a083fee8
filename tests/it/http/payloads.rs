//! Bodies of webhooks as GHL was seen to send them, through the gateway as it runs: what each is taken for, what is kept of it and which job it
//! leads to, written down by hand. All were sent in March 2026, so those that bear a time are late, and are looked at.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clienty_sync::gateway::{Server, ServerLimits, listen};
use ghl_sandbox::SigningKey;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::support::test_app::{SEED, Setup, TestApp};

const LOCATION: &str = "ve9EPM428h8vShlRW1KT";

/// What becomes of one: its result, the name of the event, and kind and record of its job.
struct Fate {
    result: &'static str,
    event: &'static str,
    job: Option<(&'static str, &'static str)>,
}

fn late(event: &'static str, job: Option<(&'static str, &'static str)>) -> Fate {
    Fate { result: "late", event, job }
}

fn taken(event: &'static str) -> Fate {
    Fate { result: "accepted", event, job: None }
}

fn pull(contact: &'static str) -> Option<(&'static str, &'static str)> {
    Some(("pull_contact", contact))
}

fn fates() -> BTreeMap<&'static str, Fate> {
    BTreeMap::from([
        ("001", late("ContactCreate", pull("wcSparse000000000001"))),
        ("002", late("ContactUpdate", pull("wcSparse000000000001"))),
        ("004", late("ContactCreate", pull("wcFull00000000000001"))),
        // Months old: GHL is asked whether the contact is there.
        ("005", late("ContactDelete", pull("wcFull00000000000001"))),
        ("006", late("ContactDndUpdate", pull("wcDnd000000000000001"))),
        ("007", late("ContactCreate", pull("wcObjCf0000000000001"))),
        ("009", late("ContactUpdate", pull("wcNest00000000000001"))),
        ("010", late("ContactUpdate", pull("wcData00000000000001"))),
        ("011", late("TaskCreate", Some(("find_task", "tkNoContact000000001")))),
        ("012", late("TaskComplete", pull("wcTask00000000000001"))),
        ("013", late("NoteCreate", pull("wcNote00000000000001"))),
        ("014", late("NoteDelete", pull("wcNote00000000000001"))),
        ("015", late("AppointmentCreate", pull("wcAppt00000000000001"))),
        ("016", late("AppointmentCreate", pull("wcAppt00000000000001"))),
        ("018", late("AppointmentDelete", pull("wcAppt00000000000001"))),
        ("019", late("OpportunityCreate", None)),
        ("020", late("OpportunityStageUpdate", None)),
        ("021", late("InboundMessage", None)),
        ("023", late("InboundMessage", None)),
        ("025", late("AppInstall", None)),
        ("026", late("AppInstall", None)),
        ("027", late("AppInstall", None)),
        // Of another app; and it bears a time, which is held against the login's.
        ("028", late("AppUninstall", None)),
        ("029", taken("AppUpdate")),
        ("030", taken("AppPaymentStatus")),
        ("031", late("ExternalAuthConnected", None)),
        ("033", taken("KnowledgeBaseFileChange")),
    ])
}

/// What is kept where it is not what was sent: the one form that all that follows reads.
fn kept_otherwise() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        (
            "009",
            json!({
                "type": "ContactUpdate", "locationId": LOCATION, "timestamp": 1772720411123_i64, "id": "wcNest00000000000001",
                "firstName": "Nes", "lastName": "Ted", "email": "nested@example.com", "phone": "+15555550104", "tags": ["a"],
            }),
        ),
        (
            "010",
            json!({
                "type": "ContactUpdate", "locationId": LOCATION, "timestamp": "2026-03-05T14:20:11.123Z",
                "webhookId": "11111111-0000-4000-8000-000000000010", "id": "wcData00000000000001", "firstName": "Da",
                "lastName": "Ta", "email": "data@example.com",
            }),
        ),
        (
            "016",
            json!({
                "type": "AppointmentCreate", "locationId": LOCATION, "timestamp": "2026-03-05T14:20:11.123Z",
                "webhookId": "11111111-0000-4000-8000-000000000016",
                "appointment": {
                    "id": "apFlat00000000000001", "title": "Demo", "calendarId": "cal00000000000000001",
                    "contactId": "wcAppt00000000000001", "appointmentStatus": "confirmed",
                    "assignedUserId": "Us3r00000000000000001", "startTime": "2026-03-10T10:00:00-05:00",
                    "endTime": "2026-03-10T10:30:00-05:00", "dateAdded": "2026-03-05T14:20:10Z",
                },
            }),
        ),
    ])
}

fn captured() -> Option<Vec<(String, Value)>> {
    let folder = PathBuf::from(std::env::var_os("GHL_DOCS_DIR")?).join("payloads");
    let mut bodies = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let number = path.file_name().unwrap().to_string_lossy()[..3].to_owned();
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if document["kind"] == "webhook" {
            bodies.push((number, document["body"].clone()));
        }
    }
    bodies.sort_by(|one, other| one.0.cmp(&other.0));
    Some(bodies)
}

#[tokio::test]
async fn every_captured_webhook_is_kept_as_written_down_here() {
    let Some(bodies) = captured() else {
        eprintln!("GHL_DOCS_DIR is not set: the captured webhooks were not sent");
        return;
    };
    let app = TestApp::idle(Setup::default()).await;
    app.connect(LOCATION, "token").await;
    let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
    let server =
        Server::start(listener, app.app.gateway().routes(), ServerLimits::of(&app.app.config.gateway)).unwrap();
    let url = format!("http://{}/webhooks/ghl", server.address);
    let mut connection = SqliteConnection::connect(app.app.config.database_url().expose_secret()).await.unwrap();
    let (fates, otherwise) = (fates(), kept_otherwise());
    let mut sent = Vec::new();
    for (number, body) in &bodies {
        let Some(Fate { result, event, job }) = fates.get(number.as_str()) else {
            panic!("{number} is not written down")
        };
        let bytes = body.to_string();
        let signature = SigningKey::from_seed(SEED).sign(bytes.as_bytes());
        let request = reqwest::Client::new().post(&url).header("x-ghl-signature", signature).body(bytes);
        let answer: Value = request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        assert_eq!(answer["result"], *result, "{number}");
        let row: (String, Option<String>, String, Option<String>) =
            sqlx::query_as("select type, location_id, body, job_id from webhooks order by rowid desc limit 1")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        let location = (number != "027").then(|| LOCATION.to_owned());
        assert_eq!((row.0.as_str(), row.1), (*event, location), "{number}");
        let kept: Value = serde_json::from_str(&row.2).unwrap();
        assert_eq!(&kept, otherwise.get(number.as_str()).unwrap_or(body), "{number}");
        let led_to = match row.3 {
            Some(id) => Some(app.job(&id).await.key),
            None => None,
        };
        let led_to = led_to.as_ref().map(|key| (key.kind.as_str(), key.record_id.as_str()));
        assert_eq!(led_to, *job, "{number}");
        sent.push(number.as_str());
    }
    assert_eq!(sent, fates.keys().copied().collect::<Vec<_>>(), "all of them were sent");
    connection.close().await.unwrap();
    server.stop().await;
    // Nobody works here.
    app.sql("delete from jobs").await;
    app.finish().await;
}
