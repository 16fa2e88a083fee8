//! Replies that GHL was seen to send, each through the client's own reader and the mapping: what must be stored is written out by hand.
//!
//! The captured bodies are not part of the repository; without `GHL_DOCS_DIR` these tests say so and pass. The shapes that matter are made
//! anew by the tests of `mapping/`.

use std::path::PathBuf;

use ::ghl::model::{NewContact, SearchContacts, SearchTasks, UpdateContact, UpsertContact};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sync_model::record::Contact;

use super::*;
use crate::mapping;

/// The client before a server that answers with the captured body of that number, which is the beginning of its file's name.
async fn answering(number: &str) -> Option<Bench> {
    let Some(folder) = std::env::var_os("GHL_DOCS_DIR").map(|docs| PathBuf::from(docs).join("payloads")) else {
        eprintln!("GHL_DOCS_DIR is not set: no captured reply was read");
        return None;
    };
    let mut files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let file = files.find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(number)).unwrap();
    let captured: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let status = u16::try_from(captured["status"].as_u64().unwrap()).unwrap();
    Some(Bench::with([Answer::json(status, &captured["body"].to_string())]).await)
}

/// What is stored of a record: no nulls, no empty lists, no ids of Clienty's.
fn stored(record: &impl Serialize) -> Value {
    let Value::Object(fields) = json!(record) else { panic!("no record") };
    let is_something = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    fields.into_iter().filter(|(_, value)| is_something(value)).collect::<Map<_, _>>().into()
}

/// What is stored of a contact that was not known before, and the fields that stay unread.
fn met(contact: &Contact) -> (Value, Vec<&'static str>) {
    (stored(&contact.completed(&Contact::default())), contact.awaited().collect())
}

#[tokio::test]
async fn a_contact_by_id_is_stored_whole() {
    let ann = json!({
        "id": "gA000000000000000000", "name": "Ann Archer", "firstName": "Ann", "lastName": "Archer",
        "email": "ann@example.com", "phone": "+15555550201", "companyName": "ACME", "address1": "1 Main St",
        "city": "Austin", "state": "TX", "country": "US", "postalCode": "78701", "timezone": "America/Chicago",
        "source": "public api", "assignedTo": "Us3r00000000000000001", "dateOfBirth": "1990-01-31",
        "tags": ["vip", "new lead"],
        "customFields": [
            {"id": "cfNum000000000000001", "value": 1250}, {"id": "cfText00000000000001", "value": "free text"},
            {"id": "cfMulti0000000000001", "value": ["A", "B"]},
        ],
        "dateAdded": "2026-01-05T10:00:00.123Z", "dateUpdated": "2026-01-06T10:00:00.123Z",
    });
    let bob = json!({
        "id": "gB000000000000000000", "name": "Bob Baker", "firstName": "Bob", "lastName": "Baker",
        "email": "bob@example.com", "phone": "+15555550202", "source": "form", "country": "US",
        "dateAdded": "2026-05-05T10:00:00.123Z", "dateUpdated": "2026-05-06T10:00:00.123Z",
    });
    let cara = json!({
        "id": "gC000000000000000000", "name": "cara coleman", "firstName": "cara", "lastName": "coleman",
        "email": "Cara@Example.com", "timezone": "Asia/Calcutta", "companyName": "DGS", "phone": "+15555550203",
        "dnd": true, "source": "public api", "assignedTo": "Us3r00000000000000001", "address1": "3535 1st St N",
        "city": "ruDolomite", "state": "AL", "country": "US", "postalCode": "35061", "website": "https://example.com",
        "tags": ["nisi", "Mixed Case"], "dateOfBirth": "1990-09-25",
        "customFields": [{"id": "MgobCB14YMVKuE4Ka8p1", "value": "{\"name\":\"x\"}"}],
        "lastActivity": "2021-07-16T11:39:30.564Z",
        "dateAdded": "2021-07-02T05:18:26.704Z", "dateUpdated": "2021-07-02T05:18:26.704Z",
    });
    let eve = json!({
        "id": "gE000000000000000000", "name": "Eve Elder", "firstName": "Eve", "lastName": "Elder",
        "email": "eve@example.com", "tags": ["X"], "dateAdded": "2026-03-01T00:00:00Z",
        "customFields": [
            {"id": "cfText00000000000001", "value": "t"}, {"id": "cfLarge0000000000001", "value": "line1\nline2"},
            {"id": "cfNum000000000000001", "value": "42"}, {"id": "cfMoney0000000000001", "value": 1999.99},
            {"id": "cfPhone0000000000001", "value": "+15555550205"},
            {"id": "cfCheck0000000000001", "value": ["a", "b"]}, {"id": "cfMulti0000000000001", "value": ["m1"]},
            {"id": "cfSingle000000000001", "value": "s1"}, {"id": "cfRadio0000000000001", "value": "r1"},
            {"id": "cfDate00000000000001", "value": "2026-06-24T00:00:00.000Z"},
            {"id": "cfDateMs000000000001", "value": 1_782_259_200_000_i64},
            {"id": "cfFile00000000000001", "value": {"0b7f7a3e-1111-4222-8333-444455556666": {
                "meta": {
                    "fieldname": "0b7f7a3e", "originalname": "cv.pdf", "encoding": "7bit",
                    "mimetype": "application/pdf", "size": 12345, "uuid": "0b7f7a3e-1111-4222-8333-444455556666",
                },
                "url": "https://services.leadconnectorhq.com/documents/download/abc", "documentId": "abc",
            }}},
            {"id": "cfSign00000000000001", "value": "https://services.leadconnectorhq.com/documents/download/sig"},
            {"id": "cfTbl000000000000001", "value": {"opt1": "v1", "opt2": "v2"}},
            {"id": "cfNull00000000000001", "value": null}, {"id": "cfKey000000000000001", "value": "byFieldValue"},
            {"id": "cfBool00000000000001", "value": true}, {"id": "cfFloat0000000000001", "value": 0.5},
        ],
    });
    let gus = json!({
        "id": "gG000000000000000000", "name": "Gus Gray", "firstName": "Gus", "lastName": "Gray",
        "email": "gus@example.com", "dateOfBirth": "1990-09-25", "dateAdded": "2026-03-01T00:00:00Z",
    });
    for (number, expected) in [("035", ann), ("036", bob), ("037", cara), ("039", eve), ("041", gus)] {
        let Some(bench) = answering(number).await else { return };
        let contact = mapping::contact::from_ghl(bench.run().get_contact("c").await.unwrap());
        assert_eq!(met(&contact), (expected, vec![]), "{number}");
    }
}

#[tokio::test]
async fn an_item_of_the_search_is_stored_as_far_as_it_goes_and_the_rest_stays_unread() {
    let sam = |number: &str, more: Value| {
        let mut sam = json!({
            "id": format!("s{number}000000000000000000"), "email": format!("s{}@example.com", number.to_lowercase()),
            "companyName": "ACME", "address1": "12 Elm Street", "city": "Austin", "state": "TX", "country": "US",
            "postalCode": "78701", "website": "https://example.com", "source": "public api", "dnd": false,
            "assignedTo": "Us3r00000000000000001", "dateOfBirth": "2013-03-13", "tags": ["vip"],
            "customFields": [{"id": "cfText00000000000001", "value": "s"}],
            "dateAdded": "2025-01-05T10:00:00.123Z", "dateUpdated": "2025-01-06T10:00:00.123Z",
        });
        sam.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sam
    };
    let january = sam("A", json!({"phone": "+15555550301"}));
    let march = sam(
        "C",
        json!({
            "phone": "+15555550303", "name": "Sam Search", "firstName": "Sam", "lastName": "Search",
            "timezone": "America/Chicago",
        }),
    );
    let unread = vec!["firstName", "lastName", "timezone"];
    for (number, expected) in [("043", (january, unread)), ("045", (march, vec![]))] {
        let Some(bench) = answering(number).await else { return };
        let page = bench.run().search_contacts(&SearchContacts::all("l")).await.unwrap();
        let [found] = &page.contacts[..] else { panic!("{page:?}") };
        assert_eq!(met(&mapping::contact::from_list(found.contact.clone())), expected, "{number}");
        assert_eq!((page.total, found.search_after.is_some()), (Some(1), true));
    }
}

#[tokio::test]
async fn an_item_of_the_old_list_and_of_a_lookup_is_stored_as_far_as_it_goes() {
    let lee = json!({
        "id": "lA000000000000000000", "name": "Lee List", "firstName": "Lee", "lastName": "List",
        "email": "lee@example.com", "country": "US", "dnd": false,
        "customFields": [{"id": "cfText00000000000001", "value": null}],
        "dateAdded": "2026-03-01T00:00:00Z", "dateUpdated": "2026-03-01T00:00:00Z",
    });
    let look = json!({
        "id": "lkA00000000000000000", "name": "Look Up", "firstName": "Look", "lastName": "Up", "email": "l@example.com",
    });
    let unread = vec![
        "address1",
        "assignedTo",
        "city",
        "companyName",
        "country",
        "customFields",
        "dateAdded",
        "dateOfBirth",
        "dnd",
        "phone",
        "postalCode",
        "source",
        "state",
        "tags",
        "timezone",
        "website",
    ];
    for (number, expected) in [("046", (lee, vec![])), ("047", (look, unread))] {
        let Some(bench) = answering(number).await else { return };
        let page = bench.run().list_contacts("l", 100, None, None).await.unwrap();
        assert_eq!(met(&mapping::contact::from_list(page.contacts[0].clone())), expected, "{number}");
    }
}

#[tokio::test]
async fn the_reply_to_a_write_reports_what_it_carries() {
    let Some(bench) = answering("048").await else { return };
    let made = bench.run().create_contact(&NewContact::default()).await.unwrap();
    let expected = json!({
        "id": "cA000000000000000000", "name": "Cre Ate", "firstName": "Cre", "lastName": "Ate",
        "email": "create@example.com", "phone": "+1 888-888-8888", "country": "US", "tags": ["vip"],
        "dateAdded": "2026-03-05T10:00:00.123Z", "dateUpdated": "2026-03-05T10:00:00.123Z",
    });
    let unread = vec![
        "address1",
        "assignedTo",
        "city",
        "companyName",
        "dateOfBirth",
        "dnd",
        "postalCode",
        "source",
        "state",
        "timezone",
        "website",
    ];
    assert_eq!(met(&mapping::contact::from_part(made)), (expected, unread));

    let bench = answering("050").await.unwrap();
    let upserted = bench.run().upsert_contact(&UpsertContact::default()).await.unwrap();
    let expected = json!({
        "id": "cC000000000000000000", "name": "Up Sert", "firstName": "Up", "lastName": "Sert", "email": "up@example.com",
        "dateAdded": "2026-03-05T10:00:00.123Z",
    });
    assert_eq!((upserted.created, met(&mapping::contact::from_part(upserted.contact)).0), (Some(true), expected));

    let bench = answering("052").await.unwrap();
    let reply = mapping::contact::from_part(
        bench.run().update_contact("cA000000000000000000", &UpdateContact::default()).await.unwrap(),
    );
    let known = Contact { phone: Some("+15555550900".to_owned()), tags: vec!["vip".to_owned()], ..Contact::default() };
    let expected = json!({
        "id": "cA000000000000000000", "name": "Cre Ated", "firstName": "Cre", "lastName": "Ated",
        "email": "create@example.com", "phone": "+15555550900", "tags": ["vip"],
    });
    assert_eq!(stored(&reply.completed(&known)), expected, "what the reply leaves out is as it was");
    for number in ["053", "054"] {
        assert_eq!(answering(number).await.unwrap().run().delete_contact("c").await, Ok(()), "{number}");
    }
}

#[tokio::test]
async fn tasks_notes_and_appointments_are_stored() {
    let contact = "gA000000000000000000";
    let Some(bench) = answering("077").await else { return };
    let tasks = bench.run().list_tasks(contact).await.unwrap();
    let tasks: Vec<_> = tasks.items.into_iter().map(|task| stored(&mapping::task::from_ghl(task, contact))).collect();
    let first = json!({
        "taskId": "tk1", "contactId": contact, "title": "T1", "body": "b", "dueDate": "2026-03-07T09:00:00Z",
        "completed": false, "assignedTo": "u",
    });
    let second = json!({
        "taskId": "tk2", "contactId": contact, "title": "T2", "dueDate": "2026-03-07T14:00:00Z", "completed": true,
    });
    assert_eq!(tasks, [first.clone(), second]);

    let page = answering("078").await.unwrap();
    let page = page.run().search_tasks("l", &SearchTasks { limit: 100, ..SearchTasks::default() }).await.unwrap();
    let tasks: Vec<_> = page.tasks.into_iter().map(|task| stored(&mapping::task::from_ghl(task, "?"))).collect();
    assert_eq!(tasks, [first]);

    let notes = answering("079").await.unwrap().run().list_notes(contact).await.unwrap();
    let notes: Vec<_> = notes.items.into_iter().map(|note| stored(&mapping::note::from_ghl(note, contact))).collect();
    let at = "2026-03-05T10:00:00.123Z";
    let rich = json!({
        "noteId": "nt1", "contactId": contact, "noteText": "<p>Hello <strong>world</strong></p>", "userId": "u",
        "createdAt": at,
    });
    let empty = |id: &str| json!({"noteId": id, "contactId": contact, "noteText": "", "createdAt": at});
    assert_eq!(notes, [rich, empty("nt2"), empty("nt3")]);

    let zone = TimeZone::get("America/New_York").unwrap();
    let held = answering("080").await.unwrap().run().list_appointments(contact).await.unwrap();
    let held: Vec<_> =
        held.items.into_iter().map(|one| stored(&mapping::appointment::from_ghl(one, contact, &zone))).collect();
    let appointment = |id: &str, title: &str, status: &str, start: &str, end: Option<&str>, more: Value| {
        let mut reported = json!({
            "appointmentId": id, "contactId": contact, "calendarId": "cal1", "title": title, "status": status,
            "startTime": start,
        });
        let fields = reported.as_object_mut().unwrap();
        fields.extend(end.map(|end| ("endTime".to_owned(), json!(end))));
        fields.extend(more.as_object().unwrap().clone());
        reported
    };
    let user = json!({"assignedUserId": "u"});
    assert_eq!(
        held,
        [
            appointment("ap1", "A1", "confirmed", "2026-03-10T14:00:00Z", Some("2026-03-10T14:30:00Z"), user),
            appointment("ap2", "A2", "rescheduled", "2026-03-11T15:00:00Z", Some("2026-03-11T15:30:00Z"), json!({})),
            appointment("ap3", "A3", "confirmed", "2026-03-11T10:00:00Z", Some("2026-03-11T10:30:00Z"), json!({})),
            appointment("ap4", "A4", "completed", "2026-03-12T10:00:00Z", None, json!({})),
        ]
    );
}

#[tokio::test]
async fn the_location_and_its_custom_fields_are_read() {
    let Some(bench) = answering("082").await else { return };
    let definitions = bench.run().list_custom_fields("l").await.unwrap();
    let reported: Vec<_> = definitions
        .iter()
        .map(|one| (one.id.as_str(), one.field_key.as_deref().unwrap(), one.data_type.as_deref().unwrap()))
        .collect();
    let expected = [
        ("cfText00000000000001", "contact.text", "TEXT"),
        ("cfMoney0000000000001", "contact.money", "MONETORY"),
        ("cfRadio0000000000001", "contact.r", "RADIO"),
        ("cfTbl000000000000001", "contact.tb", "TEXTBOX_LIST"),
        ("cfFile00000000000001", "contact.f", "FILE_UPLOAD"),
        ("cfSign00000000000001", "contact.s", "SIGNATURE"),
    ];
    assert_eq!(reported, expected);
    assert_eq!(definitions[2].picklist_options, ["r1", "r2"]);
    let location = answering("083").await.unwrap().run().get_location("l").await.unwrap();
    assert_eq!(
        (location.id.as_str(), location.timezone.as_deref()),
        ("ve9EPM428h8vShlRW1KT", Some("America/New_York"))
    );
}
