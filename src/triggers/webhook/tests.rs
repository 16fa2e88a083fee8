//! What bodies are taken for and what they ask for; and that no bytes at all are too much.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: &str = "2026-06-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn read(body: Value) -> Webhook {
    Webhook::read(body.to_string().as_bytes()).unwrap()
}

fn work(body: Value) -> WebhookWork {
    read(body).accepted(now()).work
}

fn pull(contact: &str) -> WebhookWork {
    WebhookWork::Pull { contact_id: contact.to_owned() }
}

#[test]
fn every_documented_name_is_known_and_there_are_77() {
    assert_eq!(Event::ALL.len(), 77);
    for event in Event::ALL {
        for said in [event.as_str(), event.word(), &event.as_str().to_uppercase()] {
            let body = json!({"type": said, "id": "X", "locationId": "L"});
            assert_eq!(read(body).event, Recognised::As(*event), "{said}");
        }
    }
    for (said, event) in [
        ("INSTALL", Event::AppInstall),
        ("UNINSTALL", Event::AppUninstall),
        ("PLAN_CHANGE", Event::PlanChange),
        ("ConversationUnreadUpdate", Event::ConversationUnreadWebhook),
        ("UPDATE", Event::AppUpdate),
        ("APP_PAYMENT_STATUS", Event::AppPaymentStatus),
        ("EXTERNAL_AUTH_CONNECTED", Event::ExternalAuthConnected),
        ("contact_update", Event::ContactUpdate),
    ] {
        assert_eq!(read(json!({"type": said, "id": "X", "locationId": "L"})).event, Recognised::As(event));
    }
    assert_eq!(read(json!({"type": "ContactExploded"})).event.name(), "unknown");
}

#[test]
fn a_body_is_found_wherever_it_is_packed() {
    let body = json!({"type": "ContactUpdate", "locationId": "L", "id": "C"});
    for packed in [
        json!([body]),
        json!(body.to_string()),
        json!({"data": body}),
        json!({"type": "ContactUpdate", "locationId": "L", "data": {"id": "C"}}),
        json!({"type": "ContactUpdate", "locationId": "L", "id": "evt", "contact": {"id": "C"}}),
        json!({"type": "ContactUpdate", "locationId": "L", "id": "evt", "data": {"id": "C"}}),
        json!({"type": "ContactUpdate", "locationId": "L", "id": "C", "contact": {"name": "the company's"}}),
    ] {
        assert_eq!(work(packed.clone()), pull("C"), "{packed}");
    }
}

#[test]
fn events_of_contacts_tasks_notes_and_appointments_pull_the_contact() {
    for event in ["ContactCreate", "ContactUpdate", "ContactDndUpdate", "ContactTagUpdate"] {
        assert_eq!(work(json!({"type": event, "locationId": "L", "id": "C"})), pull("C"));
    }
    for event in ["TaskCreate", "TaskComplete", "TaskDelete", "NoteCreate", "NoteUpdate", "NoteDelete"] {
        assert_eq!(work(json!({"type": event, "locationId": "L", "id": "X", "contactId": "C"})), pull("C"));
    }
    for event in ["AppointmentCreate", "AppointmentUpdate", "AppointmentDelete"] {
        let nested = json!({"type": event, "locationId": "L", "appointment": {"id": "A", "contactId": "C"}});
        assert_eq!(work(nested), pull("C"));
    }
    let untyped = json!({"locationId": "L", "appointment": {"id": "A", "contactId": "C"}});
    assert_eq!(work(untyped), pull("C"));
}

#[test]
fn a_deleted_contact_is_reported_with_the_time_of_its_deletion() {
    let gone = work(json!({"type": "ContactDelete", "locationId": "L", "id": "C", "timestamp": NOW}));
    assert_eq!(gone, WebhookWork::ContactGone { contact_id: "C".to_owned(), at: Some(now()) });
}

#[test]
fn a_task_without_its_contact_asks_for_its_owner() {
    let task = work(json!({"type": "TaskCreate", "locationId": "L", "id": "T"}));
    assert_eq!(task, WebhookWork::FindTask { task_id: "T".to_owned() });
}

#[test]
fn a_changed_location_is_looked_at_and_names_itself_by_id() {
    let webhook = read(json!({"type": "LocationUpdate", "id": "L", "companyId": "K"}));
    assert_eq!((webhook.location_id.as_deref(), &webhook.news), (Some("L"), &News::Location));
    assert_eq!(webhook.accepted(now()).work, WebhookWork::RefreshLocation);
}

#[test]
fn installs_are_distinguished_and_need_no_connection() {
    let install = read(json!({"type": "INSTALL", "appId": "A", "companyId": "K", "locationId": "L"}));
    let News::App { installed: true, location_id, company_id, app_id } = &install.news else { panic!("{install:?}") };
    assert_eq!((location_id.as_deref(), company_id.as_deref(), app_id.as_deref()), (Some("L"), Some("K"), Some("A")));
    assert!(!install.accepted(now()).needs_connection);
    let uninstall = read(json!({"type": "UNINSTALL", "appId": "A", "companyId": "K"}));
    assert!(matches!(uninstall.news, News::App { installed: false, location_id: None, .. }));
}

#[test]
fn an_uninstall_without_a_time_is_looked_at_and_one_with_a_time_is_not() {
    let uninstall = |timestamp: Value| work(json!({"type": "UNINSTALL", "locationId": "L", "timestamp": timestamp}));
    assert_eq!(uninstall(Value::Null), WebhookWork::RefreshLocation);
    assert_eq!(uninstall(json!(NOW)), WebhookWork::Nothing);
}

/// The forms in which one record was seen.
#[test]
fn a_wrapped_or_respelt_body_reads_as_a_flat_one() {
    let contact = json!({"id": "C", "email": "a@x.y", "tags": ["a"]});
    for wrapped in [
        json!({"type": "ContactUpdate", "locationId": "L", "id": "C", "email": "a@x.y", "tags": ["a"]}),
        json!({"type": "ContactUpdate", "locationId": "L", "contact": contact}),
        json!({"type": "ContactUpdate", "location_id": "L", "data": contact}),
        json!({"type": "ContactUpdate", "location_id": "L", "data": {"contact": contact}}),
        json!({"type": "ContactUpdate", "locationId": "L", "_id": "C", "email": "a@x.y", "tags": ["a"]}),
    ] {
        let kept = read(wrapped.clone()).accepted(now());
        assert_eq!((kept.location_id.as_deref(), &kept.work), (Some("L"), &pull("C")), "{wrapped}");
        let expected = json!({"type": "ContactUpdate", "locationId": "L", "id": "C", "email": "a@x.y", "tags": ["a"]});
        assert_eq!(serde_json::from_str::<Value>(&kept.body).unwrap(), expected, "{wrapped}");
    }
    let nested = json!({"type": "AppointmentUpdate", "locationId": "L", "appointment": {"id": "A", "contactId": "C"}});
    for form in [
        nested.clone(),
        json!({"type": "AppointmentUpdate", "locationId": "L", "id": "A", "contactId": "C"}),
        json!({"type": "AppointmentUpdate", "locationId": "L", "data": {"id": "A", "contact_id": "C"}}),
    ] {
        let kept = read(form.clone()).accepted(now());
        assert_eq!(kept.work, pull("C"), "{form}");
        assert_eq!(serde_json::from_str::<Value>(&kept.body).unwrap(), nested, "{form}");
    }
    // What a webhook of another kind calls its data stays.
    let custom =
        json!({"type": "RecordCreate", "locationId": "L", "id": "R", "contact": {"id": "C"}, "data": {"a": 1}});
    assert_eq!(serde_json::from_str::<Value>(&read(custom.clone()).accepted(now()).body).unwrap(), custom);
}

#[test]
fn an_appointment_without_its_contact_asks_for_it() {
    let find = WebhookWork::FindAppointment { appointment_id: "A".to_owned() };
    for event in ["AppointmentCreate", "AppointmentUpdate", "AppointmentDelete"] {
        assert_eq!(work(json!({"type": event, "locationId": "L", "appointment": {"id": "A"}})), find);
        assert_eq!(work(json!({"type": event, "locationId": "L", "id": "A", "startTime": "x"})), find);
    }
}

#[test]
fn what_is_far_from_now_is_late_and_asks_for_the_same_as_ever() {
    let kept = |timestamp: Value| {
        read(json!({"type": "ContactUpdate", "locationId": "L", "id": "C", "timestamp": timestamp})).accepted(now())
    };
    let now_ms = now().as_millisecond();
    for (timestamp, is_late) in [
        (json!("2026-06-01T11:50:00.000Z"), false),
        (json!("2026-06-01T11:49:59.999Z"), true),
        (json!("2026-06-01T12:01:00Z"), false),
        (json!("2026-06-01T12:01:01Z"), true),
        (json!(now_ms), false),
        (json!(now_ms - 3 * 24 * 3_600_000), true),
        (json!(now_ms - 30 * 24 * 3_600_000), true),
        (json!(null), false),
        (json!("yesterday"), false),
        (json!({}), false),
        (json!(true), false),
    ] {
        let kept = kept(timestamp.clone());
        assert_eq!((kept.is_late, kept.work), (is_late, pull("C")), "{timestamp}");
    }
}

#[test]
fn odd_characters_are_cleaned_and_what_cannot_be_read_is_distinguished() {
    for odd in [
        &br#"{"type":"ContactUpdate","locationId":"L","id":"C","firstName":"Cut \ud83d"}"#[..],
        b"{\"type\":\"ContactUpdate\",\"locationId\":\"L\",\"id\":\"C\",\"firstName\":\"\xff\"}",
        b"\xef\xbb\xbf{\"type\":\"ContactUpdate\",\"locationId\":\"L\",\"id\":\"C\"}",
        br#"{"type":"ContactUpdate","locationId":"L","id":"C","customFields":[{"id":"f","value":1e999}]}"#,
        br#"{"type":"ContactUpdate","locationId":"L","id":"C","firstName":"a\u0000b"}"#,
    ] {
        let kept = Webhook::read(odd).unwrap().accepted(now());
        assert_eq!((kept.event_type, kept.work), ("ContactUpdate", pull("C")), "{}", String::from_utf8_lossy(odd));
        assert!(serde_json::from_str::<Value>(&kept.body).is_ok_and(|body| body["id"] == "C"), "{}", kept.body);
        assert!(!kept.body.contains("\\u0000"), "{}", kept.body);
    }
    let deep =
        format!(r#"{{"type":"ContactUpdate","locationId":"L","id":"C","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(Webhook::read(deep.as_bytes()).unwrap().accepted(now()).work, pull("C"));
    for unreadable in [&b""[..], b"no json", b"\xff\xfe", br#"{"type":"ContactUpdate","id":"C""#] {
        let reported = Webhook::read(unreadable).unwrap_err();
        assert!(reported.id.starts_with("sha256:"));
        assert_eq!(Webhook::read(unreadable).unwrap_err(), reported);
    }
}

#[test]
fn a_repetition_is_known_by_the_id_and_without_one_by_the_bytes() {
    let of = |body: &str| Webhook::read(body.as_bytes()).unwrap().id;
    assert_eq!(of(r#"{"webhookId":"w1","a":1}"#), of(r#"{"webhookId":"w1","a":2}"#));
    assert_ne!(of(r#"{"webhookId":"w1"}"#), of(r#"{"webhookId":"w2"}"#));
    assert_eq!(of(r#"{"a":1}"#), of(r#"{"a":1}"#));
    assert_ne!(of(r#"{"a":1}"#), of(r#"{"a": 1}"#));
    // What is no id is not taken for one.
    for odd in [r#"{"webhookId":""}"#, r#"{"webhookId":7}"#, r#"{"webhookId":"a\u0000b"}"#] {
        assert!(of(odd).starts_with("sha256:"), "{odd}");
    }
    // A body can't pass for another's hash.
    assert!(of(r#"{"webhookId":"sha256:x"}"#).starts_with("id:"));
}

#[test]
fn the_number_that_nobody_may_keep_is_not_kept_and_all_else_is_kept_to_the_letter() {
    let body =
        r#"{"type":"ContactUpdate",  "id":"C","locationId":"L", "deep":[{"SSN":"078-05-1120"}],"ssn":"078-05-1120"}"#;
    let kept = Webhook::read(body.as_bytes()).unwrap().accepted(now()).body;
    assert!(!kept.contains("078") && kept.contains("ContactUpdate"), "{kept}");
    let clean = r#"{"type":"ContactUpdate",  "id":"C","locationId":"L", "n":1.0e3}"#;
    assert_eq!(Webhook::read(clean.as_bytes()).unwrap().accepted(now()).body, clean);
}

#[test]
fn what_ghl_left_out_for_its_size_is_reported() {
    let webhook = read(json!({"type": "NoteUpdate", "locationId": "L", "contactId": "C", "payloadTooLarge": true}));
    assert!(webhook.payload_too_large);
    assert_eq!(webhook.accepted(now()).work, pull("C"));
}

/// The documents call their samples by the event. Two kinds of samples can't show it: those of appointments all say
/// `AppointmentCreate`, and some look alike to the letter, which [`Recognised::OneOf`] admits.
#[test]
fn every_sample_of_the_documents_is_recognised() {
    let Some(folder) = std::env::var_os("GHL_DOCS_DIR").map(|docs| PathBuf::from(docs).join("webhooks")) else {
        eprintln!("GHL_DOCS_DIR is not set: the samples of webhooks were not looked at");
        return;
    };
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        let document: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        let name = document["event"].as_str().unwrap();
        let event = Event::ALL.iter().copied().find(|event| event.as_str() == name);
        let event = event.unwrap_or_else(|| panic!("{name} is not known"));
        files += 1;
        // Some documents put the schema among the samples, and the prices have nothing but it.
        let is_sample = |sample: &&Value| sample["type"] != "object";
        let samples: Vec<Value> = document["examples"].as_array().unwrap().iter().filter(is_sample).cloned().collect();
        let made_up = || document["schema"]["properties"].clone();
        for sample in if samples.is_empty() { vec![made_up()] } else { samples } {
            let found = read(sample.clone()).event;
            let is_appointment = name.starts_with("Appointment") && sample["type"] == "AppointmentCreate";
            let expected = if is_appointment { Event::AppointmentCreate } else { event };
            assert!(found.could_match(expected), "{name} is taken for {}", found.name());
        }
    }
    // The other 19 are of documents that came later.
    assert_eq!(files, Event::ALL.len() - 19, "documents and events");
}

/// Any JSON, with a taste for the names that mean something here.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(Event::ALL).prop_map(|event| event.as_str().into()),
        Just(json!("INSTALL")),
        Just(json!("2026-06-01T12:00:00Z")),
        Just(json!("location")),
    ];
    let names = prop::sample::select(vec![
        "type",
        "id",
        "_id",
        "locationId",
        "contactId",
        "appointment",
        "timestamp",
        "webhookId",
        "altId",
        "altType",
        "companyId",
        "appId",
        "payloadTooLarge",
        "ssn",
        "invoiceNumber",
        "status",
        "productType",
        "product",
        "currency",
        "owners",
        "followers",
        "properties",
        "messageId",
        "phone",
    ]);
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(webhook) = Webhook::read(&bytes) {
            prop_assert!(!webhook.accepted(now()).body.contains('\0'));
        }
    }

    #[test]
    fn no_json_is_too_much_and_what_comes_out_can_be_stored(body in anything(), cut in 0.0..1.0f64) {
        let text = body.to_string();
        // A body that broke off is still read.
        let cut = (text.len() as f64 * cut) as usize;
        let _ = Webhook::read(&text.as_bytes()[..cut]);
        let whole = Webhook::read(text.as_bytes()).unwrap();
        let kept = whole.clone().accepted(now());
        for text in [Some(&kept.id), Some(&kept.body), kept.location_id.as_ref()].into_iter().flatten() {
            prop_assert!(!text.contains('\0'));
        }
        prop_assert!(!remove_secrets(&mut whole.fields.clone()), "a secret was left");
        prop_assert_eq!(&Webhook::read(text.as_bytes()).unwrap(), &whole);
    }
}
