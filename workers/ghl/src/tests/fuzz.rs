//! Replies, headers and dates that nobody would send on purpose: no panic, and an error that names operation and field and
//! reports nothing of what stood there.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use scripted_server::reply;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::super::dates::{WireSecond, WireTime};
use super::super::{Class, GhlError, throttle};
use super::every::every;
use super::*;

/// What every reply holds somewhere, and no error may repeat.
const PRIVATE: &str = "Jane Doe";

/// A reply that every operation finds its part in.
static SAMPLE: LazyLock<Value> = LazyLock::new(|| {
    let contact = json!({
        "id": "c1", "name": PRIVATE, "firstName": "Jane", "email": "jane@example.com", "phone": "+18832327657",
        "tags": ["vip"], "dnd": true, "dndSettings": {"SMS": {"status": "permanent", "message": PRIVATE}},
        "customFields": [{"id": "f1", "value": [PRIVATE, 1]}], "dateOfBirth": "1990-09-25",
        "dateAdded": "2021-07-02T05:18:26.704Z", "dateUpdated": 1_625_203_106_704_i64, "ssn": "000-00-0000",
        "searchAfter": [1_625_203_106_704_i64, "c1"],
    });
    let task = json!({"_id": "t1", "title": PRIVATE, "dueDate": "2020-10-25T11:00:00.000Z", "completed": false});
    let note = json!({"id": "n1", "body": PRIVATE, "userId": null, "dateAdded": "2021-07-08T12:02:11.285Z"});
    let event = json!({"id": "a1", "title": PRIVATE, "startTime": "2021-07-16 11:00:00", "appointmentStatus": "new"});
    json!({
        "contact": contact, "contacts": [contact, contact], "total": 2, "count": 2, "new": true, "succeded": true,
        "meta": {"total": 2, "startAfterId": "c1", "startAfter": 1_625_203_106_704_i64},
        "task": task, "tasks": [task], "note": note, "notes": [note], "event": event, "events": [event],
        "location": {"id": "l1", "name": PRIVATE, "timezone": "America/Chicago"},
        "customFields": [{"id": "f1", "name": "pin", "fieldKey": "contact.pin", "picklistOptions": null}],
        "tags": ["vip"], "followers": ["u1"], "ids": ["c1"], "errorCount": 0,
        "responses": [{"contactId": "c1", "message": "Tags updated", "type": "success"}],
    })
});

/// Any value, the awkward ones often.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(json!(1e308)), Just(json!(i64::MIN)), Just(json!("")), Just(json!(PRIVATE))],
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((prop_oneof![Just("id".to_owned()), ".{0,8}".boxed()], inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The bytes of a reply: the sample with some of its values replaced or taken out, perhaps cut short; or anything at all.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let changed = (vec((any::<prop::sample::Index>(), prop::option::weighted(0.8, any_value())), 0..4), 0..10_usize)
        .prop_flat_map(|(changes, cut)| {
            let mut body = SAMPLE.clone();
            for (at, value) in changes {
                let places = places(&body);
                change(&mut body, &places[at.index(places.len())], value);
            }
            let bytes = body.to_string().into_bytes();
            let ends = if cut == 0 { 0..=bytes.len() } else { bytes.len()..=bytes.len() };
            (Just(bytes), ends)
        })
        .prop_map(|(mut bytes, end)| {
            bytes.truncate(end);
            bytes
        });
    prop_oneof![8 => changed, 1 => any_value().prop_map(|value| value.to_string().into_bytes()), 1 => vec(any::<u8>(), 0..60)]
}

/// The pointers to all values inside of `value`.
fn places(value: &Value) -> Vec<String> {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(name, value): (String, &Value)| {
        let name = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        places(value).into_iter().map(move |place| format!("{name}{place}"))
    };
    std::iter::once(String::new()).chain(inside.into_iter().flat_map(below)).collect()
}

/// Puts `new` at the place, or takes out what is there.
fn change(body: &mut Value, place: &str, new: Option<Value>) {
    let Some(new) = new else {
        let (parent, name) = place.rsplit_once('/').unwrap_or_default();
        if let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(name);
        }
        return;
    };
    if let Some(there) = body.pointer_mut(place) {
        *there = new;
    }
}

/// Calls operations as one process would, over one connection.
struct Caller {
    runtime: Runtime,
    bench: Bench,
}

impl Caller {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let bench = runtime.block_on(Bench::with([]));
        Self { runtime, bench }
    }

    /// What the operation at this place of the table makes of the reply.
    fn outcome(
        &self,
        status: u16,
        body: &[u8],
        operation: prop::sample::Index,
    ) -> (&'static str, Result<(), GhlError>) {
        let cases = every();
        let case = &cases[operation.index(cases.len())];
        let mut bytes = reply(status, "application/json", &[], "");
        let head = String::from_utf8(bytes).unwrap().replace("length: 0", &format!("length: {}", body.len()));
        bytes = [head.as_bytes(), body].concat();
        self.bench.server.will(Answer::Bytes(bytes));
        let permits = permits(1);
        let run = self.bench.ghl.for_run(&self.bench.token, &permits);
        (case.endpoint.operation, self.runtime.block_on((case.call)(run)))
    }
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn a_success_of_any_body_is_read_or_names_operation_and_field() {
    let caller = Caller::new();
    let any = (any::<prop::sample::Index>(), any_body());
    let tried = cases(600).run(&any, |(operation, body)| {
        let (operation, outcome) = caller.outcome(200, &body, operation);
        let Err(error) = outcome else { return Ok(()) };
        match &error {
            GhlError::Undecodable { operation: named, field, .. } => {
                prop_assert_eq!(*named, operation);
                prop_assert!(!field.is_empty());
            }
            GhlError::Invalid { status: 200, messages } => prop_assert!(messages[0].ends_with("is false")),
            other => prop_assert!(false, "{:?}", other),
        }
        let printed = format!("{error} {error:?}");
        let named = matches!(error, GhlError::Invalid { .. }) || printed.contains(operation);
        prop_assert!(named && !printed.contains("Jane"), "{}", printed);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_refusal_of_any_body_is_an_error_of_its_status() {
    let caller = Caller::new();
    let any = (any::<prop::sample::Index>(), 400..600_u16, any_body());
    let tried = cases(200).run(&any, |(operation, status, body)| {
        let (_, outcome) = caller.outcome(status, &body, operation);
        let error = outcome.unwrap_err();
        match status {
            429 => prop_assert_eq!(error.class(), Class::Throttling),
            500.. => {
                prop_assert!(
                    matches!(error, GhlError::Server { status: reported, .. } if reported == status),
                    "{error:?}"
                )
            }
            401 => prop_assert!(matches!(error, GhlError::Unauthorized { .. } | GhlError::Server { .. }), "{error:?}"),
            _ => {
                let passes = matches!(error, GhlError::Server { .. } | GhlError::NotFound { .. });
                prop_assert!(error.class() == Class::Permanent || passes, "{error:?}")
            }
        }
        Ok(())
    });
    tried.unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 1000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_text_is_a_time_or_none(text in prop_oneof![".{0,40}", "[0-9TZ:+ .-]{0,40}", "-?[0-9]{1,30}"]) {
        let read = WireTime::read(&json!(text));
        if let Some(time) = read {
            let _ = time.instant_in(&jiff::tz::TimeZone::UTC);
        }
    }

    #[test]
    fn any_value_is_a_time_or_none(value in any_value()) {
        let _ = WireTime::read(&value);
    }

    #[test]
    fn milliseconds_are_read_as_what_they_are(ms in -377_705_023_201_000_i64..=253_402_207_200_999) {
        let expected = jiff::Timestamp::from_millisecond(ms).unwrap();
        prop_assert_eq!(WireTime::read(&json!(ms)), Some(WireTime::Instant(expected)));
    }

    #[test]
    fn a_written_time_reads_back_as_itself(second in -377_705_023_201_i64..=253_402_207_200, nanos in 0..1_000_000_000_i64) {
        let at = jiff::Timestamp::from_second(second).unwrap();
        let with_more = at.checked_add(jiff::SignedDuration::from_nanos(nanos)).unwrap_or(at);
        let written = json!(WireSecond::from(with_more));
        prop_assert!(!written.as_str().unwrap().contains('.'));
        let read = WireTime::read(&written).unwrap().instant_in(&jiff::tz::TimeZone::UTC).unwrap();
        prop_assert!((read.as_second() - second).abs() <= 1);
        prop_assert_eq!(json!(WireSecond::from(read)), written);
    }

    #[test]
    fn any_header_asks_for_a_wait_of_at_most_a_day_or_none(
        values in vec(prop_oneof![vec(any::<u8>(), 0..30), "[-+0-9.eE]{0,25}".prop_map(String::into_bytes),
            "[0-9]{1,14}".prop_map(String::into_bytes),
            Just(b"Wed, 21 Oct 2026 07:28:30 GMT".to_vec()), Just(b"NaN".to_vec()), Just(b"inf".to_vec())], 4)
    ) {
        let names = ["retry-after", "x-ratelimit-daily-reset", "x-ratelimit-daily-remaining", "date"];
        let headers: HeaderMap = names.into_iter().zip(&values)
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?)))
            .collect();
        let GhlError::Throttled { retry_after, .. } = throttle::throttled(&headers) else { panic!() };
        prop_assert!(retry_after.is_none_or(|wait| wait <= Duration::from_secs(86_400)));
    }
}
