//! Errors and answers to writes as GHL really sent them, each read as in production. What must come of it stands here by hand; the numbers are those of
//! the captures, which are read as well where `GHL_DOCS_DIR` is set.

use std::path::PathBuf;

use ::ghl::model::UpdateContact;
use ::ghl::{Class, GhlError, Subject, UnauthorizedKind};
use scripted_server::reply;
use serde_json::{Value, json};
use sync_model::record::Contact;

use super::*;
use crate::mapping::contact::{from_ghl, to_new};

/// A reply: status, headers and body. A text is a page.
#[derive(Clone)]
struct Reported {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Reported {
    fn new(status: u16, headers: &[(&str, &str)], body: Value) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { status, headers, body }
    }

    fn answer(&self) -> Answer {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .filter(|(name, _)| name != "content-type")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        match &self.body {
            Value::String(page) => Answer::Bytes(reply(self.status, "text/html", &headers, page)),
            body => Answer::with_headers(self.status, &headers, &body.to_string()),
        }
    }
}

/// The capture of that number, where the captures are at hand.
fn captured(number: &str) -> Option<Reported> {
    let folder = std::env::var_os("GHL_DOCS_DIR").map(|docs| PathBuf::from(docs).join("payloads"))?;
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let file = files.map(|file| file.path()).find(|path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&format!("{number}-")))
    });
    let file = file.unwrap_or_else(|| panic!("there is no capture {number}"));
    let capture: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let headers = capture["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let status = capture["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
    Some(Reported { status, headers, body: capture["body"].clone() })
}

/// The shape of a capture, and the capture itself.
fn both(number: &str, made: Reported) -> Vec<Reported> {
    [Some(made), captured(number)].into_iter().flatten().collect()
}

/// The call that meets a reply, by its method.
async fn error_of(method: &str, reported: &Reported) -> GhlError {
    let bench = Bench::with([reported.answer()]).await;
    let answer = match method {
        "POST" => bench.run().create_contact(&to_new(&Contact::default(), "l")).await.map(drop),
        "PUT" => bench.run().update_contact("gX", &UpdateContact::default()).await.map(drop),
        _ => bench.run().get_contact("gX").await.map(drop),
    };
    answer.unwrap_err()
}

fn said(status: u16, message: &str) -> Reported {
    Reported::new(status, &[], json!({"statusCode": status, "message": message, "traceId": "t"}))
}

#[tokio::test]
async fn every_captured_error_is_what_it_means() {
    let duplicate = "This location does not allow duplicated contacts.";
    let with_meta = |field: &str| {
        let meta = json!({"contactId": "dupA0000000000000000", "contactName": "Dup A", "matchingField": field});
        Reported::new(400, &[], json!({"statusCode": 400, "message": duplicate, "meta": meta}))
    };
    let found = |field: &str| GhlError::Duplicate {
        contact_id: Some("dupA0000000000000000".to_owned()),
        matching_field: Some(field.to_owned()),
    };
    let invalid = |status, messages: &[&str]| GhlError::Invalid {
        status,
        messages: messages.iter().map(|message| (*message).to_owned()).collect(),
    };
    let listed = json!({"statusCode": 422, "message": ["property x should not exist", "email must be an email"]});
    let day = [
        ("x-ratelimit-daily-remaining", "0"),
        ("x-ratelimit-daily-reset", "2888000"),
        ("x-ratelimit-remaining", "100"),
    ];
    let too_many = json!({"message": "Too Many Requests"});
    let throttled =
        |wait: Option<u64>, daily| GhlError::Throttled { retry_after: wait.map(Duration::from_secs), daily };
    let page = |title: &str| json!(format!("<!DOCTYPE html><html><head><title>{title}</title></head></html>"));
    let cases = [
        ("055", "POST", with_meta("phone"), found("phone"), Class::Permanent),
        ("056", "PUT", with_meta("email"), found("email"), Class::Permanent),
        (
            "058",
            "POST",
            said(400, duplicate),
            GhlError::Duplicate { contact_id: None, matching_field: None },
            Class::Permanent,
        ),
        (
            "059",
            "PUT",
            said(400, "Invalid field additionalEmails"),
            invalid(400, &["Invalid field additionalEmails"]),
            Class::Permanent,
        ),
        (
            "060",
            "PUT",
            Reported::new(422, &[], listed),
            invalid(422, &["property x should not exist", "email must be an email"]),
            Class::Permanent,
        ),
        ("069", "GET", said(404, "Contact not found"), GhlError::Gone { what: Subject::Contact }, Class::Permanent),
        (
            "070",
            "GET",
            said(400, "Contact with id gX not found"),
            GhlError::Gone { what: Subject::Contact },
            Class::Permanent,
        ),
        ("071", "GET", Reported::new(429, &day, too_many.clone()), throttled(Some(2888), true), Class::Throttling),
        (
            "072",
            "GET",
            Reported::new(429, &[("x-ratelimit-remaining", "0")], too_many),
            throttled(None, false),
            Class::Throttling,
        ),
        ("073", "GET", Reported::new(429, &[], page("Error 1015")), throttled(None, false), Class::Throttling),
    ];
    for (number, method, made, expected, class) in cases {
        for reported in both(number, made) {
            let error = error_of(method, &reported).await;
            assert_eq!(error, expected, "{number}");
            assert_eq!(error.class(), class, "{number}");
        }
    }
    for reported in both("075", Reported::new(524, &[], page("524: A timeout occurred"))) {
        let error = error_of("GET", &reported).await;
        assert!(matches!(&error, GhlError::Server { status: 524, .. }), "{error:?}");
        assert!(error.to_string().starts_with("GHL is out of order: 524: 524: A timeout occurred"), "{error}");
        assert_eq!((error.class(), error.outcome_unknown()), (Class::Passing, true));
    }
}

#[tokio::test]
async fn every_captured_refusal_of_a_token_is_what_it_objects_to() {
    use UnauthorizedKind::{LocationAccess, MissingScope, TokenRejected, VersionHeader, WrongTokenType};
    let cases = [
        ("062", 400, "Invalid API version segment 'bogus-version' at position 0", VersionHeader, Class::Permanent),
        ("063", 401, "The token is not authorized for this scope.", MissingScope, Class::Permanent),
        ("064", 401, "Token's user type mismatch!", WrongTokenType, Class::Broken),
        (
            "065",
            401,
            "This authClass type is not allowed to access this scope. Please verify it.",
            WrongTokenType,
            Class::Broken,
        ),
        ("066", 401, "Invalid JWT", TokenRejected, Class::Broken),
        ("067", 403, "The token does not have access to this location.", LocationAccess, Class::Broken),
    ];
    for (number, status, message, expected, class) in cases {
        for reported in both(number, said(status, message)) {
            let error = error_of("GET", &reported).await;
            assert!(matches!(&error, GhlError::Unauthorized { kind, .. } if *kind == expected), "{number}: {error:?}");
            assert_eq!((error.class(), error.outcome_unknown()), (class, false), "{number}");
            let words = if expected == MissingScope { "get-contact needs contacts.readonly" } else { &message[..11] };
            assert!(error.to_string().contains(words), "{number}: {error}");
        }
    }
}

#[tokio::test]
async fn captured_answers_to_writes_are_read() {
    let made = json!({"contact": {"id": "cA000000000000000000", "deleted": false, "firstName": "Cre", "lastName": "Ate",
        "email": "create@example.com", "phone": "+1 888-888-8888", "country": "US", "tags": ["vip"], "customFields": [],
        "dateAdded": "2026-03-05T10:00:00.123Z", "createdBy": {"source": "INTEGRATION"}}, "traceId": "t"});
    for reported in both("048", Reported::new(201, &[], made)) {
        let bench = Bench::with([reported.answer()]).await;
        let contact = bench.run().create_contact(&to_new(&Contact::default(), "l")).await.unwrap();
        let contact = from_ghl(contact);
        assert_eq!((contact.id.as_str(), contact.first_name.as_deref()), ("cA000000000000000000", Some("Cre")));
        assert_eq!((contact.email.as_deref(), contact.tags), (Some("create@example.com"), vec!["vip".to_owned()]));
        assert!(contact.phone.is_some() && contact.date_added.is_some());
    }
    for (number, body) in [
        ("053", json!({"succeded": true, "traceId": "t"})),
        ("054", json!({"succeeded": true, "succeded": true, "traceId": "t"})),
    ] {
        for reported in both(number, Reported::new(200, &[], body)) {
            let bench = Bench::with([reported.answer()]).await;
            assert_eq!(bench.run().delete_contact("c1").await, Ok(()), "{number}");
        }
    }
}
