//! Reads a reply that is no success: which error it is.
//!
//! The status alone does not say. A 401 may be about the token, the version header or the scope; a missing contact is a
//! 400 with the right words, or a 404; and a page of HTML comes from something that stands before GHL and knows nothing
//! of contacts, so a misrouted request must not be taken for a deleted record.

use reqwest::StatusCode;
use serde_json::Value;

use super::error::{GhlError, Subject, UnauthorizedKind};
use super::reply::Reply;
use super::scrub::scrub;
use super::throttle;
use crate::clean::is_clean;

/// Of a refusal that lists every field, so many messages are kept.
const MOST_MESSAGES: usize = 10;
/// No id of GHL's is longer.
const LONGEST_ID: usize = 256;

/// The error that `reply` is. `sent` is the body of the request, whose values its messages may quote.
pub(super) fn refusal(reply: &Reply, sent: Option<&Value>) -> GhlError {
    let status = reply.status.as_u16();
    if reply.status == StatusCode::TOO_MANY_REQUESTS {
        return throttle::throttled(&reply.headers);
    }
    if !reply.status.is_client_error() || reply.status == StatusCode::REQUEST_TIMEOUT || reply.is_page() {
        return GhlError::Server { status };
    }
    let body = serde_json::from_slice(&reply.body).unwrap_or_default();
    let messages = messages(&body);
    let gone = missing_resource(&body).or_else(|| messages.iter().find_map(|message| missing_subject(message)));
    let kind = unauthorized_kind(status, &messages);
    match (status, gone, kind) {
        (_, _, Some(kind)) => GhlError::Unauthorized { kind, message: scrub(&messages.join("; "), sent) },
        (400 | 409 | 422, ..) if is_duplicate(&messages) => duplicate(&body),
        (400 | 404, Some(what), _) => GhlError::Gone { what },
        (404, None, _) if !is_missing_route(&messages) => GhlError::Gone { what: Subject::Unsaid },
        _ => {
            let messages = messages.iter().take(MOST_MESSAGES).map(|message| scrub(message, sent)).collect();
            GhlError::Invalid { status, messages }
        }
    }
}

/// The messages of an error body: `{message: "…" | ["…"]}` of v2, `{error: {message}}` of v3, `{error, error_description}`
/// of OAuth.
pub(crate) fn messages(body: &Value) -> Vec<String> {
    let places =
        [&body["message"], &body["error"]["message"], &body["msg"], &body["error_description"], &body["error"]];
    places.into_iter().map(texts).find(|texts| !texts.is_empty()).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.get("message").map(texts).unwrap_or_default(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn is_duplicate(messages: &[String]) -> bool {
    messages.iter().any(|message| message.to_lowercase().contains("duplicated contacts"))
}

/// Which contact is there already, where GHL tells: `meta` of v2, `error.details` of v3, which may be a list. Its name is left out.
fn duplicate(body: &Value) -> GhlError {
    let told = |name: &str| {
        let error = &body["error"];
        let places = [&body["meta"][name], &error["details"][name], &error["details"][0][name], &error["meta"][name]];
        places.into_iter().find_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // An e-mail in the place of a field's name is not repeated.
    let is_name = |field: &String| field.len() < 40 && field.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let is_id = |id: &String| id.len() <= LONGEST_ID && id.chars().all(|c| is_clean(c) && !c.is_whitespace());
    GhlError::Duplicate {
        contact_id: told("contactId").filter(is_id),
        matching_field: told("matchingField").filter(is_name),
    }
}

/// What v3 says is missing, in words made for programs.
fn missing_resource(body: &Value) -> Option<Subject> {
    let error = &body["error"];
    if error["code"] != "RESOURCE_NOT_FOUND" {
        return None;
    }
    Some(match error["details"]["resource"].as_str().unwrap_or_default().to_lowercase().as_str() {
        "contact" => Subject::Contact,
        "task" => Subject::Task,
        "note" => Subject::Note,
        "appointment" | "event" => Subject::Appointment,
        "location" => Subject::Location,
        "" => Subject::Unsaid,
        // A missing user or calendar is the caller's mistake, not a deleted record.
        _ => return None,
    })
}

fn unauthorized_kind(status: u16, messages: &[String]) -> Option<UnauthorizedKind> {
    let says = |words: &str| messages.iter().any(|message| message.to_lowercase().contains(words));
    let told = if says("version header") {
        Some(UnauthorizedKind::VersionHeader)
    } else if says("scope") {
        Some(UnauthorizedKind::MissingScope)
    } else if says("access to this location") || says("location is not") {
        Some(UnauthorizedKind::LocationAccess)
    } else {
        None
    };
    match status {
        401 => Some(told.unwrap_or(UnauthorizedKind::TokenRejected)),
        403 => told,
        _ => None,
    }
}

/// What "… not found" says is missing: the first thing it names, so that a missing assignee is no missing task.
fn missing_subject(message: &str) -> Option<Subject> {
    let message = message.to_lowercase();
    let before = &message[..message.find("not found")?];
    before.split(|c: char| !c.is_alphanumeric()).find_map(|word| match word {
        "contact" => Some(Some(Subject::Contact)),
        "task" => Some(Some(Subject::Task)),
        "note" => Some(Some(Subject::Note)),
        "appointment" | "event" => Some(Some(Subject::Appointment)),
        "location" => Some(Some(Subject::Location)),
        "user" | "assignee" | "assigned" | "owner" | "calendar" | "field" => Some(None),
        _ => None,
    })?
}

/// `Cannot GET /contact/x`: the address is wrong, which says nothing of the record.
fn is_missing_route(messages: &[String]) -> bool {
    messages.iter().any(|message| message.starts_with("Cannot "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::error::Class;
    use super::*;

    fn of(status: u16, body: &Value) -> GhlError {
        refusal(&Reply::canned(status, "application/json", body.to_string().as_bytes()), None)
    }

    fn said(status: u16, message: &str) -> GhlError {
        of(status, &json!({"statusCode": status, "message": message}))
    }

    #[test]
    fn each_401_says_what_it_objects_to_and_only_a_bad_token_breaks_the_lane() {
        let cases = [
            ("Invalid token: access token is invalid", UnauthorizedKind::TokenRejected, Class::Broken),
            ("Invalid JWT", UnauthorizedKind::TokenRejected, Class::Broken),
            ("version header was not found.", UnauthorizedKind::VersionHeader, Class::Permanent),
            ("version header is invalid", UnauthorizedKind::VersionHeader, Class::Permanent),
            ("The token is not authorized for this scope.", UnauthorizedKind::MissingScope, Class::Permanent),
            ("The token does not have access to this location.", UnauthorizedKind::LocationAccess, Class::Broken),
        ];
        for (message, expected, class) in cases {
            let error = said(401, message);
            assert!(matches!(&error, GhlError::Unauthorized { kind, .. } if *kind == expected), "{message}: {error:?}");
            assert_eq!(error.class(), class, "{message}");
        }
    }

    #[test]
    fn a_403_about_the_location_is_the_lanes_matter_and_any_other_the_calls() {
        assert_eq!(said(403, "The token does not have access to this location.").class(), Class::Broken);
        assert!(matches!(said(403, "Forbidden resource"), GhlError::Invalid { status: 403, .. }));
    }

    #[test]
    fn a_missing_record_is_gone_whether_400_or_404() {
        assert_eq!(said(400, "Contact with id abc not found"), GhlError::Gone { what: Subject::Contact });
        assert_eq!(said(404, "Task not found"), GhlError::Gone { what: Subject::Task });
        assert_eq!(said(400, "Note with id n1 not found"), GhlError::Gone { what: Subject::Note });
        assert_eq!(said(404, "Not Found"), GhlError::Gone { what: Subject::Unsaid });
        let plain = refusal(&Reply::canned(404, "text/plain", b"Not Found"), None);
        assert_eq!(plain, GhlError::Gone { what: Subject::Unsaid });
    }

    #[test]
    fn another_400_is_not_gone() {
        for message in ["User with id u1 not found", "Assigned user of the task not found", "Bad Request"] {
            assert!(matches!(said(400, message), GhlError::Invalid { status: 400, .. }), "{message}");
        }
    }

    #[test]
    fn a_duplicate_names_the_contact_that_is_there_where_ghl_does() {
        let told = "This location does not allow duplicated contacts.";
        let meta = json!({"contactId": "c1", "contactName": "Jane", "matchingField": "email"});
        let found = GhlError::Duplicate { contact_id: Some("c1".to_owned()), matching_field: Some("email".to_owned()) };
        let v2 = of(400, &json!({"statusCode": 400, "message": told, "meta": meta}));
        assert_eq!(v2, found);
        assert!(!format!("{v2} {v2:?}").contains("Jane"));
        assert_eq!((v2.class(), v2.may_have_created()), (Class::Permanent, false));
        for details in [meta.clone(), json!([meta])] {
            let v3 = json!({"error": {"code": "DUPLICATE", "message": told, "details": details, "resolution": "-"}});
            assert_eq!(of(400, &v3), v2);
        }

        let silent = GhlError::Duplicate { contact_id: None, matching_field: None };
        assert_eq!(said(400, told), silent);
        for id in [json!(7), json!("a\0b"), json!("a b"), json!("x".repeat(300))] {
            let odd = json!({"contactId": id, "matchingField": "jane@example.com"});
            assert_eq!(of(400, &json!({"message": told, "meta": odd})), silent);
        }
    }

    #[test]
    fn v3_says_in_a_code_what_is_missing() {
        let missing = |resource: &str| {
            let error = json!({"code": "RESOURCE_NOT_FOUND", "message": "The requested thing was not found.",
                "details": {"resource": resource}, "resolution": "Verify that it exists."});
            of(404, &json!({"error": error}))
        };
        assert_eq!(missing("Contact"), GhlError::Gone { what: Subject::Contact });
        assert_eq!(missing("Task"), GhlError::Gone { what: Subject::Task });
        assert_eq!(missing(""), GhlError::Gone { what: Subject::Unsaid });
    }

    #[test]
    fn a_create_refused_with_422_may_have_created() {
        assert!(said(422, "phone is odd").may_have_created());
        assert!(!said(400, "phone is odd").may_have_created());
        assert!(!said(422, "phone is odd").outcome_unknown());
    }

    #[test]
    fn a_wrong_address_does_not_delete_records() {
        assert!(matches!(said(404, "Cannot GET /v9/contacts/abc"), GhlError::Invalid { status: 404, .. }));
        let page = refusal(&Reply::canned(404, "text/html", b"<html>nothing here</html>"), None);
        assert_eq!(page, GhlError::Server { status: 404 });
    }

    #[test]
    fn a_page_before_ghl_is_passing_whatever_its_status() {
        for status in [301, 401, 403, 502] {
            let error = refusal(&Reply::canned(status, "text/html", b"<!doctype html>blocked"), None);
            assert_eq!(error.class(), Class::Passing, "{status}");
        }
    }

    #[test]
    fn all_forms_of_messages_are_read() {
        let invalid = |messages: &[&str]| GhlError::Invalid {
            status: 422,
            messages: messages.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            of(422, &json!({"message": ["property x should not exist", "no y"]})),
            invalid(&["property x should not exist", "no y"])
        );
        assert_eq!(of(422, &json!({"error": {"code": "E1", "message": "no"}})), invalid(&["no"]));
        assert_eq!(
            of(422, &json!({"error": "invalid_request", "error_description": "no code"})),
            invalid(&["no code"])
        );
        assert_eq!(of(422, &json!([1, null])), invalid(&[]));
    }

    #[test]
    fn a_refusal_prints_nothing_that_was_sent() {
        let sent = json!({"body": "Jane owes 500"});
        let body = json!({"message": "body 'Jane owes 500' is not allowed"}).to_string();
        let error = refusal(&Reply::canned(422, "application/json", body.as_bytes()), Some(&sent));
        assert!(!format!("{error} {error:?}").contains("Jane"), "{error}");
    }
}
