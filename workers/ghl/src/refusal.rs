//! Reads a reply that is no success: which error it is.
//!
//! The status alone does not say. A 401 may be about the token, its kind, the version header or the scope, or say nothing at all. A missing
//! contact is a 400 with the right words, or a 404; a 404 without them may be about the address, or come from something that stands before
//! GHL. So a record is [`GhlError::Gone`] only where GHL names it; what else was not found is [`GhlError::NotFound`], which proves nothing.

use reqwest::StatusCode;
use serde_json::Value;
use sync_model::clean::is_clean;

use super::error::{GhlError, Subject, UnauthorizedKind};
use super::json;
use super::reply::Reply;
use super::scrub::without_words_of;
use super::throttle;
use super::words::messages;

/// No id of GHL's is longer.
const LONGEST_ID: usize = 256;

/// The error that `reply` is. `ids` are those of the call's address, and `sent` is the body of the request, whose values its messages may
/// quote.
pub(super) fn refusal(reply: &Reply, ids: &[&str], sent: Option<&Value>) -> GhlError {
    let status = reply.status.as_u16();
    if reply.status == StatusCode::TOO_MANY_REQUESTS {
        return throttle::throttled(&reply.headers);
    }
    let words = reply.words(sent);
    if !reply.status.is_client_error() || reply.status == StatusCode::REQUEST_TIMEOUT || reply.is_page() {
        // What failed inside GHL may quote parts of what it was sent.
        return GhlError::Server { status, reason: without_words_of(&words.join("; "), sent) };
    }
    let body = json::read(&reply.body).map(|document| document.value).unwrap_or_default();
    let raw = messages(&body);
    let named = missing_resource(&body).or_else(|| raw.iter().find_map(|message| missing(message, ids)));
    let kind = unauthorized_kind(status, &words);
    match (status, named, kind) {
        (_, _, Some(kind)) => GhlError::Unauthorized { operation: reply.operation, kind, message: words.join("; ") },
        (400 | 409 | 422, ..) if is_duplicate(&raw) => duplicate(&body),
        (400 | 404, Some(Missing::Record(what)), _) => GhlError::Gone { what },
        (404, None, _) => GhlError::NotFound { reason: words.join("; ") },
        _ => GhlError::Invalid { status, messages: words },
    }
}

/// What is not there, where GHL says.
#[derive(Clone, Copy)]
enum Missing {
    /// What the call is about.
    Record(Subject),
    /// Something that the call names beside it, such as an assignee: the caller's mistake.
    Other,
}

fn is_duplicate(messages: &[String]) -> bool {
    messages.iter().any(|message| message.to_lowercase().contains("duplicated contacts"))
}

/// Which contact is there already, if GHL reports it: `meta` of v2, `error.details` of v3, which may be a list. Its name is left out.
fn duplicate(body: &Value) -> GhlError {
    let reported = |name: &str| {
        let error = &body["error"];
        let places = [&body["meta"][name], &error["details"][name], &error["details"][0][name], &error["meta"][name]];
        places.into_iter().find_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // An e-mail in the place of a field's name is not repeated.
    let is_name = |field: &String| field.len() < 40 && field.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let is_of_id = |c: char| is_clean(c) && !c.is_whitespace() && c != json::LOST;
    let is_id = |id: &String| id.len() <= LONGEST_ID && id.chars().all(is_of_id);
    GhlError::Duplicate {
        contact_id: reported("contactId").filter(is_id),
        matching_field: reported("matchingField").filter(is_name),
    }
}

/// What v3 says is missing, in words made for programs.
fn missing_resource(body: &Value) -> Option<Missing> {
    let error = &body["error"];
    if error["code"] != "RESOURCE_NOT_FOUND" {
        return None;
    }
    let resource = error["details"]["resource"].as_str().filter(|name| !name.trim().is_empty())?;
    Some(subject(&resource.to_lowercase()).map_or(Missing::Other, Missing::Record))
}

fn subject(word: &str) -> Option<Subject> {
    Some(match word {
        "contact" => Subject::Contact,
        "task" => Subject::Task,
        "note" => Subject::Note,
        "appointment" | "event" => Subject::Appointment,
        "location" => Subject::Location,
        _ => return None,
    })
}

/// What a 401 or 403 objects to. Of a 400, an unknown version alone is one: GHL was seen to say it so, too.
fn unauthorized_kind(status: u16, messages: &[String]) -> Option<UnauthorizedKind> {
    let messages: Vec<String> = messages.iter().map(|message| message.to_lowercase()).collect();
    let says = |words: &str| messages.iter().any(|message| message.contains(words));
    let reported = if says("version header") || says("api version") {
        Some(UnauthorizedKind::VersionHeader)
    } else if says("user type mismatch") || says("authclass") {
        // Before the scope, which the second one names as well.
        Some(UnauthorizedKind::WrongTokenType)
    } else if says("scope") {
        Some(UnauthorizedKind::MissingScope)
    } else if says("access to this location") || says("location is not") {
        Some(UnauthorizedKind::LocationAccess)
    } else {
        None
    };
    let about_token = || {
        let is_about = says("jwt") || says("token") || says("session");
        let is_bad = ["invalid", "not valid", "expire", "revoked", "malformed", "not found"].into_iter().any(says);
        if is_about && is_bad { UnauthorizedKind::TokenRejected } else { UnauthorizedKind::Unexplained }
    };
    match status {
        400 => reported.filter(|kind| *kind == UnauthorizedKind::VersionHeader),
        401 => Some(reported.unwrap_or_else(about_token)),
        403 => reported,
        _ => None,
    }
}

/// What "… not found" says is missing. It is the record only where nothing stands between its name and those words but its id: "contact owner",
/// "assignee of the task" and "custom field of the contact" are other things. With an id that is none of the call's `ids`, it is about another
/// record.
fn missing(message: &str, ids: &[&str]) -> Option<Missing> {
    let lower = message.to_lowercase();
    let before = &lower[..lower.find("not found")?];
    let mut words: Vec<&str> = before
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .filter(|word| !word.is_empty() && !BETWEEN.contains(word))
        .collect();
    let is_own = |word: &str| ids.iter().any(|own| own.eq_ignore_ascii_case(word));
    // The id stands behind the name, with or without a word for it.
    let id = match words.as_slice() {
        [.., "id" | "ids", id] => Some(*id),
        [.., last] if is_own(last) || looks_like_id(last) => Some(*last),
        _ => None,
    };
    if id.is_some() {
        words.pop();
    }
    while words.last().is_some_and(|word| *word == "id" || *word == "ids") {
        words.pop();
    }
    let named = words.iter().any(|word| subject(word).is_some());
    let record = words.split_last().filter(|(_, others)| !others.iter().any(|word| is_thing(word)));
    let record = record.and_then(|(last, _)| subject(last));
    match record {
        Some(what) if id.is_none_or(|id| ids.is_empty() || is_own(id)) => Some(Missing::Record(what)),
        Some(_) => Some(Missing::Other),
        None => (named || words.iter().any(|word| is_thing(word))).then_some(Missing::Other),
    }
}

/// Words between the name of a thing, its id, and that it was not found.
const BETWEEN: [&str; 13] =
    ["was", "is", "were", "are", "could", "be", "with", "the", "this", "that", "given", "provided", "specified"];

/// Things that a call names beside its record.
fn is_thing(word: &str) -> bool {
    matches!(
        word,
        "user"
            | "users"
            | "assignee"
            | "assigned"
            | "assignedto"
            | "owner"
            | "calendar"
            | "field"
            | "fields"
            | "company"
            | "agency"
            | "business"
            | "campaign"
            | "workflow"
            | "opportunity"
            | "pipeline"
            | "stage"
            | "tag"
            | "tags"
            | "follower"
            | "followers"
            | "member"
            | "team"
            | "attachment"
            | "custom"
    )
}

/// Words have no digits, and are not written so long.
fn looks_like_id(word: &str) -> bool {
    word.len() >= 6 && word.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::error::Class;
    use super::*;

    fn of(status: u16, body: &Value) -> GhlError {
        refusal(&Reply::canned(status, "application/json", body.to_string().as_bytes()), &[], None)
    }

    fn said(status: u16, message: &str) -> GhlError {
        of(status, &json!({"statusCode": status, "message": message}))
    }

    #[test]
    fn each_401_says_what_it_objects_to_and_none_stops_the_location_by_itself() {
        use UnauthorizedKind::*;
        let cases = [
            ("Invalid token: access token is invalid", TokenRejected),
            ("Invalid JWT", TokenRejected),
            ("jwt expired", TokenRejected),
            ("Invalid Private Integration token", TokenRejected),
            ("The token was revoked", TokenRejected),
            ("version header was not found.", VersionHeader),
            ("version header is invalid", VersionHeader),
            ("The token is not authorized for this scope.", MissingScope),
            ("The token does not have access to this location.", LocationAccess),
            ("Token's user type mismatch!", WrongTokenType),
            (
                "This authClass type is not allowed to access this scope. Please verify your IAM configuration.",
                WrongTokenType,
            ),
            ("Unauthorized", Unexplained),
            ("UnAuthorized!", Unexplained),
            ("", Unexplained),
        ];
        for (message, expected) in cases {
            let error = said(401, message);
            assert!(matches!(&error, GhlError::Unauthorized { kind, .. } if *kind == expected), "{message}: {error:?}");
            let of_token = matches!(expected, TokenRejected | LocationAccess | Unexplained | WrongTokenType);
            assert_eq!(error.class(), if of_token { Class::Broken } else { Class::Permanent }, "{message}");
        }
        for body in ["", "{}", "null", "nonsense"] {
            let error = refusal(&Reply::canned(401, "application/json", body.as_bytes()), &[], None);
            assert!(matches!(error, GhlError::Unauthorized { kind: Unexplained, .. }), "{body}: {error:?}");
        }
        let version = said(400, "Invalid API version segment 'bogus-version' at position 0");
        assert!(matches!(version, GhlError::Unauthorized { kind: VersionHeader, .. }), "{version:?}");
    }

    #[test]
    fn a_403_about_the_location_is_the_lanes_matter_and_any_other_the_calls() {
        assert_eq!(said(403, "The token does not have access to this location.").class(), Class::Broken);
        assert!(matches!(said(403, "Forbidden resource"), GhlError::Invalid { status: 403, .. }));
    }

    #[test]
    fn a_record_that_ghl_names_is_gone_whether_400_or_404() {
        assert_eq!(said(400, "Contact with id abc not found"), GhlError::Gone { what: Subject::Contact });
        assert_eq!(said(404, "Contact not found"), GhlError::Gone { what: Subject::Contact });
        assert_eq!(said(404, "Task not found"), GhlError::Gone { what: Subject::Task });
        assert_eq!(said(400, "Note with id n1 not found"), GhlError::Gone { what: Subject::Note });
        for message in [
            "The contact was not found",
            "Contact with the given id was not found",
            "Contact id 4HcQ2fUEbT9hnB not found",
            "Contact 4HcQ2fUEbT9hnB could not be found; contact not found",
            "Location abc: contact not found",
            "Contact (4HcQ2fUEbT9hnB) is not found for the location",
        ] {
            assert_eq!(said(400, message), GhlError::Gone { what: Subject::Contact }, "{message}");
        }
        let named = |id: &str| {
            let body = json!({"message": format!("Contact with id {id} not found")}).to_string();
            refusal(&Reply::canned(400, "application/json", body.as_bytes()), &["aB-1"], None)
        };
        assert_eq!(named("aB-1"), GhlError::Gone { what: Subject::Contact });
        assert!(matches!(named("other"), GhlError::Invalid { status: 400, .. }), "it is about another contact");
    }

    #[test]
    fn a_cut_emoji_hides_no_reason() {
        let cut = |body: &str| refusal(&Reply::canned(400, "application/json", body.as_bytes()), &[], None);
        let duplicate = r#"{"statusCode":400,"message":"This location does not allow duplicated contacts.","meta":{"contactId":"c1","contactName":"Cut \ud83d","matchingField":"email"}}"#;
        let found = GhlError::Duplicate { contact_id: Some("c1".to_owned()), matching_field: Some("email".to_owned()) };
        assert_eq!(cut(duplicate), found);
        let GhlError::Invalid { messages, .. } = cut(r#"{"message":["phone \ud83d is odd"]}"#) else {
            panic!("it is invalid")
        };
        assert!(messages[0].starts_with("phone"), "{messages:?}");
    }

    #[test]
    fn a_404_that_names_no_record_proves_nothing() {
        let canned = |kind, body: &str| refusal(&Reply::canned(404, kind, body.as_bytes()), &["c1"], None);
        for body in [
            r#"{"message":"Not Found","statusCode":404}"#,
            r#"{"message":"no Route matched with those values"}"#,
            r#"{"message":"Cannot GET /v9/contacts/c1","error":"Not Found"}"#,
            r#"{"error":{"code":"RESOURCE_NOT_FOUND","message":"It was not found."}}"#,
            "{}",
            "[]",
            "null",
            "",
        ] {
            let error = canned("application/json", body);
            assert!(matches!(error, GhlError::NotFound { .. }), "{body}: {error:?}");
            assert_eq!((error.class(), error.outcome_unknown()), (Class::Passing, false), "{body}");
        }
        let plain = canned("text/plain", "404 page not found");
        assert_eq!(plain, GhlError::NotFound { reason: "404 page not found".to_owned() });
    }

    #[test]
    fn what_is_missing_beside_the_record_is_the_callers_mistake() {
        for status in [400, 404] {
            for message in [
                "User with id u1 not found",
                "Assigned user of the task not found",
                "Calendar not found",
                "The event calendar was not found",
                "Contact owner not found",
                "Contact's assigned user 4Hc1 not found",
                "Contact custom field not found",
                "Custom field of the contact not found",
                "Task assignee not found",
                "Appointment owner with id u7 was not found",
                "Contact folder not found",
            ] {
                let error = said(status, message);
                assert!(matches!(error, GhlError::Invalid { status: reported, .. } if reported == status), "{message}");
            }
        }
        assert!(matches!(said(400, "Bad Request"), GhlError::Invalid { status: 400, .. }));
        assert_eq!(said(404, "Location not found"), GhlError::Gone { what: Subject::Location });
    }

    #[test]
    fn a_duplicate_names_the_contact_that_is_there_where_ghl_does() {
        let reported = "This location does not allow duplicated contacts.";
        let meta = json!({"contactId": "c1", "contactName": "Jane", "matchingField": "email"});
        let found = GhlError::Duplicate { contact_id: Some("c1".to_owned()), matching_field: Some("email".to_owned()) };
        let v2 = of(400, &json!({"statusCode": 400, "message": reported, "meta": meta}));
        assert_eq!(v2, found);
        assert!(!format!("{v2} {v2:?}").contains("Jane"));
        assert_eq!((v2.class(), v2.may_have_created()), (Class::Permanent, false));
        for details in [meta.clone(), json!([meta])] {
            let v3 =
                json!({"error": {"code": "DUPLICATE", "message": reported, "details": details, "resolution": "-"}});
            assert_eq!(of(400, &v3), v2);
        }

        let silent = GhlError::Duplicate { contact_id: None, matching_field: None };
        assert_eq!(said(400, reported), silent);
        for id in [json!(7), json!("a\0b"), json!("a b"), json!("x".repeat(300))] {
            let odd = json!({"contactId": id, "matchingField": "jane@example.com"});
            assert_eq!(of(400, &json!({"message": reported, "meta": odd})), silent);
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
        assert!(matches!(missing(""), GhlError::NotFound { .. }));
        assert!(matches!(missing("User"), GhlError::Invalid { status: 404, .. }));
    }

    #[test]
    fn a_create_refused_with_422_may_have_created() {
        assert!(said(422, "phone is odd").may_have_created());
        assert!(!said(400, "phone is odd").may_have_created());
        assert!(!said(422, "phone is odd").outcome_unknown());
    }

    #[test]
    fn a_page_before_ghl_is_passing_whatever_its_status() {
        for status in [301, 401, 403, 404, 502] {
            let error = refusal(&Reply::canned(status, "text/html", b"<!doctype html>blocked"), &[], None);
            assert_eq!(error, GhlError::Server { status, reason: "blocked".to_owned() });
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
    fn a_refusal_fingerprints_nothing_that_was_sent() {
        let sent = json!({"body": "Jane owes 500"});
        let body = json!({"message": "body 'Jane owes 500' is not allowed"}).to_string();
        let error = refusal(&Reply::canned(422, "application/json", body.as_bytes()), &[], Some(&sent));
        assert!(!format!("{error} {error:?}").contains("Jane"), "{error}");
    }
}
